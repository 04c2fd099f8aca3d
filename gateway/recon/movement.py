"""How far somebody has moved in the plane of an image since an earlier one: rigidly, whatever the contrasts.

Edges of both must run the same way, whichever side is brighter (normalised gradient fields, Haber 2006,
doi:10.1007/11866763_89). Turns are tried one by one, each with the shift that phase correlation finds for it; the best
of them is followed to a part of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from gateway.recon.registration import shifts_to_first

TURNS_DEG = (-8.0, -5.0, -2.5, 0.0, 2.5, 5.0, 8.0)
FARTHEST_MM = 15.0
"""Whoever has moved further is not followed."""
BLUR = 1.0
"""Of both images before their edges are compared, standard deviation in pixels."""
GAIN = 1.02
"""A movement is believed where edges agree so many times as well as without."""
FINEST = 1 / 16
"""Part of a pixel, and of a degree, at which the search ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Along the image's own axes x and y, and about its normal; and how well edges agree then, from 0 to 1."""

    x_mm: float = 0.0
    y_mm: float = 0.0
    turn_deg: float = 0.0
    alike: float = 0.0

    @property
    def told(self) -> str:
        """Say it for people."""
        return f"{(self.x_mm**2 + self.y_mm**2) ** 0.5:.1f} mm and {abs(self.turn_deg):.1f} degrees"


Moved = Callable[[float, float, float], Tensor]
"""From a movement (mm, mm, degrees) to the earlier image at the places of the other. Shape `(x y)`."""


def find_movement(image: Tensor, earlier: Moved, step_mm: tuple[float, float]) -> Movement:
    """Find the movement after which an earlier image lies best on another one.

    Parameters
    ----------
    image
        Magnitude. Shape `(x y)`.
    step_mm
        From pixel to pixel along x and y.
    """
    aims = _directions(image)

    def alike(at: tuple[float, float, float]) -> float:
        if max(abs(at[0]), abs(at[1])) > FARTHEST_MM or abs(at[2]) > max(TURNS_DEG):
            return 0.0
        theirs = _directions(earlier(*at))
        return float((aims * theirs).sum(dim=0).square().sum() / aims.square().sum().clamp_min(1e-12))

    still = alike((0.0, 0.0, 0.0))
    starts = [(0.0, 0.0, 0.0)] + [_start(image, earlier, step_mm, turn) for turn in TURNS_DEG]
    best, value = max(((at, alike(at)) for at in starts), key=lambda each: each[1])
    best, value = _climbed(alike, best, value, step_mm)
    if value < GAIN * still:
        return Movement(alike=still)
    return Movement(x_mm=best[0], y_mm=best[1], turn_deg=best[2], alike=value)


def _start(image: Tensor, earlier: Moved, step_mm: tuple[float, float], turn_deg: float) -> tuple[float, float, float]:
    shift = shifts_to_first(torch.stack([image, earlier(0.0, 0.0, turn_deg)]))[1]
    return (float(shift[0]) * step_mm[0], float(shift[1]) * step_mm[1], turn_deg)


def _climbed(
    alike: Callable[[tuple[float, float, float]], float],
    best: tuple[float, float, float],
    value: float,
    step_mm: tuple[float, float],
) -> tuple[tuple[float, float, float], float]:
    """Go uphill axis by axis, by ever smaller steps."""
    size = 1.0
    while size >= FINEST:
        steps = (size * step_mm[0], size * step_mm[1], size)
        x, y, turn = best
        tries = [
            (x + by * steps[0] * (axis == 0), y + by * steps[1] * (axis == 1), turn + by * steps[2] * (axis == 2))  # noqa: PLR2004 - axis
            for axis, by in product(range(3), (-1, 1))
        ]
        found, theirs = max(((at, alike(at)) for at in tries), key=lambda each: each[1])
        if theirs > value:
            best, value = found, theirs
        else:
            size /= 2
    return best, value


def _directions(image: Tensor) -> Tensor:
    """Take gradients over their length, shorter where there is hardly one. Shape `(axis x y)`."""
    n_x, n_y = image.shape
    window = sum(
        (torch.fft.fftfreq(n, device=image.device).reshape(shape)) ** 2 for n, shape in ((n_x, (-1, 1)), (n_y, (1, -1)))
    )
    smooth = torch.fft.ifft2(torch.fft.fft2(image) * torch.exp(-2 * (torch.pi * BLUR) ** 2 * window)).real
    steps = torch.stack([smooth.roll(-1, 0) - smooth.roll(1, 0), smooth.roll(-1, 1) - smooth.roll(1, 1)])
    power = steps.square().sum(dim=0)
    return steps / (power + power.mean()).sqrt().clamp_min(1e-12)
