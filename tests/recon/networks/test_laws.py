"""What every network that knows coils and k-space keeps, trained or not: one set of laws for all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gateway.model.networks import (
    CascadeNetwork,
    DenoiserNetwork,
    DiffusionNetwork,
    KikiNetwork,
    MapNetwork,
    ModlNetwork,
    Network,
    PnpNetwork,
    RefineNetwork,
    StackNetwork,
    VariationalNetwork,
)
from gateway.recon.networks.architectures import ARCHITECTURES, build
from gateway.recon.networks.forward import image_of
from gateway.recon.networks.observed import Observed, in_own_units, in_units, sense_by_steps
from gateway.recon.networks.solving import Nearest
from gateway.recon.operators import Map
from tests.recon.laws import relative_error

TINY = {"n_channels": 6, "dilations": (1, 2)}
NETWORKS: tuple[Network, ...] = (
    ModlNetwork.model_validate({**TINY, "n_unrolls": 2, "cg_steps": 12}),
    ModlNetwork.model_validate({**TINY, "n_unrolls": 1, "cg_steps": 12, "n_channels": 8, "attention": True}),
    CascadeNetwork.model_validate({**TINY, "n_cascades": 2}),
    CascadeNetwork.model_validate({**TINY, "n_cascades": 2, "consistency": "hard"}),
    VariationalNetwork(n_stages=2, n_filters=4, filter_size=5, n_weights=7),
    DenoiserNetwork.model_validate(TINY),
    PnpNetwork.model_validate({**TINY, "steps": 4, "cg_steps": 12}),
    PnpNetwork.model_validate({**TINY, "steps": 4, "splitting": "fista"}),
    KikiNetwork.model_validate(TINY),
    DiffusionNetwork.model_validate({**TINY, "samples": 2, "steps": 3, "cg_steps": 12}),
    MapNetwork.model_validate({**TINY, "steps": 4, "cg_steps": 12}),
    RefineNetwork(n_channels=4, n_pools=2),
    RefineNetwork(n_channels=4, n_pools=2, attention=True, consistency="soft"),
    RefineNetwork(n_channels=4, n_pools=2, consistency="hard"),
    StackNetwork(n_channels=4, dilations=(1, 2), n_cascades=2),
    StackNetwork(n_channels=4, dilations=(1,), n_cascades=1, along="contrasts", consistency="hard"),
)
CONSISTENT = tuple(
    one
    for one in NETWORKS
    if one.method in ("modl", "kiki", "diffusion", "map")
    or getattr(one, "consistency", "") == "hard"
    or getattr(one, "splitting", "") == "admm"
)
"""Those that promise measured samples back, where there is no noise."""


def _name(network: Network) -> str:
    kind = getattr(network, "consistency", None) or getattr(network, "splitting", None)
    kind = "attention" if getattr(network, "attention", False) else kind
    return f"{network.method}-{kind}" if kind else network.method


def _network(sizes: Network) -> nn.Module:
    """Give it weights that do something: nobody trained them, but none is zero."""
    torch.manual_seed(3)
    network = build(sizes)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights), alpha=0.05)
    return network.eval()


def _scan(
    *, n: int = 1, n_coils: int = 3, shape: tuple[int, int] = (16, 20), noise: float = 0.01, plane: bool = False
) -> Observed:
    """Measure every other line; of a plane, every other point of both directions, and some more."""
    random = torch.Generator().manual_seed(11)

    def draw(*sizes: int) -> Tensor:
        return torch.randn(sizes, dtype=torch.complex64, generator=random)

    maps = draw(n, n_coils, *shape)
    maps = maps / torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    filled = torch.zeros(n, 1, shape[1])
    filled[..., ::2] = filled[..., shape[1] // 2 - 2 : shape[1] // 2 + 2] = 1
    if plane:
        filled = (torch.rand(n, *shape, generator=random) < 0.5).float()
        filled[:, shape[0] // 2 - 2 : shape[0] // 2 + 2, shape[1] // 2 - 2 : shape[1] // 2 + 2] = 1
    image = draw(n, *shape)
    empty = torch.zeros(n, n_coils, *shape, dtype=torch.complex64)
    scan = Observed(
        data=empty,
        filled=filled,
        maps=maps,
        start=image,
        brightness=image.abs(),
        noise=torch.full((n,), noise),
        seed=torch.arange(n),
    )
    data = scan.encoding.apply(image)
    return replace(scan, data=data, start=scan.encoding.adjoint(data))


@torch.no_grad()
def _made(network: nn.Module, scan: Observed) -> Tensor:
    seen, unit = in_own_units(scan)
    return image_of(network, seen) * unit


def test_the_laws_are_those_of_every_method() -> None:
    assert {type(one) for one in NETWORKS} | {
        one for one in ARCHITECTURES if one.__name__ in ("UnetNetwork", "VarnetNetwork")
    } == set(ARCHITECTURES)


@pytest.mark.parametrize("sizes", NETWORKS, ids=_name)
def test_scale_and_phase_of_the_data_are_those_of_the_image(sizes: Network) -> None:
    network, scan = _network(sizes), _scan()
    by = torch.full((1, 1, 1), 3e7, dtype=torch.complex64) * torch.exp(torch.tensor(2.1j))
    louder = in_units(scan, 1 / by)
    torch.testing.assert_close(_made(network, louder), _made(network, scan) * by, rtol=2e-3, atol=2e-3 * 3e7)


@pytest.mark.parametrize("sizes", NETWORKS, ids=_name)
@pytest.mark.parametrize("shape", [(17, 21), (16, 19), (5, 34)])
def test_an_odd_matrix_keeps_its_size(sizes: Network, shape: tuple[int, int]) -> None:
    made = _made(_network(sizes), _scan(shape=shape))
    assert made.shape == (1, *shape)
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("sizes", [one for one in NETWORKS if one.method != "stack"], ids=_name)
def test_a_batch_is_each_of_its_slices_alone(sizes: Network) -> None:
    network, scan = _network(sizes), _scan(n=3)
    alone = [Observed(**{name: getattr(scan, name)[at : at + 1] for name in Observed.__slots__}) for at in range(3)]
    torch.testing.assert_close(
        _made(network, scan), torch.cat([_made(network, one) for one in alone]), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("sizes", NETWORKS, ids=_name)
def test_the_same_scan_gives_the_same_bits(sizes: Network) -> None:
    network, scan = _network(sizes), _scan()
    assert torch.equal(_made(network, scan), _made(network, scan))


@pytest.mark.parametrize("sizes", NETWORKS, ids=_name)
def test_every_weight_is_learned(sizes: Network) -> None:
    network, scan = _network(sizes), _scan()
    image_of(network, in_own_units(scan)[0]).abs().square().sum().backward()  # type: ignore[no-untyped-call]
    unmoved = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.abs().sum() > 0]
    silent = {"log_doubt", "log_step"} if getattr(sizes, "consistency", "") == "hard" else set()
    assert set(unmoved) <= silent


@pytest.mark.parametrize("sizes", CONSISTENT, ids=_name)
def test_measured_lines_come_back_where_that_is_promised(sizes: Network) -> None:
    """One coil that sees all alike, so that an image can fit the data whatever a network makes up."""
    scan = _scan(n_coils=1, noise=1e-6)
    scan = replace(scan, maps=torch.ones_like(scan.maps))
    scan = replace(scan, start=scan.encoding.adjoint(scan.data))
    off = scan.encoding.apply(_made(_network(sizes), scan)) - scan.data
    assert off.norm() < 2e-3 * scan.data.norm()
    free = scan.transform.apply(_made(_network(sizes), scan)) * (1 - scan.filled[:, None])
    assert free.norm() > 1e-2 * scan.data.norm(), "the network has its say where nothing was measured"


PLANAR = tuple(one for one in NETWORKS if one.method != "stack")
"""Those that take planes of two encoded directions."""


@pytest.mark.parametrize("sizes", PLANAR, ids=_name)
def test_planes_keep_the_laws_of_slices(sizes: Network) -> None:
    network, scan = _network(sizes), _scan(n=2, shape=(13, 18), plane=True)
    assert scan.axes == (-2, -1)
    by = torch.full((1, 1, 1), 3e7, dtype=torch.complex64) * torch.exp(torch.tensor(2.1j))
    made = _made(network, scan)
    torch.testing.assert_close(_made(network, in_units(scan, 1 / by)), made * by, rtol=2e-3, atol=2e-3 * 3e7)
    alone = [Observed(**{name: getattr(scan, name)[at : at + 1] for name in Observed.__slots__}) for at in range(2)]
    torch.testing.assert_close(made, torch.cat([_made(network, one) for one in alone]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sizes", [one for one in CONSISTENT if one.method != "stack"], ids=_name)
def test_measured_points_of_a_plane_come_back_where_that_is_promised(sizes: Network) -> None:
    scan = _scan(n_coils=1, noise=1e-6, plane=True)
    scan = replace(scan, maps=torch.ones_like(scan.maps))
    scan = replace(scan, start=scan.encoding.adjoint(scan.data))
    off = scan.encoding.apply(_made(_network(sizes), scan)) - scan.data
    assert off.norm() < 2e-3 * scan.data.norm()


def test_sense_by_steps_is_the_exact_solution() -> None:
    scan = _scan(n_coils=3, shape=(6, 8), noise=0.1, plane=True)
    found = sense_by_steps(scan)[0]
    basis = torch.eye(48, dtype=torch.complex64).reshape(48, 6, 8)
    columns = torch.stack([scan.encoding.apply(one[None])[0].flatten() for one in basis], dim=1)
    prior = torch.diag(scan.brightness.flatten().square()).to(columns.dtype)
    system = columns @ prior @ columns.mH + 0.01 * torch.eye(len(columns))
    exact = prior @ columns.mH @ torch.linalg.solve(system, scan.data.flatten())
    torch.testing.assert_close(found.flatten(), exact, rtol=1e-2, atol=1e-2)


def _other_lines(scan: Observed) -> Observed:
    """Let each of a batch have lines of its own."""
    return replace(scan, filled=torch.stack([one.roll(at, -1) for at, one in enumerate(scan.filled)]))


@pytest.mark.parametrize("plane", [False, True], ids=["lines", "points"])
@pytest.mark.parametrize("alike", [True, False], ids=["the same lines", "lines of their own"])
def test_solvers_use_the_normal_operator_of_the_encoding(*, plane: bool, alike: bool) -> None:
    scan = _scan(n=3, n_coils=6, shape=(7, 10), plane=plane)
    scan = replace(scan, filled=scan.filled[:1].expand_as(scan.filled)) if alike else _other_lines(scan)
    assert relative_error(scan.normal()(scan.start), scan.encoding.normal(scan.start)) < 1e-5


def test_solvers_leave_out_coils_that_tell_nothing_and_their_gradient_stays() -> None:
    scan = _other_lines(_scan(n=2, n_coils=3, shape=(6, 12)))
    mixing = torch.randn(9, 3, dtype=torch.complex64, generator=torch.Generator().manual_seed(2))
    maps = torch.einsum("vc,bcxy->bvxy", mixing, scan.maps)
    scan = replace(scan, maps=maps / torch.linalg.vector_norm(maps, dim=1, keepdim=True))
    maps = scan.maps + 1e-5 * torch.randn(2, 9, 6, 12, dtype=torch.complex64)
    scan = replace(scan, maps=maps, data=replace(scan, maps=maps).encoding.apply(scan.start))
    weight, whole = torch.full((1, 1, 1), 0.3), scan.encoding.normal

    def pulled(normal: Map) -> Tensor:
        nearest, guess = Nearest(scan, 8), (0.9 * scan.start).requires_grad_()
        nearest.normal = normal
        return torch.autograd.grad(nearest(guess, weight).abs().square().sum(), guess)[0]

    assert relative_error(pulled(scan.normal()), pulled(whole)) < 1e-3


def test_the_gradient_through_conjugate_gradients_is_that_of_finite_differences() -> None:
    scan = _scan(n_coils=2, shape=(2, 5), noise=0.3)
    scan = Observed(
        **{
            name: (one.to(torch.complex128) if one.is_complex() else one.double())
            for name in Observed.__slots__
            for one in [getattr(scan, name)]
        }
    )
    guess = scan.start.clone().requires_grad_()
    weight = torch.full((1, 1, 1), 0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Nearest(scan, 40), (guess, weight), atol=1e-5)
