"""What each coil measured, against what it should have seen of the image: a coil that fails, drifts or changed places.

Sensitivities hold for the whole of a scan, whatever the method made of it: a gain that one coil has and the others have
not is the coil's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.checks.view import View
from gateway.recon.magnitudes import power as power_of

BANDS = ((0.0, 0.15), (0.15, 0.35), (0.35, 0.6), (0.6, 1.5))
"""Distances from the centre of k-space, whose edge is at 1, corners beyond."""
COIL_ERROR = 0.08
"""By which the gains of coils may differ."""
SLOPE_ERROR = 0.04
"""By which they may change from the centre of k-space to its edge."""
FEWEST_LINES = 8
CALMEST = 1e-5
"""Variance of a gain from one line to the next, at the least."""
LOG_TWO = 0.693
"""Median of the power of a complex normal value over its mean."""
TINY = 1e-30


def coil_misfit(view: View, seen: Tensor) -> float:
    """Say how far one coil's share of the signal changes from the centre of k-space to its edge, beyond noise.

    In each band of lines every coil is fitted to what it should have seen of the image: a complex gain, the same for
    all coils where the sensitivities hold, whatever the method did to the band. A coil that fails, drifts or has
    changed places gets another one.

    Returns
    -------
        Of the worst coil and band: in standard deviations of the noise and the error that is allowed.
    """
    wanted, power, at = seen.conj() * view.data, power_of(seen), view.encoding.distance
    if at.shape[1] == 1:  # all samples of a line lie in one band
        wanted, power = wanted.sum(dim=2, keepdim=True), power.sum(dim=2, keepdim=True)
    worst = 0.0
    for low, high in BANDS:
        band = (at >= low) & (at < high)
        size = (power * band).sum(dim=(1, 2))
        if float(size.sum()) <= 0:
            continue
        both = (wanted * band).sum(dim=(1, 2))
        gain, common = both / size.clamp_min(torch.finfo(size.dtype).tiny), both.sum() / size.sum()
        error = (view.noise_power / size.clamp_min(torch.finfo(size.dtype).tiny) + COIL_ERROR**2).sqrt()
        worst = max(worst, float(((gain - common).abs() / error).max()))
    return worst


def line_gains(view: View, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Say by what each coil's gain differs from that of all coils, line by line.

    Parameters
    ----------
    seen
        What would have been measured of the image. Shape `(coil line sample)`.

    Returns
    -------
        That, complex, and the variance that noise gives it. Shape `(coil line)` both.
    """
    wanted, power = (seen.conj() * view.data).sum(dim=2), power_of(seen).sum(dim=2).clamp_min(TINY)
    return wanted / power - wanted.sum(dim=0) / power.sum(dim=0), view.noise_power / power


def gain_picture(view: View, gains: tuple[Tensor, Tensor]) -> Tensor:
    """Show how far gains are off, in standard deviations of the noise and the error that is allowed.

    Parameters
    ----------
    gains
        From `line_gains`.

    Returns
    -------
        Lines in the order along which coils may drift. Shape `(line coil)`.
    """
    gain, noise = gains
    return (gain.abs() / (noise + COIL_ERROR**2).sqrt())[:, view.encoding.course.argsort(stable=True)].T


def coil_drift(view: View, gains: tuple[Tensor, Tensor]) -> float:
    """Say how fast the gains of coils drift from the centre of k-space to its edge, all of them together.

    A straight line is laid through each coil's gains, line by line of k-space. How far single ones scatter is learned
    from neighbours, between which nothing drifts (von Neumann 1941, doi:10.1214/aoms/1177731677).

    Returns
    -------
        In standard deviations of that scatter and the error that is allowed: the root of the mean square of all coils.
    """
    at, (gain, noise) = view.encoding.course, gains
    if len(at) < FEWEST_LINES:
        return 0.0
    weights = 1 / (noise + _scatter(gain, noise))
    away = at - (weights * at).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)
    lever = (weights * away.square()).sum(dim=1).clamp_min(TINY)
    slope = (weights * away * gain).sum(dim=1) / lever
    return float((slope.abs().square() / (1 / lever + SLOPE_ERROR**2)).mean().sqrt())


def _scatter(gain: Tensor, noise: Tensor) -> Tensor:
    """Say how much each coil's gain varies from line to line beyond noise: `(coil line)` to `(coil 1)`."""
    bend = (gain[:, 2:] - 2 * gain[:, 1:-1] + gain[:, :-2]).abs().square() / 6
    typical = bend.median(dim=1, keepdim=True).values / LOG_TWO - noise.median(dim=1, keepdim=True).values
    return typical.clamp_min(CALMEST)
