"""Diffusion and the most likely image by a prior of which the answer is known: a Gaussian of a power for each pixel."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gateway.model.networks import DiffusionNetwork, MapNetwork, PnpNetwork
from gateway.recon.networks.diffusion import Diffusion
from gateway.recon.networks.most_likely import MostLikely
from gateway.recon.networks.observed import Observed, joined
from gateway.recon.networks.plug_and_play import PlugAndPlay

SHAPE = (4, 6)
N_COILS = 2
NOISE = 0.05
FROM, TO = 4.0, 0.01
N_FRAMES, N_SAMPLES = 64, 2


def _power() -> Tensor:
    """Expected power of each pixel: dark at one end, bright at the other. Shape `(x y)`."""
    return torch.linspace(0.2, 1.0, SHAPE[1]).square().expand(SHAPE)


class _Gaussian:
    def expected(self, image: Tensor, strength: Tensor, *, way: int) -> Tensor:  # noqa: ARG002 - it knows all ways
        return _wiener(image, strength)


class _GaussianDiffusion(_Gaussian, Diffusion):
    pass


class _GaussianPlugAndPlay(_Gaussian, PlugAndPlay):
    pass


class _GaussianMostLikely(_Gaussian, MostLikely):
    pass


def _wiener(image: Tensor, noise: Tensor) -> Tensor:
    """Denoise as well as anybody can where images are Gaussian."""
    return image * (_power() / (_power() + noise[:, None, None].square()))


def _seen() -> Observed:
    random = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.complex64, generator=random)

    maps = draw(1, N_COILS, *SHAPE)
    maps = maps / torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    image = draw(1, *SHAPE) * _power().sqrt()
    filled = torch.tensor([[[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]])
    scan = Observed(
        data=torch.zeros(1, N_COILS, *SHAPE, dtype=torch.complex64),
        filled=filled,
        maps=maps,
        start=image,
        brightness=_power().sqrt()[None],
        noise=torch.tensor([NOISE]),
        seed=torch.tensor([7]),
    )
    exact = scan.encoding.apply(image)
    data = (exact + NOISE * draw(*exact.shape)) * filled[:, None]
    return replace(scan, data=data, start=scan.encoding.adjoint(data))


def _posterior(seen: Observed, power: Tensor) -> tuple[Tensor, Tensor]:
    """Solve with dense matrices. Mean and variance; shape `(x y)` each."""
    n = SHAPE[0] * SHAPE[1]
    units = torch.eye(n, dtype=torch.complex64).reshape(n, *SHAPE)
    columns = torch.stack([seen.encoding.apply(unit[None]).flatten() for unit in units], dim=1)
    precision = columns.mH @ columns / NOISE**2 + torch.diag(1 / power.flatten()).to(columns.dtype)
    covariance = torch.linalg.inv(precision)
    mean = covariance @ (columns.mH @ seen.data.flatten()) / NOISE**2
    return mean.reshape(SHAPE), covariance.diagonal().real.reshape(SHAPE)


def _again(seen: Observed, n: int) -> Observed:
    """Make a batch of the same scan, each with a seed of its own."""
    return replace(joined([seen] * n), seed=torch.arange(n))


def test_samples_have_the_mean_and_the_spread_of_the_posterior() -> None:
    seen = _seen()
    sizes = DiffusionNetwork(noisiest=FROM, quietest=TO, steps=64, cg_steps=12, samples=N_SAMPLES)
    samples = _GaussianDiffusion(sizes).samples(_again(seen, N_FRAMES)).flatten(0, 1)
    mean, variance = _posterior(seen, _power())
    n = len(samples)
    spread = (samples - samples.mean(dim=0)).abs().square().sum(dim=0) / (n - 1)
    assert variance.max() > 10 * variance.min(), "some pixels are known far better than others"
    off = ((samples.mean(dim=0) - mean).abs().square() / variance).mean().sqrt()
    assert off < 0.16, "standard deviations of the posterior, of which chance alone makes 0.09"
    torch.testing.assert_close((spread / variance).mean(), torch.tensor(1.0), atol=0.12, rtol=0)
    assert (spread / variance).log().abs().max() < 0.5


def test_where_it_stands_still_data_and_score_are_in_balance() -> None:
    seen, quietest = _seen(), 0.1
    sizes = MapNetwork(noisiest=1.0, quietest=quietest, times_noise=0, steps=64, cg_steps=12)
    found = _GaussianMostLikely(sizes)(seen)[0]
    mean, _ = _posterior(seen, _power() + quietest**2)
    assert (found - mean).norm() < 0.02 * mean.norm()


def test_plug_and_play_ends_at_the_mean_of_the_posterior_whatever_the_strengths() -> None:
    seen = _seen()
    mean, _ = _posterior(seen, _power())
    for last in (0.05, 0.4):
        sizes = PnpNetwork(noisiest=1.0, quietest=last, times_noise=0, steps=96, cg_steps=12)
        found = _GaussianPlugAndPlay(sizes)(seen)[0]
        assert (found - mean).norm() < 0.01 * mean.norm(), last
