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
from gateway.recon.checks.view import View
from gateway.recon.magnitudes import power as power_of

MODEL_ERROR = 0.02
"""Of the signal: how well sensitivities explain what coils measure, at their best."""
MODEL_ERROR_OF_LINES = 0.10
"""The same for the lines of k-space, where errors of all places meet."""
QUIET = 0.25
"""Part of the lines of coils that are quiet."""
LEAST_BY_CHANCE = 0.1
"""Of the noise: less is a lost line, however few samples it has."""
ENDLESS = 1e3
"""Stands for what is infinite."""
TINY = 1e-30


def residual(view: View, seen: Tensor) -> Tensor:
    """Subtract what an image explains, at the brightness at which it explains most. Shape `(coil line sample)`.

    Parameters
    ----------
    seen
        What would have been measured of the image. Shape `(coil line sample)`.
    """
    power = power_of(seen).sum()
    gain = (seen.conj() * view.data).sum() / power.clamp_min(torch.finfo(power.dtype).tiny)
    return view.data - gain * seen


def consistency_map(view: View, image: Tensor, back: Tensor) -> Tensor:
    """Say how far the residual stands out of the noise at each place, at the size at which it does most.

    Parameters
    ----------
    back
        The residual, brought back to the image. Shape `(z y x)`.

    Returns
    -------
        Standard deviations. Shape `(z y x)`.
    """
    size = image.abs()
    best = torch.zeros_like(size)
    for width in WIDTHS_PX:
        transfer = blob(size.shape, width, size.device)
        noise, share = view.encoding.kept(width)
        power = view.noise_power * noise / 2  # of the real part, and of the imaginary
        allowed = MODEL_ERROR * share * smoothed(size, transfer).clamp_min(0)
        best = torch.maximum(best, smoothed(back, transfer).abs() / (power + allowed.square()).sqrt())
    return best


def line_misfit(view: View, image: Tensor, seen: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """Say by how much the residual is larger than noise and the error that is allowed for its line.

    Returns
    -------
        Of each line, and of each of its samples. Shapes `(line,)` and `(line sample)`.
    """
    encoding, weights = view.encoding, view.encoding.weights.expand(left.shape[1:])
    share = weights / weights.sum(dim=1, keepdim=True).clamp_min(TINY)
    found, explained = (power_of(each).mean(dim=0) for each in (left, seen))
    allowed = (MODEL_ERROR_OF_LINES * encoding.loneliness).square() * (explained * share).sum(dim=1)
    by_sample = found / (view.noise_power + allowed + encoding.from_beyond(image))[:, None]
    return (by_sample * share).sum(dim=1).sqrt(), by_sample.sqrt()


def worst_line(view: View, by_line: Tensor) -> float:
    """Say how far the worst line stands out of what is usual.

    What sensitivities do not explain raises all lines alike, and the more the fewer coils there are.
    """
    return float(by_line.max()) / max(view.encoding.usual(by_line), TINY)


def silence(view: View) -> float:
    """Say by how much the quietest line of a coil is quieter than the quietest of so many would be by chance.

    What a receiver lost is zero, or less than noise: no image can tell, as it agrees with zeros best of all. Noise is
    what was measured, or what most quiet lines hold where that is less: where it is estimated from lines, signal adds
    to it. The mean power of n samples varies by a root of 1/n, and the least of N by ``sqrt(2 log N)`` of that (Cramer
    1946, Mathematical Methods of Statistics, 28.6).
    """
    n_samples = (view.encoding.weights > 0).expand(view.data.shape[1:]).sum(dim=1).clamp_min(1)
    power = (power_of(view.data).sum(dim=2) / n_samples).flatten()
    alive = power[power > 0]
    if not len(alive):
        return ENDLESS
    noise = min(view.noise_power, float(alive.quantile(QUIET)))
    by_chance = 1 - math.sqrt(2 * math.log(max(len(power), 2)) / float(n_samples.min()))
    return min(math.sqrt(noise * max(by_chance, LEAST_BY_CHANCE) / max(float(power.min()), TINY)), ENDLESS)
