"""The conventional image beside another one: exact SENSE of a frame, and how noisy it is, by one factorisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.recipes import Unfolding
from gateway.recon.coil_maps import ADAPTIVE, Seen
from gateway.recon.parallel import Group, Undersampled
from gateway.recon.sense import Unfolding as Problem, solve_exactly, solve_several

ROUNDING = 1e-6
"""Noise power that single precision makes by itself, relative to the brightest pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """Of one frame, on the lines that were encoded.

    Parameters
    ----------
    image
        Complex. Shape `(y x)`.
    noise
        Power of what the solution makes of noise alone as strong as that of the samples, in the real part or any other
        phase: one draw. Shape `(y x)`.
    """

    image: Tensor
    noise: Tensor

    @property
    def nbytes(self) -> int:
        """Say how much memory it takes."""
        return self.image.nbytes + self.noise.nbytes


def problem_of(group: Group, seen: Seen, frame: int, noise_power: float) -> Problem:
    """Pose the problem of one frame of a group, by the first set of sensitivities."""
    return Problem(
        data=group.data[frame] * group.filled[frame, None, :, :, None],
        filled=group.filled[frame],
        maps=seen.maps[:1],
        prior=seen.prior[:1],
        noise_power=max(noise_power, ROUNDING * float(seen.prior.max())),
    )


def companion_of(group: Group, seen: Seen, frame: int = 0) -> Companion:
    """Solve for the image of a frame, and for what it makes of noise alone, together: both go the same way.

    Noise goes round in the complex plane, so that half of its power is that along any phase: one draw tells as much as
    two of which only the part along the image's phase is looked at. Each frame has its own, which follows from its
    place in the scan.
    """
    problem = problem_of(group, seen, frame, group.noise_power)
    noise = _noise(problem.data, group, frame)
    image, made_of_noise = solve_several(problem, torch.stack([problem.data, noise]))[:, 0, 0]
    return Companion(image=image, noise=torch.view_as_real(made_of_noise).square().sum(dim=-1) / 2)


def _noise(data: Tensor, group: Group, frame: int) -> Tensor:
    """Draw noise on the measured lines, as strong as that of the samples. Shape `(coil z y x)`."""
    random = torch.Generator(device=data.device).manual_seed(int(group.seeds[frame]))
    n_coils, *_, n_x = data.shape
    filled = group.filled[frame]
    few = (n_coils, int(filled.sum()), n_x)
    drawn = torch.randn(few, dtype=data.dtype, device=data.device, generator=random).mul_(group.noise_power**0.5)
    noise = torch.zeros_like(data)
    noise[:, filled] = drawn
    return noise


def recalled_seen(scan: Undersampled, group: Group, recipe: Unfolding) -> Seen:
    """See the slice of a group as a recipe wants it, or recall what was seen."""
    at = scan.slice_of(group.numbers[0])
    how = recipe.coils if recipe.coils in ADAPTIVE else "espirit"
    return scan.source.once(
        ("seen", at, how, recipe.map_sets, scan.compression is None, group.block.device),
        lambda: group.see(recipe),
        lambda seen: seen.maps.nbytes + seen.prior.nbytes,
    )


def recalled(scan: Undersampled, group: Group, seen: Seen, frame: int = 0) -> Companion:
    """Make the companion of a frame, or recall it."""
    what = ("companion", group.numbers[frame], group.data.device)
    return scan.source.once(what, lambda: companion_of(group, seen, frame), lambda found: found.nbytes)


Unfolded = Callable[[Group, Seen, int, float], Tensor]
"""From one frame of a group and the power of the noise to its SENSE image. Complex. Shape `(y x)`."""


def exactly(group: Group, seen: Seen, frame: int, noise_power: float) -> Tensor:
    """Unfold one frame."""
    return solve_exactly(problem_of(group, seen, frame, noise_power))[0, 0]


def unfolded_for(scan: Undersampled) -> Unfolded:
    """Unfold frames together with their noise where somebody will ask for that, too; else alone."""
    if not scan.source.remembers:
        return exactly

    def unfolded(group: Group, seen: Seen, frame: int, noise_power: float) -> Tensor:
        if group.replica:
            return exactly(group, seen, frame, noise_power)
        return recalled(scan, group, seen, frame).image

    return unfolded
