"""One frame as the checks see it: what was measured, how coils see it, and what a conventional method makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import Pixels
from gateway.model.recipes import SenseRecipe
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import ROUNDING, Companion, recalled, recalled_seen
from gateway.recon.fourier import fourier, inverse_fourier, regridded, resize
from gateway.recon.parallel import Group, Undersampled, group_of
from gateway.recon.sample_noise import readout_share
from gateway.recon.workplace import Workplace

LINES = -2
OBJECT_OVER_NOISE = 5.0
"""Where the conventional image is brighter than so many deviations there is something."""
OBJECT_SHARE = 0.05
"""And brighter than so much of its brightest parts."""
RECIPE = SenseRecipe()
"""The conventional method that learned images are held against: linear, so that its noise can be measured."""
NEAR_PX = 9
"""Pixels over which the noise is averaged: so many of one draw tell it to one part in ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A frame on the lines that were encoded, in units in which the largest calibration sample is 1.

    Parameters
    ----------
    data
        Hybrid space, zero where nothing was measured. Shape `(coil y x)`.
    filled
        Which lines were measured. Shape `(y,)`.
    maps
        Sensitivities. Shape `(coil y x)`.
    noise_power
        Variance of the noise of a complex sample of hybrid space.
    reference
        The conventional image, complex. Shape `(y x)`.
    deviation
        Noise of its magnitude, no less than what coils that tell everything apart would leave: where calibration saw
        nothing the conventional method holds noise back that another one need not. Shape `(y x)`.
    there
        Where there is something to see. Shape `(y x)`.
    """

    data: Tensor
    filled: Tensor
    maps: Tensor
    noise_power: float
    reference: Tensor
    deviation: Tensor
    there: Tensor
    scale: float

    def seen(self, image: Tensor) -> Tensor:
        """Say what would have been measured of an image `(y x)`: zero on the other lines. Shape `(coil y x)`."""
        return fourier(self.maps * image, (LINES,)) * self.filled[:, None]

    def back(self, samples: Tensor) -> Tensor:
        """Bring samples `(coil y x)` to the image: the adjoint of `seen`. Shape `(y x)`."""
        return (self.maps.conj() * inverse_fourier(samples * self.filled[:, None], (LINES,))).sum(dim=0)

    def on_lines(self, pixels: Pixels, matrix_y: int, grid_y: int) -> Tensor:
        """Bring a magnitude image of the matrix to the encoded lines, in the phase of the conventional image.

        What lies outside the matrix is taken from the conventional image. Complex; shape `(y x)`.
        """
        around = regridded(self.reference, LINES, grid_y)
        inner = resize(around, LINES, matrix_y)
        size = torch.from_numpy(np.ascontiguousarray(pixels, np.float32)).to(inner.device) / self.scale
        whole = around.clone()
        made = torch.polar(
            resize(size, LINES, min(matrix_y, grid_y)), resize(inner, LINES, min(matrix_y, grid_y)).angle()
        )
        start = grid_y // 2 - made.shape[0] // 2
        whole[start : start + made.shape[0]] = made
        return regridded(whole, LINES, len(self.filled))

    def off_lines(self, values: Tensor, matrix_y: int, grid_y: int) -> Pixels:
        """Bring a map of the encoded lines to the matrix. Shape `(y x)`."""
        n_y, n_x = values.shape
        if n_y != grid_y:
            shape = (grid_y, n_x)
            values = torch.nn.functional.interpolate(values[None, None], shape, mode="bilinear")[0, 0]
        return np.asarray(resize(values, LINES, matrix_y).cpu().numpy(), np.float32)


def views(found: Undersampled, place: Workplace) -> Iterator[View]:
    """Look at every frame of a scan of slices; sensitivities are estimated once for each slice.

    Raises
    ------
    BadScan
        Partitions were encoded.
    """
    if found.sorter.lines.partitions.n > 1:
        raise BadScan("partitions were encoded, and the checks are for slices")
    known: dict[int, Seen] = {}
    for number in range(found.sorter.lines.n_frames):
        group = group_of(found, [number], place, noise=True)
        at = found.slice_of(number)
        if at not in known:
            known[at] = recalled_seen(found, group, RECIPE)
        yield _view(found, group, known[at], recalled(found, group, known[at]))


def _view(found: Undersampled, group: Group, seen: Seen, beside: Companion) -> View:
    share = readout_share(group.spread[0], found.target)
    largest, filled = float(seen.prior.max()), group.filled[0, 0]
    power = group.noise_power * share
    least = power / 2 * filled.numel() / int(filled.sum())
    deviation = (local_mean(beside.noise) * share).clamp_min(least).sqrt()
    return View(
        data=group.data[0, :, 0],
        filled=filled,
        maps=seen.maps[0, :, 0],
        noise_power=max(power, ROUNDING**2 * largest),
        reference=beside.image,
        deviation=deviation,
        there=_shows_something(beside.image.abs(), deviation),
        scale=group.scale,
    )


def _shows_something(size: Tensor, deviation: Tensor) -> Tensor:
    return (size > OBJECT_OVER_NOISE * deviation) & (size > OBJECT_SHARE * torch.quantile(size, 0.99))


def local_mean(values: Tensor) -> Tensor:
    """Average over the neighbours, as noise changes slowly from place to place. Shape `(y x)`."""
    around = torch.nn.functional.pad(values[None, None], [NEAR_PX // 2] * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(around, NEAR_PX, stride=1)[0, 0]
