"""Detail that was measured and that the image lacks: over-smoothing, seen by how much of each band of k-space is left.

What the image would have given is held against what was measured, ring by ring: noise that the image has not is in the
data alone, and averages out of their product; what smoothing took is missing from it (a Wiener estimate of the transfer
function, 1949).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.checks.blobs import smoothed
from gateway.recon.checks.view import View
from gateway.recon.magnitudes import power as power_of

RINGS = ((0.1, 0.2), (0.2, 0.35), (0.35, 0.5), (0.5, 0.7), (0.7, 1.0))
"""Distances from the centre of k-space, whose edge is at 1."""
DOUBT = 0.5
"""Part of the noise's power that counts as detail which is there: the noise is not known better, and signal that drowns
in it tells nothing."""
TINY = 1e-30
LEAST = 0.05
"""Of what was measured: an image that keeps less keeps nothing."""


def lost_detail(view: View, seen: Tensor) -> tuple[float, int]:
    """Say how much more detail was measured than the image has, in the ring of k-space where it lacks most.

    Parameters
    ----------
    seen
        What would have been measured of the image. Shape `(coil line sample)`.

    Returns
    -------
        1 where nothing is lost, 2 where half is; and which ring it is.
    """
    seen, data = (view.encoding.in_kspace(each) for each in (seen, view.data))
    radius, n_coils = view.encoding.radius, len(data)
    both, power = (data.conj() * seen).real.sum(dim=0), power_of(data).sum(dim=0)
    centre = radius < RINGS[0][0]
    gain = float((both * centre).sum() / (power * centre).sum().clamp_min(TINY))  # brightness is arbitrary
    both = both / max(gain, TINY)
    kept = [
        _kept(both[where], power[where], view.noise_power * n_coils)
        for where in ((radius >= low) & (radius < high) for low, high in RINGS)
    ]
    least = min(kept)
    return 1 / max(least, LEAST), kept.index(least)


def lacking(view: View, back: Tensor, ring: int) -> Tensor:
    """Show the detail of a ring of k-space that was measured and that the image has not, or the reverse.

    Parameters
    ----------
    back
        What the image leaves of the data, brought back to it. Shape `(z y x)`.

    Returns
    -------
        In units of the image, positive where it is too dark. Shape `(z y x)`.
    """
    towards = torch.polar(torch.ones_like(view.deviation), -view.reference.angle())
    low, high = RINGS[ring]
    away = _radius(back)
    band = ((away >= low) & (away < high)).to(view.deviation)
    return smoothed((back * towards).real, band)


def _radius(image: Tensor) -> Tensor:
    """Say how far the frequencies of an image lie from zero, whose axes end at 1. Shape `(z y x)`."""
    square = torch.zeros((), device=image.device)
    for n in image.shape:
        square = square[..., None] + ((torch.arange(n, device=image.device) - n // 2) / max(n / 2, 1)).square()
    return square.sqrt()


def _kept(both: Tensor, power: Tensor, noise_power: float) -> float:
    """Regress what is seen on what was measured, noise aside.

    Parameters
    ----------
    both, power
        Of the samples of a ring, summed over coils: their product, and that of what was measured with itself.
    """
    noise = noise_power * len(power)
    measured = max(float(power.sum()) - noise, 0.0) + DOUBT * noise
    return (float(both.sum()) + DOUBT * noise) / measured if measured > 0 else 1.0
