"""One frame as the checks see it: what was measured, how coils see it, and what a conventional method makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gateway.model.image import Pixels
from gateway.model.recipes import SenseRecipe
from gateway.model.zyx import Zyx
from gateway.recon.checks.encoding import Encoding, OnLines
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import ROUNDING, recalled, recalled_seen
from gateway.recon.fourier import regridded, resize
from gateway.recon.parallel import Group, Undersampled, group_of
from gateway.recon.sample_noise import readout_share
from gateway.recon.slab_companion import whole_slab
from gateway.recon.workplace import Workplace

AXES = (-3, -2, -1)
OBJECT_OVER_NOISE = 5.0
"""Where the conventional image is brighter than so many deviations there is something."""
OBJECT_SHARE = 0.05
"""And brighter than so much of its brightest parts."""
BRIGHTEST = 0.99
"""Quantile of an image that its brightest parts have."""
MOST_VALUES = 1 << 22
"""So many values at the most tell a quantile: of a slab, every so-many-th."""
RECIPE = SenseRecipe()
"""The conventional method that learned images are held against: linear, so that its noise can be measured."""
NEAR_PX = 9
"""Pixels over which the noise is averaged: so many of one draw tell it to one part in ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A frame on the grid that was encoded, in units in which the largest calibration sample is 1.

    Parameters
    ----------
    data
        What was measured. Shape `(coil line sample)`.
    noise_power
        Variance of the noise of a complex sample.
    reference
        The conventional image, complex. Shape `(z y x)`.
    deviation
        Noise of its magnitude, no less than what coils that tell everything apart would leave: where calibration saw
        nothing the conventional method holds noise back that another one need not. Shape `(z y x)`.
    there
        Where there is something to see. Shape `(z y x)`.
    grid
        Matrix of the whole encoded field of view at the pixel size of images.
    matrix
        That of images.
    """

    data: Tensor
    encoding: Encoding
    noise_power: float
    reference: Tensor
    deviation: Tensor
    there: Tensor
    scale: float
    grid: Zyx[int]
    matrix: Zyx[int]

    def seen(self, image: Tensor) -> Tensor:
        """Say what would have been measured of an image `(z y x)`. Shape `(coil line sample)`."""
        return self.encoding.seen(image)

    def back(self, samples: Tensor) -> Tensor:
        """Bring samples to the image. Shape `(z y x)`."""
        return self.encoding.back(samples)

    def encoded(self, pixels: Pixels) -> Tensor:
        """Bring a magnitude image of the matrix to the encoded grid, in the phase of the conventional image.

        What lies outside the matrix is taken from the conventional image. Complex; shape `(z y x)` both.
        """
        around = self._resampled(self.reference, self.grid.as_tuple()).clone()
        size = torch.from_numpy(np.ascontiguousarray(pixels, np.float32)).to(around.device) / self.scale
        centre = around
        for axis, n_grid, n_matrix in zip(AXES, self.grid.as_tuple(), self.matrix.as_tuple(), strict=True):
            shared = min(n_grid, n_matrix)
            centre = centre.narrow(axis, n_grid // 2 - shared // 2, shared)
            size = resize(size, axis, shared)
        centre.copy_(torch.polar(size, centre.angle()))
        return self._resampled(around, self.encoding.shape)

    def shown(self, values: Tensor) -> Pixels:
        """Bring a map of the encoded grid to the matrix of images. Shape `(z y x)` both."""
        grid = self.grid.as_tuple()
        if values.shape != grid:
            values = torch.nn.functional.interpolate(values[None, None], grid, mode="trilinear")[0, 0]
        for axis, n in zip(AXES, self.matrix.as_tuple(), strict=True):
            values = resize(values, axis, n)
        return np.asarray(values.cpu().numpy(), np.float32)

    @staticmethod
    def _resampled(image: Tensor, shape: tuple[int, int, int]) -> Tensor:
        for axis, n in zip(AXES, shape, strict=True):
            image = regridded(image, axis, n)
        return image


def views(found: Undersampled, place: Workplace) -> Iterator[View]:
    """Look at every frame of a Cartesian scan; sensitivities are estimated once for each slice or slab."""
    known: dict[int, Seen] = {}
    for number in range(found.sorter.lines.n_frames):
        yield view_of(found, number, place, known)


def view_of(found: Undersampled, number: int, place: Workplace, known: dict[int, Seen]) -> View:
    """Look at one frame.

    Parameters
    ----------
    known
        Sensitivities, by slice; what is found is kept here.
    """
    group = group_of(found, [number], place, noise=True)
    at = found.slice_of(number)
    if at not in known:
        known[at] = recalled_seen(found, group, RECIPE)
    return _view(found, group, known[at], *_beside(found, group, known[at]))


def _beside(found: Undersampled, group: Group, seen: Seen) -> tuple[Tensor, Tensor]:
    """Make the conventional image, and say how much power its noise has. Shapes `(z y x)`."""
    if found.sorter.lines.partitions.n > 1:
        return whole_slab(found, group, seen)
    slice_ = recalled(found, group, seen)
    return slice_.image[None], local_mean(slice_.noise)[None]


def _view(found: Undersampled, group: Group, seen: Seen, image: Tensor, noise: Tensor) -> View:
    share = readout_share(group.spread[0], found.target)
    largest, filled = float(seen.prior.max()), group.filled[0]
    power = group.noise_power * share
    least = power / 2 * filled.numel() / int(filled.sum())
    deviation = (noise * share).clamp_min(least).sqrt()
    grid, matrix = found.target.grid, found.target.matrix
    return View(
        data=group.data[0][:, filled],
        encoding=OnLines(maps=seen.maps[0], filled=filled),
        noise_power=max(power, ROUNDING**2 * largest),
        reference=image,
        deviation=deviation,
        there=shows_something(image.abs(), deviation),
        scale=group.scale,
        grid=Zyx(z=grid.z, y=grid.y, x=matrix.x),
        matrix=matrix,
    )


def shows_something(size: Tensor, deviation: Tensor) -> Tensor:
    """Say where an image shows something. Shape `(z y x)`."""
    return (size > OBJECT_OVER_NOISE * deviation) & (size > OBJECT_SHARE * quantile(size, BRIGHTEST))


def quantile(values: Tensor, share: float) -> Tensor:
    """Find a quantile of any number of values, without sorting all of them."""
    flat = values.flatten()
    some = flat[:: 1 + len(flat) // MOST_VALUES]
    at = share * (len(some) - 1)
    below = int(at)
    low, high = (some.kthvalue(min(below + each, len(some) - 1) + 1).values for each in (0, 1))
    return torch.lerp(low, high, at - below)


def local_mean(values: Tensor) -> Tensor:
    """Average over the neighbours, as noise changes slowly from place to place. Shape `(y x)`."""
    around = torch.nn.functional.pad(values[None, None], [NEAR_PX // 2] * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(around, NEAR_PX, stride=1)[0, 0]
