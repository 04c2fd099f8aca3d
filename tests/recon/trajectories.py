"""Trajectories with a known density, in cycles per field of view."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def radial(n: int, n_spokes: int, *, oversampling: int = 2) -> Tensor:
    """Give spokes through the centre, evenly turned. Shape `(spoke sample axis)`, the axes y and x."""
    along = (torch.arange(oversampling * n, dtype=torch.float64) - oversampling * n // 2) / oversampling
    angles = math.pi * torch.arange(n_spokes, dtype=torch.float64) / n_spokes
    return torch.stack([torch.sin(angles)[:, None] * along, torch.cos(angles)[:, None] * along], dim=-1)


def golden(n: int, n_spokes: int, *, oversampling: int = 2) -> Tensor:
    """Give spokes, each turned on by the golden angle. Shape `(spoke sample axis)`, the axes y and x."""
    along = (torch.arange(oversampling * n, dtype=torch.float64) - oversampling * n // 2) / oversampling
    angles = math.pi * (math.sqrt(5) - 1) / 2 * torch.arange(n_spokes, dtype=torch.float64)
    return torch.stack([torch.sin(angles)[:, None] * along, torch.cos(angles)[:, None] * along], dim=-1)


def spiral(n: int, n_interleaves: int, n_samples: int) -> Tensor:
    """Give Archimedean spirals of constant angular speed. Shape `(interleaf sample axis)`, the axes y and x."""
    radius = (torch.arange(n_samples, dtype=torch.float64) + 0.5) / n_samples * n / 2
    angles = 2 * math.pi * radius / n_interleaves
    turned = angles + 2 * math.pi * torch.arange(n_interleaves, dtype=torch.float64)[:, None] / n_interleaves
    return torch.stack([radius * torch.sin(turned), radius * torch.cos(turned)], dim=-1)
