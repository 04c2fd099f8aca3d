"""Data consistency: what the image would have given on the measured lines, against what was measured there.

The residual is brought back to the image, where it shows the place, and is smoothed over the sizes of small
structures; in units of the scan's own noise. What sensitivities cannot explain of any image is allowed for, as a part
of the signal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gateway.recon.checks.blobs import WIDTHS_PX, blob, smoothed
from gateway.recon.checks.view import LINES, View
from gateway.recon.fourier import fourier, inverse_fourier

MODEL_ERROR = 0.02
"""Of the signal: how well sensitivities explain what coils measure, at their best."""
MODEL_ERROR_OF_LINES = 0.10
"""The same for the lines of k-space, where errors of all places meet."""
EASY_GAP = 2.0
"""Lines."""
MOST_LINES = 0.75
"""Part of the lines that a fault of single ones does not touch."""
QUIET = 0.25
"""Part of the lines of coils that are quiet."""
LEAST_BY_CHANCE = 0.1
"""Of the noise: less is a lost line, however few samples it has."""
EVERY_X = 4
"""One in so many positions x tells what comes round from the other end of k-space."""
ENDLESS = 1e3
"""Stands for what is infinite."""


def residual(view: View, seen: Tensor) -> Tensor:
    """Subtract what an image explains, at the brightness at which it explains most. Shape `(coil y x)`.

    Parameters
    ----------
    seen
        What would have been measured of the image. Shape `(coil y x)`.
    """
    power = seen.abs().square().sum()
    gain = (seen.conj() * view.data).sum() / power.clamp_min(torch.finfo(power.dtype).tiny)
    return (view.data - gain * seen) * view.filled[:, None]


def consistency_map(view: View, image: Tensor, left: Tensor) -> Tensor:
    """Say how far the residual stands out of the noise at each place, at the size at which it does most.

    Parameters
    ----------
    left
        From `residual`.

    Returns
    -------
        Standard deviations. Shape `(y x)`.
    """
    back, size = view.back(left), image.abs()
    best = torch.zeros_like(size)
    for width in WIDTHS_PX:
        transfer = blob(size.shape, width, size.device)
        lines = transfer.square() * view.filled[:, None]
        power = view.noise_power * float(lines.mean()) / 2  # of the real part, and of the imaginary
        share = float(lines.sum() / transfer.square().sum())
        allowed = MODEL_ERROR * share * smoothed(size, transfer).clamp_min(0)
        best = torch.maximum(best, smoothed(back, transfer).abs() / (power + allowed.square()).sqrt())
    return best


def line_misfit(view: View, image: Tensor, seen: Tensor, left: Tensor) -> Tensor:
    """Say by how much the residual of each line is larger than noise and the allowed error. Shape `(y,)`."""
    found = left.abs().square().mean(dim=(0, 2))
    explained = seen.abs().square().mean(dim=(0, 2))
    allowed = (MODEL_ERROR_OF_LINES * _loneliness(view.filled)).square() * explained + 2 * wrapped_power(view, image)
    expected = view.noise_power + allowed
    return (found / expected).sqrt() * view.filled


def _loneliness(filled: Tensor) -> Tensor:
    """Say how wide the wider gap beside each line is, in gaps that coils fill without effort; 1 at the least. `(y,)`.

    What neighbours know of a line reaches as far as coils tell points of k-space apart: beyond it, a method that is
    held down by an expectation has to choose between the line and that.
    """
    at = torch.arange(len(filled), device=filled.device)
    before = torch.where(filled, at, -1).cummax(dim=0).values.roll(1)
    after = torch.where(filled, at, len(filled)).flip(0).cummin(dim=0).values.flip(0).roll(-1)
    before[0], after[-1] = -1, len(filled)
    wider = torch.maximum(at - before, after - at)
    return (wider / EASY_GAP).clamp_min(1)


def wrapped_power(view: View, image: Tensor) -> Tensor:
    """Say how much of each line's power has come round from the other end of k-space, which no scan measures.

    A coil that sees more on one side than on the other spreads each line over its neighbours. On a grid of as many
    pixels as lines, what is spread beyond the last line comes in at the first, and what the patient would have spread
    in from beyond is lacking: as much again, of which an image knows nothing. On a scan with little noise that is what
    the outermost lines differ by. It is told from some positions x. Shape `(y,)`.
    """
    maps, some = view.maps[..., ::EVERY_X], image[..., ::EVERY_X]
    kspace = fourier(some, (LINES,))
    n = len(view.filled)
    at = torch.arange(n, device=kspace.device) - n // 2
    power = torch.zeros(n, device=kspace.device)
    for outer, opposite in ((at > n // 4, -at > n // 4), (-at > n // 4, at > n // 4)):
        end = inverse_fourier(kspace * outer[:, None], (LINES,))
        power += fourier(maps * end, (LINES,)).abs().square().mean(dim=(0, 2)) * opposite
    return power


def worst_line(view: View, by_line: Tensor) -> float:
    """Say how far the worst line stands out of most others, or of the noise where these are within it.

    What sensitivities do not explain raises all lines alike, and the more the fewer coils there are.
    """
    some = by_line[view.filled]
    return float(some.max() / some.quantile(MOST_LINES).clamp_min(1.0))


def silence(view: View) -> float:
    """Say by how much the quietest line of a coil is quieter than the quietest of so many would be by chance.

    What a receiver lost is zero, or less than noise: no image can tell, as it agrees with zeros best of all. Noise is
    what was measured, or what most quiet lines hold where that is less: where it is estimated from lines, signal adds
    to it. The mean power of n samples varies by a root of 1/n, and the least of N by ``sqrt(2 log N)`` of that (Cramer
    1946, Mathematical Methods of Statistics, 28.6).
    """
    power = view.data[:, view.filled].abs().square().mean(dim=2).flatten()
    alive = power[power > 0]
    if not len(alive):
        return ENDLESS
    noise = min(view.noise_power, float(alive.quantile(QUIET)))
    by_chance = 1 - math.sqrt(2 * math.log(max(len(power), 2)) / view.data.shape[2])
    return min(math.sqrt(noise * max(by_chance, LEAST_BY_CHANCE) / max(float(power.min()), 1e-30)), ENDLESS)
