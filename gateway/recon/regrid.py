"""Images of one scan at places of another: both say where they lie, and values between pixels are linear.

Knows geometry, not what the images are for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import Frame, ImageSeries
from gateway.model.zyx import Zyx
from gateway.recon.smooth import enlarged

PARALLEL = 1e-3
"""Largest difference between directions of one stack."""
REACH = 0.75
"""A slice speaks for places no further from its centre than this part of its thickness, or of the step to the next."""
FINER = 2
"""So many times finer are slices made before values between pixels are read off, so that these are no blur."""
FINEST = 9
"""Places across a slice, at the most, whose mean is taken where the other scan is thinner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Where pixels lie in the patient, LPS in mm.

    Parameters
    ----------
    centre
        Of pixel ``n // 2`` along all axes. Shape `(xyz,)`.
    axes
        Unit vectors along x, y and z. Shape `(axis xyz)`.
    step_mm
        From pixel to pixel; of a single slice, z is its thickness.
    matrix
        How many.
    """

    centre: Tensor
    axes: Tensor
    step_mm: Zyx[float]
    matrix: Zyx[int]

    def points(self, off_mm: tuple[float, float, float] = (0.0, 0.0, 0.0), turn_deg: float = 0.0) -> Tensor:
        """Give the place of every pixel, moved along its own axes x, y, z, and turned about z. Shape `(x z y xyz)`."""
        steps = (self.step_mm.x, self.step_mm.y, self.step_mm.z)
        counts = (self.matrix.x, self.matrix.y, self.matrix.z)
        x, y, z = (
            (torch.arange(n, device=self.axes.device) - n // 2) * step for n, step in zip(counts, steps, strict=True)
        )
        turn = math.radians(turn_deg)
        along = math.cos(turn) * x[:, None] - math.sin(turn) * y + off_mm[0]
        across = math.sin(turn) * x[:, None] + math.cos(turn) * y + off_mm[1]
        u, v, w = self.axes
        plane = along[:, None, :, None] * u + across[:, None, :, None] * v
        through: Tensor = (z + off_mm[2])[None, :, None, None] * w
        places: Tensor = self.centre + plane + through
        return places


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Parallel slices, or the partitions of a slab, in the order of their places.

    Parameters
    ----------
    values
        Shape `(slice y x)`.
    centre
        Of the pixel in the middle of the first slice. Shape `(xyz,)`.
    axes
        Unit vectors along x, y and through the slices. Shape `(axis xyz)`.
    step_mm
        From pixel to pixel; z is the thickness of a slice.
    places_mm
        Of the slices along the last axis, from the first. Shape `(slice,)`.
    """

    values: Tensor
    centre: Tensor
    axes: Tensor
    step_mm: Zyx[float]
    places_mm: Tensor

    @property
    def between_mm(self) -> float:
        """Say how far slices are apart, or how thick they are where that is more."""
        gaps = self.places_mm.diff()
        return max(self.step_mm.z, float(gaps.median()) if len(gaps) else 0.0)

    def width_mm(self, direction: Tensor) -> float:
        """Say how wide a voxel is along a direction."""
        sizes = torch.tensor([self.step_mm.x, self.step_mm.y, self.between_mm], device=self.axes.device)
        return float(((self.axes @ direction).abs() * sizes).sum())

    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Give the values at points `(... xyz)`, zero outside; and which points lie inside. Shapes `(...)`."""
        x, y, through = ((points - self.centre) @ self.axes.T).unbind(dim=-1)
        n, n_y, n_x = self.values.shape
        rows, columns = y / self.step_mm.y + n_y // 2, x / self.step_mm.x + n_x // 2
        after = torch.searchsorted(self.places_mm, through.contiguous()).clamp(1, max(1, n - 1))
        before, after = after - 1, after.clamp_max(n - 1)
        gap = (self.places_mm[after] - self.places_mm[before]).clamp_min(1e-6)
        part = ((through - self.places_mm[before]) / gap).clamp(0, 1)
        nearest = torch.minimum((through - self.places_mm[before]).abs(), (through - self.places_mm[after]).abs())
        inside = (nearest <= REACH * self.between_mm) & (rows >= 0) & (rows <= n_y - 1)
        inside &= (columns >= 0) & (columns <= n_x - 1)
        place = torch.stack([_unit(columns, n_x), _unit(rows, n_y), _unit(before + part, n)], dim=-1)
        read = torch.nn.functional.grid_sample(
            self.values[None, None], place.reshape(1, -1, 1, 1, 3), align_corners=True, padding_mode="border"
        )
        return torch.where(inside, read.reshape(inside.shape), 0), inside

    def over(
        self, lattice: Lattice, off_mm: tuple[float, float] = (0.0, 0.0), turn_deg: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Give the mean over the voxels of a lattice, moved in its plane; and which lie inside. Shape `(x z y)`.

        Voxels in the plane are as wide as it is; across, thin slices of this stack are averaged.
        """
        spare = max(0.0, lattice.step_mm.z - self.width_mm(lattice.axes[2]))
        n = min(FINEST, math.ceil(spare / min(self.step_mm.x, self.step_mm.y, self.between_mm)) + 1)
        offsets = [0.0] if n == 1 else np.linspace(-spare / 2, spare / 2, n).tolist()
        read = [self.at(lattice.points((*off_mm, offset), turn_deg)) for offset in offsets]
        values, inside = (torch.stack(each) for each in zip(*read, strict=True))
        return values.mean(dim=0), inside.all(dim=0)


def stack_of(images: ImageSeries, device: torch.device) -> Stack:
    """Order images by their places.

    Raises
    ------
    BadScan
        They are not parallel, or are no stack.
    """
    frames = images.frames
    axes = _axes(frames[0])
    if any(np.abs(_axes(frame) - axes).max() > PARALLEL for frame in frames):
        raise BadScan("its slices are not parallel")
    places = np.array([frame.position_mm for frame in frames]) - np.array(frames[0].position_mm)
    local = places @ axes.T
    if np.abs(local[:, :2]).max() > max(images.spacing_mm.x, images.spacing_mm.y) / 2:
        raise BadScan("its slices do not lie behind each other")
    order = np.argsort(local[:, 2])
    through = local[order, 2]
    if len(order) > 1 and np.diff(through).min() < PARALLEL:
        raise BadScan("two of its slices lie at the same place")
    values = torch.from_numpy(np.ascontiguousarray(images.pixels[order], np.float32)).to(device)
    fine = torch.stack([enlarged(one.to(torch.complex64), [FINER * n for n in one.shape]).real for one in values])
    step = images.spacing_mm
    return Stack(
        values=fine,
        centre=torch.tensor(frames[order[0]].position_mm, dtype=torch.float32, device=device),
        axes=torch.tensor(axes, dtype=torch.float32, device=device),
        step_mm=Zyx(z=step.z, y=step.y / FINER, x=step.x / FINER),
        places_mm=torch.tensor(through - through[0], dtype=torch.float32, device=device),
    )


def _axes(frame: Frame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    axes = np.array([frame.read_dir, frame.phase_dir, frame.slice_dir], np.float64)
    if not np.isfinite(axes).all() or np.abs(axes @ axes.T - np.eye(3)).max() > PARALLEL:
        raise BadScan("it does not say which way its slices lie")
    return axes


def _unit(index: Tensor, n: int) -> Tensor:
    """Bring indices to -1 ... 1, as torch samples."""
    return 2 * index / max(1, n - 1) - 1 if n > 1 else torch.zeros_like(index)
