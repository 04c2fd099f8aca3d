"""Detail that was measured and that the image lacks: over-smoothing, seen by how much of each band of k-space is left.

What the image would have given is held against what was measured, ring by ring: noise that the image has not is in the
data alone, and averages out of their product; what smoothing took is missing from it (a Wiener estimate of the transfer
function, 1949).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.checks.view import View
from gateway.recon.fourier import fourier

RINGS = ((0.1, 0.2), (0.2, 0.35), (0.35, 0.5), (0.5, 0.7), (0.7, 1.0))
"""Distances from the centre of k-space, whose edge is at 1."""
DOUBT = 0.5
"""Part of the noise's power that counts as detail which is there: the noise is not known better, and signal that drowns
in it tells nothing."""
TINY = 1e-30
LEAST = 0.05
"""Of what was measured: an image that keeps less keeps nothing."""


def lost_detail(view: View, seen: Tensor) -> float:
    """Say how much more detail was measured than the image has, in the ring of k-space where it lacks most.

    Parameters
    ----------
    seen
        What would have been measured of the image. Shape `(coil y x)`.

    Returns
    -------
        1 where nothing is lost, 2 where half is.
    """
    seen, data = (fourier(each, (-1,)) for each in (seen, view.data))
    radius = _radius(view)
    centre = (radius < RINGS[0][0]) & view.filled[:, None]
    power = float(data[:, centre].abs().square().sum())
    gain = float((data[:, centre].conj() * seen[:, centre]).sum().real) / max(power, TINY)  # brightness is arbitrary
    seen = seen / max(gain, TINY)
    kept = [_kept(seen, data, view, (radius >= low) & (radius < high)) for low, high in RINGS]
    return 1 / max(min(kept), LEAST)


def _kept(seen: Tensor, data: Tensor, view: View, ring: Tensor) -> float:
    """Regress what is seen on what was measured, noise aside."""
    where = ring & view.filled[:, None]
    noise = view.noise_power * int(where.sum()) * len(data)
    measured = max(float(data[:, where].abs().square().sum()) - noise, 0.0) + DOUBT * noise
    both = float((data[:, where].conj() * seen[:, where]).sum().real) + DOUBT * noise
    return both / measured if measured > 0 else 1.0


def _radius(view: View) -> Tensor:
    """Give the distance from the centre of k-space. Shape `(y x)`."""
    along = [torch.arange(n, device=view.data.device) / (n / 2) - 1 for n in view.data.shape[-2:]]
    return torch.hypot(along[0][:, None], along[1][None, :])
