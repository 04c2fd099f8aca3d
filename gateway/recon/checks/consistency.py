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

MODEL_ERROR = 0.02
"""Of the signal: how well sensitivities explain what coils measure, at their best."""
WORST, MOST = 0.999, 0.9
"""Quantiles over the patient that stand for its worst place, and for most of it."""
WITHIN_NOISE = 2.0
"""Standard deviations below which the worst place says nothing, however calm the rest is."""
FEWEST = 100
"""Pixels of a patient."""
MODEL_ERROR_OF_LINES = 0.10
"""The same for the lines of k-space, where errors of all places meet."""
BANDS = ((0.0, 0.15), (0.15, 0.35), (0.35, 0.6), (0.6, 1.1))
"""Distances from the centre of k-space, whose edge is at 1."""
COIL_ERROR = 0.08
"""By which the gains of coils may differ."""
MOST_LINES = 0.75
"""Part of the lines that a fault of single ones does not touch."""
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


def standing_alone(by_place: Tensor, there: Tensor) -> float:
    """Say how far the worst place of a map stands out of the rest of the patient; 1 where it is within the noise.

    What the method and the sensitivities do everywhere raises both, what was invented in one place only the one: a
    detector of constant false alarms (Rohling 1983, doi:10.1109/TAES.1983.309350).
    """
    values = by_place[there]
    if values.numel() < FEWEST:
        return 1.0
    worst, most = values.quantile(WORST), values.quantile(MOST)
    if worst < WITHIN_NOISE:
        return 1.0
    return float(worst / most.clamp_min(torch.finfo(most.dtype).tiny))


def line_misfit(view: View, seen: Tensor, left: Tensor) -> Tensor:
    """Say by how much the residual of each line is larger than noise and the allowed error. Shape `(y,)`."""
    found = left.abs().square().mean(dim=(0, 2))
    explained = seen.abs().square().mean(dim=(0, 2))
    expected = view.noise_power + MODEL_ERROR_OF_LINES**2 * explained
    return (found / expected).sqrt() * view.filled


def worst_line(view: View, by_line: Tensor) -> float:
    """Say how far the worst line stands out of most others, or of the noise where these are within it.

    What sensitivities do not explain raises all lines alike, and the more the fewer coils there are.
    """
    some = by_line[view.filled]
    return float(some.max() / some.quantile(MOST_LINES).clamp_min(1.0))


def silence(view: View) -> float:
    """Say by how much the quietest line of a coil is quieter than noise alone; about 1 where everything was measured.

    What a receiver lost is zero, or less than noise: no image can tell, as it agrees with zeros best of all.
    """
    power = view.data[:, view.filled].abs().square().mean(dim=2)
    quietest = float(power.min()) if power.numel() else view.noise_power
    return float(min(math.sqrt(view.noise_power / max(quietest, 1e-30)), ENDLESS))


def coil_misfit(view: View, seen: Tensor) -> float:
    """Say how far one coil's share of the signal changes from the centre of k-space to its edge, beyond noise.

    In each band of lines every coil is fitted to what it should have seen of the image: a complex gain, the same for
    all coils where the sensitivities hold, whatever the method did to the band. A coil that fails, drifts or has
    changed places gets another one.

    Returns
    -------
        Of the worst coil and band: in standard deviations of the noise and the error that is allowed.
    """
    wanted, power = (seen.conj() * view.data).sum(dim=2), seen.abs().square().sum(dim=2)
    n = len(view.filled)
    at = (torch.arange(n, device=power.device) - n // 2).abs() / (n / 2)
    worst = 0.0
    for low, high in BANDS:
        band = (at >= low) & (at < high) & view.filled
        size = power[:, band].sum(dim=1)
        if not band.any() or float(size.sum()) <= 0:
            continue
        gain = wanted[:, band].sum(dim=1) / size.clamp_min(torch.finfo(size.dtype).tiny)
        common = wanted[:, band].sum() / size.sum()
        error = (view.noise_power / size.clamp_min(torch.finfo(size.dtype).tiny) + COIL_ERROR**2).sqrt()
        worst = max(worst, float(((gain - common).abs() / error).max()))
    return worst
