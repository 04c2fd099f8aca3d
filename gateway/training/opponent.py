"""The opponent of robust training: disturbs samples so that the network errs most (Raj 2020, arXiv:2002.11821).

It plays against the network: ``min over the network, max over the opponent, of loss(f(y)) + w loss(f(y + d(y)))``, less
a hinge beyond the radius. A step of one follows a step of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.training_parties import Opponent
from gateway.recon.companion import ROUNDING
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.networks.observed import Observed, sense_by_steps
from gateway.recon.networks.residual import to_channels, to_complex
from gateway.recon.sense import Unfolding, solve_exactly
from gateway.training.lessons import Lesson
from gateway.training.players import Player

SLOPE = 0.2
N_SEEN = 6
"""Channels of each coil: its own folded image, the conventional one through its eyes, and its sensitivity."""
Judge = Callable[[Lesson], Tensor]
"""Gives the loss of the network on a lesson."""


class OpponentNetwork(nn.Module):
    """Each coil is an image of its own: halved by convolutions, brought back by transposed ones."""

    def __init__(self, sizes: Opponent) -> None:
        super().__init__()
        n = sizes.n_channels
        halve, double = (partial(kind, kernel_size=4, stride=2, padding=1) for kind in (nn.Conv2d, nn.ConvTranspose2d))
        self.down = nn.ModuleList([halve(N_SEEN, n), halve(n, 2 * n)])
        self.up = nn.ModuleList([double(2 * n, n), double(n, 2)])

    def forward(self, seen: Observed) -> Tensor:
        """Make a disturbance of the measured samples, of about the size of the data. Shape `(batch coil x y)`."""
        coils = inverse_fourier(seen.data, seen.axes)
        size = coils.abs().square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        seen_by_coil = [coils / size, seen.maps * (seen.start[:, None] / size), seen.maps]
        channels = torch.cat([to_channels(one.flatten(0, 1)) for one in seen_by_coil], dim=1)
        n_x, n_y = channels.shape[-2:]
        hidden = functional.pad(channels, (0, -n_y % 4, 0, -n_x % 4))
        for layer in self.down:
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
        hidden = self.up[1](functional.leaky_relu(self.up[0](hidden), SLOPE)).float()
        made = to_complex(hidden[..., :n_x, :n_y]).reshape(coils.shape) * size
        return fourier(made, seen.axes) * seen.filled[:, None]


def disturbed(lesson: Lesson, disturbance: Tensor) -> Lesson:
    """Add to the measured samples; the conventional image is made anew of them."""
    shown = replace(lesson.shown, data=lesson.shown.data + disturbance)
    return replace(lesson, shown=replace(shown, start=unfolded(shown)))


def unfolded(seen: Observed) -> Tensor:
    """Make the conventional image of what is measured, as `observe` does; gradients pass. Shape `(batch x y)`."""
    if len(seen.axes) > 1:
        return sense_by_steps(seen)
    return torch.stack([_unfolded(seen, number) for number in range(len(seen.data))])


def _unfolded(seen: Observed, number: int) -> Tensor:
    prior = seen.brightness[number].square()
    problem = Unfolding(
        data=seen.data[number].transpose(-2, -1)[:, None],
        filled=seen.filled[number],
        maps=seen.maps[number].transpose(-2, -1)[None, :, None],
        prior=prior.transpose(-2, -1)[None, None],
        noise_power=max(float(seen.noise[number]) ** 2, ROUNDING * float(prior.max())),
    )
    return solve_exactly(problem)[0, 0].transpose(-2, -1)


def size_of(disturbance: Tensor, lesson: Lesson) -> Tensor:
    """Give the size of disturbances as shares of the data. Shape `(batch,)`."""
    return _norm(disturbance) / _norm(lesson.shown.data).clamp_min(1e-12)


def _norm(samples: Tensor) -> Tensor:
    # Of squares: the norm itself has no gradient at zero.
    return (samples.abs().square().sum(dim=(1, 2, 3)) + 1e-24).sqrt()


def learn_to_disturb(opponent: Player, lesson: Lesson, judge: Judge, sizes: Opponent) -> None:
    """Let the opponent take a step towards what harms most."""
    disturbance = opponent.module(lesson.shown)
    beyond = functional.relu((size_of(disturbance, lesson) / sizes.radius).square() - 1).mean()
    opponent.descend(sizes.hinge * beyond - judge(disturbed(lesson, disturbance)))


def worst_within(lesson: Lesson, judge: Judge, *, radius: float, steps: int, seed: int = 0) -> Lesson:
    """Search the disturbance of a size that harms most, by projected gradient ascent (Madry 2018, arXiv:1706.06083).

    This is how robustness is measured: no network takes part but the one that is judged.
    """
    random = torch.Generator().manual_seed(seed)
    measured = lesson.shown.filled[:, None]
    drawn = torch.randn(lesson.shown.data.shape, dtype=lesson.shown.data.dtype, generator=random)
    disturbance = _of_size(drawn.to(measured.device) * measured, lesson, radius)
    worst, most = disturbance, -1.0
    for _ in range(steps):
        disturbance = disturbance.detach().requires_grad_()
        harm = judge(disturbed(lesson, disturbance))
        if (found := float(harm.detach())) > most:
            worst, most = disturbance.detach(), found
        (up,) = torch.autograd.grad(harm, disturbance)
        climbed = disturbance.detach() + _of_size(up * measured, lesson, radius / 2)
        disturbance = _of_size(climbed, lesson, radius)
    return disturbed(lesson, worst)


def _of_size(disturbance: Tensor, lesson: Lesson, radius: float) -> Tensor:
    return disturbance * (radius / size_of(disturbance, lesson).clamp_min(1e-12))[:, None, None, None]
