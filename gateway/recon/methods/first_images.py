"""Images that a network begins with instead of SENSE's: those of another recipe, brought to the encoded lines."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.image import ImageKind, Pixels
from gateway.model.recipes import AutoRecipe, Recipe
from gateway.recon.fourier import regridded, resize
from gateway.recon.methods.auto import pick_recipe
from gateway.recon.methods.conventional import CONVENTIONAL
from gateway.recon.methods.refined import complex_only
from gateway.recon.parallel import Group
from gateway.recon.scan import Scan
from gateway.recon.space import Target
from gateway.recon.workplace import Workplace

ENCODED = (-2, -1)
"""Partitions and lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstImages:
    """The images of a recipe.

    Parameters
    ----------
    pixels
        Complex. Shape `(frame z y x)`.
    target
        The matrix that they are of.
    """

    pixels: Pixels
    target: Target

    def of_frames(self, start: Tensor, group: Group) -> Tensor:
        """Give them for frames of a slice, what lies outside the matrix from SENSE. From and to `(frame x y)`."""
        images = torch.from_numpy(self.pixels[list(group.numbers), 0]).to(start) / group.scale
        return self._on_lines(images.transpose(-2, -1)[:, :, None], start[:, :, None])[:, :, 0]

    def of_volumes(self, start: Tensor, group: Group) -> Tensor:
        """Give them for frames of a slab. From and to `(frame x z y)`."""
        images = torch.from_numpy(self.pixels[list(group.numbers)]).to(start) / group.scale
        return self._on_lines(images.movedim(-1, 1), start)

    def of_planes(self, start: Tensor, group: Group, places: Tensor) -> Tensor:
        """Give them for positions along the readout of a slab. From and to `(x z y)`."""
        images = torch.from_numpy(self.pixels[group.numbers[0]][..., places.tolist()]).to(start) / group.scale
        return self._on_lines(images.movedim(-1, 0), start)

    def _on_lines(self, images: Tensor, start: Tensor) -> Tensor:
        """Bring images of the matrix to the encoded lines, within what SENSE makes of the whole field of view.

        Parameters
        ----------
        images
            Of the matrix. Shape `(... z y)`.
        start
            Of the encoded lines. Shape `(... z y)`.
        """
        grid, matrix = ((one.z, one.y) for one in (self.target.grid, self.target.matrix))
        around = _regridded(start, grid).clone()
        centre = around
        for axis, n_grid, n_matrix in zip(ENCODED, grid, matrix, strict=True):
            shared = min(n_grid, n_matrix)
            centre = centre.narrow(axis, n_grid // 2 - shared // 2, shared)
            images = resize(images, axis, shared)
        centre.copy_(images)
        return _regridded(around, (start.shape[-2], start.shape[-1]))


def first_images(scan: Scan, recipe: Recipe, place: Workplace, target: Target) -> FirstImages:
    """Make them, in the phase of ESPIRiT's maps.

    Raises
    ------
    BadScan
        The recipe refuses the scan.
    """
    picked = pick_recipe(scan, recipe).recipe if isinstance(recipe, AutoRecipe) else recipe
    asked = complex_only(picked, coils="espirit")
    made = CONVENTIONAL[type(picked)](scan, asked, place=place, progress=lambda _done, _doing: None)
    pixels = next(one.pixels for one in made if one.kind is ImageKind.COMPLEX)
    return FirstImages(pixels=pixels.reshape(-1, target.matrix.z, *pixels.shape[1:]), target=target)


def _regridded(images: Tensor, shape: tuple[int, int]) -> Tensor:
    for axis, n in zip(ENCODED, shape, strict=True):
        images = regridded(images, axis, n)
    return images
