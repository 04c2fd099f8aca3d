"""A plane is laid in eight ways, and laid back."""

from __future__ import annotations

import pytest
import torch

from gateway.model.networks import MapNetwork, PnpNetwork
from gateway.recon.networks.architectures import build
from gateway.recon.networks.prior import Prior
from gateway.recon.networks.ways import laid, laid_back

PLANES = torch.randn(2, 3, 5, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("way", range(16))
def test_what_was_laid_is_laid_back(way: int) -> None:
    torch.testing.assert_close(laid_back(laid(PLANES, way), way), PLANES, rtol=0, atol=0)


def test_there_are_eight_ways_and_then_they_come_again() -> None:
    ways = [laid(PLANES[:, :, :3], way) for way in range(9)]
    same = [[torch.equal(one, other) for other in ways] for one in ways]
    assert [sum(row) for row in same] == [2, *[1] * 7, 2]


def test_a_prior_is_asked_until_data_of_such_noise_need_no_more() -> None:
    noise = torch.tensor([0.001, 0.02, 5.0])
    prior = build(PnpNetwork(noisiest=0.3, quietest=0.01, times_noise=2.0, steps=5))
    assert isinstance(prior, Prior)
    strengths = torch.stack(prior.strengths(noise))
    torch.testing.assert_close(strengths[0], torch.full((3,), 0.3))
    torch.testing.assert_close(strengths[-1], torch.tensor([0.01, 0.04, 0.3]))
    torch.testing.assert_close(strengths[1:] / strengths[:-1], (strengths[1] / strengths[0]).expand(4, 3))


def test_asked_in_all_ways_nothing_of_the_way_is_left() -> None:
    torch.manual_seed(2)
    prior = build(MapNetwork(n_channels=4, dilations=(1, 2)))
    assert isinstance(prior, Prior)
    with torch.no_grad():
        for weights in prior.parameters():
            weights.add_(torch.randn_like(weights), alpha=0.1)
        strength = torch.tensor([0.1, 0.2])

        def mean(planes: torch.Tensor) -> torch.Tensor:
            return torch.stack([prior.expected(planes, strength, way=way) for way in range(8)]).mean(dim=0)

        once = prior.expected(PLANES, strength, way=0)
        assert not torch.allclose(laid(once, 5), prior.expected(laid(PLANES, 5), strength, way=0), atol=1e-3)
        torch.testing.assert_close(laid(mean(PLANES), 5), mean(laid(PLANES, 5)), rtol=1e-4, atol=1e-5)
