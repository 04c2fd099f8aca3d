"""How far neighbouring readouts of a trajectory lie apart at the edge of k-space: what a scan leaves out of it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gateway.recon.space import target_of
from gateway.recon.trajectory import Gatherer

EDGE = (0.85, 0.97)
"""Parts of the reach of a trajectory between which gaps are looked at: turns and spokes lie farthest apart there."""
AROUND = 0.7
"""Part of the reach beyond which the samples lie that may be next."""
PLACES = 512
TOGETHER = 1 << 22
"""Distances that are found at a time."""


def frame_undersampling(gatherer: Gatherer, number: int) -> float | None:
    """Say it of a frame, or of the partition in the middle of a stack; None of what fills k-space in three directions.

    The field of view is that of the image.
    """
    points = gatherer.points(number)
    if points.shape[1] == 3:  # noqa: PLR2004 - z, y, x
        partitions = np.unique(points[:, 0].numpy())
        if len(partitions) > gatherer.encoding.encoded.matrix.z:
            return None
        points = points[points[:, 0] == partitions[np.abs(partitions).argmin()], 1:]
    target = target_of(gatherer.encoding)
    shown = points.new_tensor([target.matrix.y / target.grid.y, target.matrix.x / target.grid.x])
    return undersampling(points * shown.clamp_max(1))


def undersampling(points: Tensor) -> float:
    """Say by how much the gaps between readouts exceed those of Nyquist, a cycle per field of view; 1 at the least.

    From places drawn between readouts ``g`` apart, samples along them ``h`` apart, the next sample lies at a mean
    square of ``(g^2 + h^2) / 12``, however the readouts are turned and bent.

    Parameters
    ----------
    points
        Of two axes, in the order in which they were measured, in cycles per field of view. Shape `(sample axis)`.
    """
    radius = points.norm(dim=1)
    reach = float(radius.max())
    outer = points[radius > AROUND * reach]
    places = _places(reach).to(points)
    each = max(1, TOGETHER // len(outer))
    nearest = torch.cat([torch.cdist(some, outer).amin(dim=1) for some in torch.split(places, each)])
    along = float(points.diff(dim=0).norm(dim=1).median())
    return max(1.0, math.sqrt(max(12 * float(nearest.square().mean()) - along**2, 0.0)))


def _places(reach: float) -> Tensor:
    """Draw places evenly over the edge. Shape `(place axis)`."""
    random = torch.Generator().manual_seed(0)
    share, turn = torch.rand((2, PLACES), generator=random, dtype=torch.float64)
    low, high = EDGE
    radius = reach * (low**2 + (high**2 - low**2) * share).sqrt()
    return torch.stack([radius * torch.cos(2 * math.pi * turn), radius * torch.sin(2 * math.pi * turn)], dim=1)
