"""Frames that are reconstructed together: which belong together, what they know of each other, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.networks import CascadeNetwork, Network, StackNetwork
from gateway.model.readout import Readouts
from gateway.model.recipes import FftRecipe, L1WaveletRecipe, LearnedRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.methods import together
from gateway.recon.methods.together import stacks_of
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.registration import shifted, shifts_to_first
from tests.recon.networks.test_laws import _network, _scan
from tests.recon.test_sparse import beating, every_frame_another_quarter, moving_scan
from tests.recon.undersampled import error
from tests.zoo.models import put_model

SMALL = StackNetwork(n_channels=4, dilations=(1,), n_cascades=1)
INDICES = np.array(
    [[0, 0, phase, contrast, slice_] for phase in range(3) for contrast in range(2) for slice_ in range(2)]
)
"""Set, repetition, phase, contrast, slice."""


@pytest.mark.parametrize(
    ("along", "stacks"),
    [
        ("time", [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]),
        ("slices", [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]),
        ("contrasts", [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9, 11]]),
    ],
)
def test_frames_that_differ_in_one_way_alone_belong_together(along: str, stacks: list[list[int]]) -> None:
    assert sorted(stacks_of(INDICES, along)) == stacks


def test_time_goes_round() -> None:
    network, scan = _network(SMALL), _scan(n=4)
    scan = replace(scan, brightness=scan.brightness[:1].expand(4, -1, -1))
    names = ("data", "filled", "maps", "start")
    turned = replace(scan, **{name: getattr(scan, name).roll(1, dims=0) for name in names})
    torch.testing.assert_close(network(turned), network(scan).roll(1, dims=0), rtol=1e-4, atol=1e-5)


def test_a_frame_sees_those_beside_it_and_no_others() -> None:
    network, scan = _network(SMALL.model_copy(update={"along": "slices"})), _scan(n=5)
    other = replace(scan, start=torch.cat([scan.start[:4], 2 * scan.start[4:]]))
    change = (network(other) - network(scan)).abs().amax(dim=(1, 2))
    assert change[:3].max() < 1e-6
    assert change[3] > 1e-4


def test_a_shift_is_found_to_a_part_of_a_pixel_though_the_contrast_is_another() -> None:
    image = torch.from_numpy(beating(n=64, n_frames=1)[0].T.astype(np.float32))
    moves = torch.tensor([[0.0, 0.0], [3.4, -1.7], [-5.0, 0.3]])
    moved = shifted(image.to(torch.complex64).expand(3, -1, -1), moves)
    torch.testing.assert_close(shifted(moved, -moves).real, image.expand(3, -1, -1), atol=1e-5, rtol=0)
    others = torch.stack([moved[0].abs(), (1.7 - moved[1].abs()).clamp_min(0), moved[2].abs().square()])
    torch.testing.assert_close(shifts_to_first(others), moves, atol=0.25, rtol=0)


def _cine() -> tuple[Readouts, ScanHeader]:
    readouts, header = moving_scan(beating(n=96, n_frames=6))
    return every_frame_another_quarter(readouts), header


def _ready(zoo: Path, network: Network = SMALL, **recipe: object) -> ReadyModel:
    card = put_model(zoo, network)
    asked = LearnedRecipe.model_validate({"model": "small", **recipe})
    return ReadyModel(recipe=asked, card=card, weights=zoo / "small" / "weights.safetensors")


def _run(readouts: Readouts, header: ScanHeader, ready: ReadyModel) -> ImageSeries:
    (series,) = reconstruct((readouts,), header, ready, device="cpu", progress=lambda *_: None)
    return series


def test_a_series_is_that_of_every_frame_where_a_network_changes_nothing(tmp_path: Path) -> None:
    """Nobody trained it: every frame is SENSE's with the data put back, whatever is beside it."""
    readouts, header = _cine()
    ready = _ready(tmp_path)
    joint = _run(readouts, header, ready)
    (alone,) = _run(readouts.select(readouts.heads["idx"]["phase"] == 4), header, ready).pixels
    assert len(joint.frames) == 6
    assert error(joint.pixels[4], alone) < 0.05


def test_slices_with_sensitivities_of_their_own_go_through_together(tmp_path: Path) -> None:
    scan = PhantomScan(
        n_slices=3, n_coils=4, matrix=Zyx(z=1, y=48, x=48), noise=0.005, seed=2, acceleration=2, calibration_lines=16
    )
    (readouts,), header = head_phantom(scan)
    joint = _run(readouts, header, _ready(tmp_path, SMALL.model_copy(update={"along": "slices"})))
    (truth,) = reconstruct(
        *head_phantom(replace(scan, acceleration=1, calibration_lines=0, noise=0.0)),
        FftRecipe(),
        device="cpu",
        progress=lambda *_: None,
    )
    assert joint.frames == truth.frames
    assert error(joint.pixels, truth.pixels) < 0.1


def test_frames_may_begin_with_the_images_of_another_recipe(tmp_path: Path) -> None:
    first, other = (
        _run(*_cine(), _ready(tmp_path / str(number), after=after))
        for number, after in enumerate((None, L1WaveletRecipe(steps=20)))
    )
    assert 0.005 < error(other.pixels, first.pixels) < 0.3
    assert other.notes[0] == "Made by the network small 1.0 (stack) after l1-wavelet."


def test_slices_that_go_through_in_batches_come_out_as_each_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU; a CPU takes one at a time."""
    scan = head_phantom(
        PhantomScan(
            n_slices=3,
            n_coils=4,
            matrix=Zyx(z=1, y=48, x=48),
            noise=0.005,
            seed=2,
            acceleration=2,
            calibration_lines=16,
        )
    )
    (readouts,), header = scan
    ready = _ready(tmp_path, CascadeNetwork(n_channels=4, dilations=(1,), n_cascades=1))
    alone = _run(readouts, header, ready)
    monkeypatch.setitem(together.BATCH, "cpu", 2)
    np.testing.assert_allclose(_run(readouts, header, ready).pixels, alone.pixels, rtol=1e-3, atol=1e-4)


def test_noise_of_frames_together_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(BadScan, match="ask for no map of it"):
        _run(*_cine(), _ready(tmp_path, output=(ImageKind.NOISE,)))
