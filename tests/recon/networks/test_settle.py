from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from gateway.recon.networks.settle import SLOPE, WIDE, Settle
from tests.recon.laws import relative_error


@pytest.mark.parametrize("n_channels", [1, 18, 36, 64, WIDE + 1])
@pytest.mark.parametrize("size", [(1, 5, 7), (3, 6, 4), (1, 96, 130), (2, 80, 96)])
def test_channels_that_lie_together_settle_as_others_do(n_channels: int, size: tuple[int, int, int]) -> None:
    batch, n_y, n_x = size
    image = 3 * torch.randn(batch, n_channels, n_y, n_x, generator=torch.Generator().manual_seed(1)) + 1
    expected = functional.leaky_relu(functional.instance_norm(image.double()), SLOPE)
    with torch.inference_mode():
        found = Settle()(image.contiguous(memory_format=torch.channels_last))
    assert relative_error(found.double(), expected) < 2e-6


def test_a_single_pixel_has_nothing_to_tell() -> None:
    with torch.inference_mode():
        image = torch.full((1, WIDE + 1, 1, 1), 5.0).contiguous(memory_format=torch.channels_last)
        assert Settle()(image).abs().max() < 1e-3
