"""fastMRI's networks bear the published names and shapes, and give what their papers say, on any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gateway.model.networks import UnetNetwork, VarnetNetwork
from gateway.recon.networks.architectures import build
from gateway.recon.networks.settle import Settle
from gateway.recon.networks.tuning import by_pixels
from gateway.recon.networks.unet import Unet
from gateway.recon.networks.varnet import VarNet
from tests.recon.networks import reference

SMALL = VarnetNetwork(n_cascades=2, n_channels=4, n_pools=2, sens_channels=3, sens_pools=2)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


def _count(network: nn.Module) -> tuple[int, int]:
    return len(network.state_dict()), sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize(
    ("n_channels", "n_parameters"), [(32, 7_756_097), (64, 31_023_745), (128, 124_093_697), (256, 496_372_225)]
)
def test_the_published_unets_have_24_tensors_and_so_many_parameters(n_channels: int, n_parameters: int) -> None:
    with torch.device("meta"):
        assert _count(build(UnetNetwork(n_channels=n_channels))) == (24, n_parameters)


def test_the_published_varnet_has_324_tensors_and_so_many_parameters() -> None:
    with torch.device("meta"):
        network = build(VarnetNetwork())
    assert _count(network) == (324, 29_936_966)
    names = set(network.state_dict())
    assert {
        "cascades.11.dc_weight",
        "cascades.0.model.unet.up_conv.3.1.bias",
        "sens_net.norm_unet.unet.conv.layers.4.weight",
    } <= names


def _laid_out(network: nn.Module, *, as_worker: bool) -> nn.Module:
    """Give it as it was built, or as a worker keeps it."""
    if as_worker:
        by_pixels(network, torch.device("cpu"))
    return network.eval()


@pytest.mark.parametrize("as_worker", [False, True])
@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (20, 19)])
def test_a_unet_gives_what_another_derivation_gives(shape: tuple[int, int], as_worker: bool) -> None:
    network = _laid_out(Unet(1, 1, n_channels=4, n_pools=2), as_worker=as_worker)
    image = torch.randn(2, 1, *shape)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), reference.unet(network.state_dict(), image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("as_worker", [False, True])
@pytest.mark.parametrize("shape", [(6, 32, 48), (2, 33, 47)])
def test_a_varnet_gives_what_another_derivation_gives(shape: tuple[int, int, int], as_worker: bool) -> None:
    network = _laid_out(VarNet(**SMALL.model_dump(exclude={"method"})), as_worker=as_worker)
    for weight in (one for name, one in network.named_parameters() if name.endswith("dc_weight")):
        torch.nn.init.uniform_(weight, 0.3, 1.2)
    n_lines = shape[-1]
    measured = torch.zeros(n_lines, dtype=torch.bool)
    measured[::3] = measured[n_lines // 2 - 4 : n_lines // 2 + 4] = True
    kspace = torch.randn(*shape, dtype=torch.complex64) * measured
    with torch.inference_mode():
        coils = network(kspace[None], measured.view(1, 1, 1, -1), 8)
    found = torch.linalg.vector_norm(coils[0], dim=0)
    wanted = reference.varnet(network.state_dict(), kspace.numpy(), measured.numpy(), 8)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("as_worker", [False, True])
def test_a_batch_is_reconstructed_as_each_of_it_alone(as_worker: bool) -> None:
    network = _laid_out(VarNet(**SMALL.model_dump(exclude={"method"})), as_worker=as_worker)
    measured = torch.ones(1, 1, 1, 32, dtype=torch.bool)
    kspace = torch.randn(3, 2, 24, 32, dtype=torch.complex64)
    with torch.inference_mode():
        together = network(kspace, measured, 8)
        alone = torch.cat([network(one[None], measured, 8) for one in kspace])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_scaling_k_space_scales_the_image_and_a_common_phase_of_all_coils_does_not_change_its_size() -> None:
    network = VarNet(**SMALL.model_dump(exclude={"method"})).eval()
    measured = torch.ones(1, 1, 1, 32, dtype=torch.bool)
    kspace = torch.randn(1, 2, 24, 32, dtype=torch.complex64)
    with torch.inference_mode():
        plain, larger = network(kspace, measured, 8), network(kspace * 1e6, measured, 8)
    np.testing.assert_allclose(larger.numpy(), plain.numpy() * 1e6, rtol=1e-3, atol=10)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_a_large_image_is_settled_where_it_lies_as_in_double_precision(offset: float) -> None:
    image = torch.randn(2, 5, 200, 160) * 3 + offset
    exact = Settle()(image.double())
    laid = image.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = Settle()(laid)
    assert found.data_ptr() == laid.data_ptr()
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-6 * (1 + offset))
