"""Planes of measured slabs (3D): each position along the readout is one, as it is in use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.fourier import fourier
from gateway.recon.networks.observed import bright_part
from gateway.recon.parallel import Group, Undersampled, group_of
from gateway.recon.shutter import left_out
from gateway.recon.smooth import low_resolution
from gateway.recon.workplace import CPU, Workplace
from gateway.training.procedural import Random
from gateway.training.simulation import FullSlice

EMPTY = 0.05
"""Planes of which the calibration shows less than this share of the brightest hold nothing to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """One frame of a slab, readouts transformed.

    Parameters
    ----------
    data
        Complex. Shape `(coil z y x)`.
    filled, corners
        What was measured, and what no such scan measures. Boolean. Shape `(z y)`.
    bright
        How bright the bright parts of the whole slab are: the unit of all of its planes.
    good
        Positions along the readout that show something. Shape `(plane,)`.
    """

    data: Tensor
    filled: Tensor
    corners: Tensor
    noise_power: float
    bright: float
    good: Tensor

    def plane(self, random: Random) -> FullSlice:
        """Draw a plane that shows something."""
        x = int(self.good[int(random.integers(len(self.good)))])
        data = (self.data[..., x] * self.filled).transpose(-2, -1).contiguous()
        return FullSlice(
            data=data,
            clean=data,
            filled=self.filled.T.contiguous(),
            corners=self.corners.T.contiguous(),
            noise_power=self.noise_power,
            bright=self.bright,
        )


def slab_of(scan: Undersampled, number: int) -> Slab:
    """Bring a frame of a slab to planes."""
    group = group_of(scan, [number], Workplace(device=CPU))
    brightness = _brightness(group)
    profile = brightness.amax(dim=(0, 1))
    return Slab(
        data=group.data[0],
        filled=group.filled[0],
        corners=torch.from_numpy(left_out(scan.sorter.lines)) & ~group.filled[0],
        noise_power=group.noise_power,
        bright=float(bright_part(brightness[None])[0]),
        good=torch.nonzero(profile > EMPTY * profile.max())[:, 0],
    )


def _brightness(group: Group) -> Tensor:
    """Say how bright each point is by what calibration shows of all coils. Shape `(z y x)`."""
    kspace = fourier(group.block, (-1,))
    shape = group.data.shape[-3:]
    return torch.stack([low_resolution(coil, shape).abs().square() for coil in kspace]).sum(dim=0).sqrt()
