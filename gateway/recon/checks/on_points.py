"""How a frame was encoded whose samples may lie anywhere in k-space: lines are its readouts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gateway.recon.checks.blobs import blob, falling_off
from gateway.recon.scattered_loop import Gridding

CALM = 0.25
"""Part of the readouts that no fault touches."""


@dataclass(frozen=True, kw_only=True)
class OnPoints:
    """Readouts along a trajectory.

    Samples beyond what the pixels of the image can show are zero, and count for nothing.

    Parameters
    ----------
    maps
        Sensitivities. Shape `(coil z y x)`.
    n_lines
        Readouts of the frame, all of one length.
    """

    maps: Tensor
    gridding: Gridding
    n_lines: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of images."""
        n_z, n_y, n_x = self.maps.shape[1:]
        return n_z, n_y, n_x

    @cached_property
    def distance(self) -> Tensor:
        """Endless for samples that count for nothing. Shape `(line sample)`."""
        matrix = self.gridding.points.new_tensor(self.gridding.transform.matrix)
        away = (2 * self.gridding.points / matrix).norm(dim=1).to(self.maps.real.dtype)
        return self._laid(away, math.inf)

    @property
    def radius(self) -> Tensor:
        """Samples lie in k-space as they come. Shape `(line sample)`."""
        return self.distance

    @property
    def course(self) -> Tensor:
        """The order in which readouts came. Shape `(line,)`."""
        return torch.linspace(0, 1, self.n_lines, device=self.maps.device)

    @cached_property
    def weights(self) -> Tensor:
        """Areas, in cells of k-space. Shape `(line sample)`."""
        return self._laid(self.gridding.weights.to(self.maps.real.dtype), 0.0)

    @property
    def loneliness(self) -> Tensor:
        """Readouts cross each other where most of the signal is. Shape `(line,)`."""
        return self.maps.real.new_ones(self.n_lines)

    def seen(self, image: Tensor) -> Tensor:
        """Shape `(coil line sample)`."""
        samples = self.maps.new_zeros((len(self.maps), len(self.gridding.inside)))
        samples[:, self.gridding.inside] = self.gridding.transform.apply(self._images(self.maps * image))
        return samples.reshape(len(samples), self.n_lines, -1)

    def back(self, samples: Tensor) -> Tensor:
        """Give the adjoint of `seen`, weighted by density. Shape `(z y x)`."""
        few = samples.flatten(1)[:, self.gridding.inside] * self.gridding.weights
        images = self.gridding.transform.adjoint(few).reshape(self.maps.shape)
        return (self.maps.conj() * images).sum(dim=0)

    def in_kspace(self, samples: Tensor) -> Tensor:
        """Leave samples as they are."""
        return samples

    def laid_out(self, by_sample: Tensor) -> Tensor:
        """Leave readouts in the order in which they came."""
        return by_sample * (self.weights > 0)

    def kept(self, width_px: float) -> tuple[float, float]:
        """Say what is left of noise, and of a blob."""
        matrix = self.gridding.transform.matrix
        transfer = torch.ones_like(self.gridding.weights)
        for along, n in zip(self.gridding.points.unbind(dim=1), matrix, strict=True):
            transfer = transfer * falling_off(along / n, width_px).to(transfer)
        weighted = self.gridding.weights * transfer
        whole = blob(matrix, width_px, self.maps.device).square().sum()
        return float(weighted.square().sum()) / math.prod(matrix), float((weighted * transfer).sum() / whole)

    def from_beyond(self, image: Tensor) -> Tensor:
        """Nothing comes round from the other end, as samples lie on no grid. Shape `(line,)`."""
        return image.real.new_zeros(self.n_lines)

    def usual(self, by_line: Tensor) -> float:
        """Take the calmer readouts: all see all sizes alike, so that they differ little, and a fault may touch half."""
        return float(by_line.quantile(CALM))

    def _images(self, coils: Tensor) -> Tensor:
        """Give images as many axes as the trajectory has."""
        return coils.reshape(-1, *self.gridding.transform.matrix)

    def _laid(self, values: Tensor, otherwise: float) -> Tensor:
        """Lay what is known of samples that count among all others. Shape `(line sample)`."""
        laid = values.new_full((len(self.gridding.inside),), otherwise)
        laid[self.gridding.inside] = values
        return laid.reshape(self.n_lines, -1)
