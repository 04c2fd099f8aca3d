"""Slabs that follow each other in time: convolutions over volumes and from one to the next, (3+1)D."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gateway.model.card import Encoded, MadeFor
from gateway.model.image import ImageSeries
from gateway.model.networks import StackNetwork
from gateway.model.recipes import L1WaveletRecipe, LearnedRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.networks.observed import Observed, in_own_units, in_units
from gateway.recon.networks.ready import ReadyModel
from tests.recon.laws import relative_error
from tests.recon.networks.test_laws import _made, _network
from tests.recon.scans import encoded
from tests.recon.slabs import MATRIX, header_of, slab
from tests.recon.test_slabs import AT_RANDOM, CALIBRATION, NOISE, truth
from tests.recon.undersampled import error
from tests.training.plans import column, plan, run
from tests.zoo.models import put_model

SOFT = StackNetwork(n_channels=4, dilations=(1, 2), n_cascades=2, within="volumes")
HARD = StackNetwork(n_channels=4, dilations=(1,), n_cascades=1, within="volumes", consistency="hard")
SLABS = MadeFor(encoded=(Encoded.SLABS,))


def _volumes(*, n: int = 3, n_coils: int = 2, shape: tuple[int, int, int] = (7, 6, 9), noise: float = 0.01) -> Observed:
    """Measure half of the points across the readout, others of each frame. Space is `(x z y)`."""
    random = torch.Generator().manual_seed(5)

    def draw(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, dtype=torch.complex64, generator=random)

    maps = draw(1, n_coils, *shape).expand(n, -1, -1, -1, -1)
    image = draw(n, *shape)
    empty = torch.zeros(n, n_coils, *shape, dtype=torch.complex64)
    filled = (torch.rand(n, 1, *shape[1:], generator=random) < 0.5).float()
    scan = Observed(
        data=empty,
        filled=filled,
        maps=maps / torch.linalg.vector_norm(maps, dim=1, keepdim=True),
        start=image,
        brightness=image[:1].abs().expand(n, -1, -1, -1),
        noise=torch.full((n,), noise),
        seed=torch.arange(n),
    )
    data = scan.encoding.apply(image)
    return replace(scan, data=data, filled=filled, start=scan.encoding.adjoint(data))


def test_solvers_use_the_normal_operator_of_volumes() -> None:
    scan = _volumes(n_coils=4)
    assert relative_error(scan.normal()(scan.start), scan.encoding.normal(scan.start)) < 1e-5


@pytest.mark.parametrize("sizes", [SOFT, HARD], ids=["soft", "hard"])
def test_scale_and_phase_of_volumes_are_those_of_their_data(sizes: StackNetwork) -> None:
    network, scan = _network(sizes), _volumes()
    by = torch.full((1, 1, 1, 1), 3e7, dtype=torch.complex64) * torch.exp(torch.tensor(2.1j))
    torch.testing.assert_close(
        _made(network, in_units(scan, 1 / by)), _made(network, scan) * by, rtol=2e-3, atol=2e-3 * 3e7
    )


@pytest.mark.parametrize("shape", [(5, 3, 8), (8, 9, 7)])
def test_volumes_of_odd_edges_keep_their_size(shape: tuple[int, int, int]) -> None:
    made = _made(_network(SOFT), _volumes(shape=shape))
    assert made.shape == (3, *shape)
    assert torch.isfinite(made).all()


def test_time_goes_round_and_a_voxel_sees_its_neighbours_of_all_directions() -> None:
    network, scan = _network(SOFT), _volumes(n=4)
    names = ("data", "filled", "start")
    turned = replace(scan, **{name: getattr(scan, name).roll(1, dims=0) for name in names})
    torch.testing.assert_close(network(turned), network(scan).roll(1, dims=0), rtol=1e-4, atol=1e-5)
    other = scan.start.clone()
    other[1, 3, 2, 4] += 1
    nothing = torch.zeros_like(scan.filled)  # so that data carry nothing from place to place
    change = (network(replace(scan, filled=nothing, start=other)) - network(replace(scan, filled=nothing))).abs()
    for place in ((1, 2, 2, 4), (1, 3, 3, 4), (1, 3, 2, 5), (2, 3, 2, 4)):
        assert change[place] > 1e-6, place
    assert change[3, 3, 2, 4] < change[2, 3, 2, 4]


def test_measured_points_of_volumes_come_back_where_that_is_promised() -> None:
    scan = _volumes(n_coils=1, noise=1e-6)
    scan = replace(scan, maps=torch.ones_like(scan.maps))
    off = scan.encoding.apply(_made(_network(HARD), scan)) - scan.data
    assert off.norm() < 2e-3 * scan.data.norm()


def test_every_weight_of_a_network_of_volumes_is_learned() -> None:
    network = _network(SOFT)
    network(in_own_units(_volumes())[0]).abs().square().sum().backward()
    assert all(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in network.parameters())


def _ready(zoo: Path, sizes: StackNetwork = SOFT, **recipe: object) -> ReadyModel:
    asked = LearnedRecipe.model_validate({"model": "small", **recipe})
    made_for = put_model(zoo, sizes, made_for=SLABS)
    return ReadyModel(recipe=asked, card=made_for, weights=zoo / "small" / "weights.safetensors")


def _run(ready: ReadyModel, *, frames: int = 3, memory_bytes: int | None = None) -> ImageSeries:
    random = np.random.default_rng(2)
    keep = np.stack([(random.random(AT_RANDOM.shape) < 0.35) | CALIBRATION for _ in range(frames)])
    header = encoded(header_of(), acceleration=Zyx(z=2.0, y=2.0, x=1.0))
    made = slab(keep, noise=NOISE, frames=frames)
    (series,) = reconstruct((made,), header, ready, device="cpu", memory_bytes=memory_bytes, progress=lambda *_: None)
    return series


def test_slabs_that_follow_each_other_are_unfolded_together(tmp_path: Path) -> None:
    """Nobody trained it, so each frame is SENSE's with the data put back; little memory cuts the stack."""
    ready = _ready(tmp_path)
    series = _run(ready, frames=2)
    assert series.model is not None
    frames = series.pixels.reshape(2, *MATRIX.as_tuple())
    assert max(error(frame, truth()) for frame in frames) < 0.15
    little = _run(ready, frames=2, memory_bytes=1 << 20).pixels
    np.testing.assert_allclose(little, series.pixels, rtol=0, atol=0.02 * series.pixels.max())


def test_slabs_may_begin_with_the_images_of_another_recipe(tmp_path: Path) -> None:
    first = _run(_ready(tmp_path / "a"), frames=2)
    other = _run(_ready(tmp_path / "b", after=L1WaveletRecipe(steps=20)), frames=2)
    assert 0.001 < error(other.pixels, first.pixels) < 0.3


def test_a_network_of_volumes_learns_from_slabs_that_beat(tmp_path: Path) -> None:
    network = {"method": "stack", "within": "volumes", "n_channels": 4, "dilations": [1], "n_cascades": 1}
    masks = {"directions": [2], "patterns": ["random"], "accelerations": [3], "n_calibration": [8]}
    fit = {"steps": 4, "epoch": 2, "slab": 8, "frames": 2, "partitions": 16, "learning_rate": 5e-3, "reuse": 100}
    chosen = plan(network=network, masks=masks, fit=fit, losses=[{"kind": "l2"}, {"kind": "ssim", "weight": 0.1}])
    model = run(chosen, tmp_path)
    assert model.card.made_for.encoded == (Encoded.SLABS,)
    assert column(tmp_path, "loss")[-1] < column(tmp_path, "loss")[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"network": {"method": "stack", "within": "volumes"}}, "such a stack is for slabs"),
        ({"network": {"method": "stack"}, "masks": {"directions": [2]}}, "such a stack is for slices"),
        ({"network": {"method": "stack", "within": "volumes", "along": "slices"}}, "volumes follow each other in time"),
    ],
)
def test_a_stack_is_of_slices_or_of_slabs(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        plan(**changes)
