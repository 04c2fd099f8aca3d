"""How a frame was encoded, as the checks need it: from an image to what would have been measured of it, and back.

Samples are `(coil line sample)`, whatever a line is: a readout of a Cartesian scan, transformed already, or an
interleaf. Images are `(z y x)` on the grid that was encoded, z of length 1 for slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from gateway.recon.checks.blobs import blob
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.magnitudes import power as power_of

ENCODED = (-3, -2)
"""Partitions and lines."""
TOGETHER_BYTES = 64 << 20
"""Coil images that are worked on at a time."""
EVERY_X = 4
"""One in so many positions x tells what comes round from the other end of k-space."""
EASY_GAP = 2.0
"""Lines."""
MOST_LINES = 0.75
"""Part of the lines that a fault of single ones does not touch."""
AROUND = 7
"""Points along each axis over which it is counted how densely a plane was sampled."""


class Encoding(Protocol):
    """What the checks ask of an encoding."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of images."""

    @property
    def distance(self) -> Tensor:
        """How far each sample lies from the centre of k-space, whose edge is at 1. Broadcasts to `(line sample)`."""

    @property
    def radius(self) -> Tensor:
        """The same for samples that are `in_kspace`. Shape `(line sample)`."""

    @property
    def course(self) -> Tensor:
        """Where on the course of the scan each line lies, along which coils may drift. Shape `(line,)`."""

    @property
    def weights(self) -> Tensor:
        """How much of k-space each sample stands for; 0 for none. Broadcasts to `(line sample)`."""

    @property
    def loneliness(self) -> Tensor:
        """How far other lines are, in gaps that coils fill without effort; 1 at the least. Shape `(line,)`."""

    def seen(self, image: Tensor) -> Tensor:
        """Say what would have been measured of an image. Shape `(coil line sample)`."""

    def back(self, samples: Tensor) -> Tensor:
        """Bring samples, by their weights, to the image: of the measured ones of an image, about that. `(z y x)`."""

    def in_kspace(self, samples: Tensor) -> Tensor:
        """Transform what is an image along lines. Shape `(coil line sample)`."""

    def laid_out(self, by_sample: Tensor) -> Tensor:
        """Lay values `(line sample)` out as a picture of k-space, zero where nothing was measured. `(row column)`."""

    def kept(self, width_px: float) -> tuple[float, float]:
        """Say what `back` and smoothing by a blob leave: of the power of white noise, and of a blob."""

    def from_beyond(self, image: Tensor) -> Tensor:
        """Say how much power of each line has come from beyond the k-space of the image. Shape `(line,)`."""

    def usual(self, by_line: Tensor) -> float:
        """Say what lines that no fault touches have at the most, of what each of them has. From `(line,)`."""


@dataclass(frozen=True, kw_only=True)
class OnLines:
    """Cartesian lines: readouts are images, of partitions and lines some were measured.

    Parameters
    ----------
    maps
        Sensitivities. Shape `(coil z y x)`.
    filled
        Which lines were measured. Shape `(z y)`.
    """

    maps: Tensor
    filled: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of images."""
        n_z, n_y, n_x = self.maps.shape[1:]
        return n_z, n_y, n_x

    @cached_property
    def distance(self) -> Tensor:
        """Shape `(line 1)`."""
        along = [_from_centre(n, self.maps.device) for n in self.filled.shape]
        return torch.hypot(along[0][:, None], along[1][None, :])[self.filled][:, None]

    @cached_property
    def radius(self) -> Tensor:
        """Shape `(line sample)`."""
        n_x = self.shape[-1]
        return torch.hypot(self.distance, torch.arange(n_x, device=self.maps.device)[None, :] / (n_x / 2) - 1)

    @property
    def course(self) -> Tensor:
        """The distance: what is measured when is not known, and most scans go from one edge to the other."""
        return self.distance[:, 0]

    @cached_property
    def weights(self) -> Tensor:
        """Shape `(1 1)`."""
        return self.maps.real.new_ones(1, 1)

    @cached_property
    def loneliness(self) -> Tensor:
        """Shape `(line,)`."""
        gaps = _gaps(self.filled[0]) if len(self.filled) == 1 else _spacing(self.filled)
        return (gaps / EASY_GAP).clamp_min(1)[self.filled if len(self.filled) > 1 else self.filled[0]]

    def seen(self, image: Tensor) -> Tensor:
        """Shape `(coil line sample)`."""
        return torch.cat([fourier(some * image, ENCODED)[:, self.filled] for some in self._coils(self.maps)])

    def back(self, samples: Tensor) -> Tensor:
        """Give the adjoint of `seen`. Shape `(z y x)`."""
        image = self.maps.new_zeros(self.shape)
        for maps, few in zip(self._coils(self.maps), self._coils(samples), strict=True):
            kspace = torch.zeros_like(maps)
            kspace[:, self.filled] = few
            image += (maps.conj() * inverse_fourier(kspace, ENCODED)).sum(dim=0)
        return image

    def in_kspace(self, samples: Tensor) -> Tensor:
        """Transform along the readout."""
        return fourier(samples, (-1,))

    def laid_out(self, by_sample: Tensor) -> Tensor:
        """Give lines their places: of a slice along the readout, of a slab in the mean over it."""
        if len(self.filled) == 1:
            laid = by_sample.new_zeros(self.shape[1:])
            laid[self.filled[0]] = by_sample
            return laid
        laid = by_sample.new_zeros(self.filled.shape)
        laid[self.filled] = by_sample.square().mean(dim=1).sqrt()
        return laid

    def kept(self, width_px: float) -> tuple[float, float]:
        """Say what is left of noise, and of a blob."""
        transfer = blob(self.shape, width_px, self.maps.device).square()
        lines = transfer * self.filled[..., None]
        return float(lines.mean()), float(lines.sum() / transfer.sum())

    def from_beyond(self, image: Tensor) -> Tensor:
        """Say how much of each line's power has come round from the other end of k-space, which no scan measures.

        A coil that sees more on one side than on the other spreads each line over its neighbours. On a grid of as many
        pixels as lines, what is spread beyond the last line comes in at the first, and what the patient would have
        spread in from beyond is lacking: as much again, of which an image knows nothing. On a scan with little noise
        that is what the outermost lines differ by. It is told from some positions x. Shape `(line,)`.
        """
        maps, some = self.maps[..., ::EVERY_X], image[..., ::EVERY_X]
        power = torch.zeros(self.filled.shape, device=image.device)
        for axis, n in zip(ENCODED, self.filled.shape, strict=True):
            if n == 1:
                continue
            kspace = fourier(some, (axis,))
            at = torch.arange(n, device=image.device) - n // 2
            for outer, opposite in ((at > n // 4, -at > n // 4), (-at > n // 4, at > n // 4)):
                end = inverse_fourier(kspace * _along(outer, axis), (axis,))
                for coils in self._coils(maps):
                    arrived = power_of(fourier(coils * end, ENCODED)).mean(dim=3).sum(dim=0)
                    power += arrived * _along(opposite, axis)[..., 0] / len(maps)
        return 2 * power[self.filled]

    def usual(self, by_line: Tensor) -> float:
        """Take most lines, or the noise where these are within it."""
        return max(float(by_line.quantile(MOST_LINES)), 1.0)

    def _coils(self, values: Tensor) -> Sequence[Tensor]:
        """Split what has coils into as many at a time as are worked on together."""
        return torch.split(values, max(1, TOGETHER_BYTES // (8 * math.prod(self.shape))))


def _along(values: Tensor, axis: int) -> Tensor:
    """Lay values along one axis of three."""
    return values.reshape(-1, *[1] * (-1 - axis))


def _from_centre(n: int, device: torch.device) -> Tensor:
    return (torch.arange(n, device=device) - n // 2).abs() / max(n / 2, 1)


def _gaps(filled: Tensor) -> Tensor:
    """Say how wide the wider gap beside each line is. Shape `(y,)`.

    What neighbours know of a line reaches as far as coils tell points of k-space apart: beyond it, a method that is
    held down by an expectation has to choose between the line and that.
    """
    at = torch.arange(len(filled), device=filled.device)
    before = torch.where(filled, at, -1).cummax(dim=0).values.roll(1)
    after = torch.where(filled, at, len(filled)).flip(0).cummin(dim=0).values.flip(0).roll(-1)
    before[0], after[-1] = -1, len(filled)
    return torch.maximum(at - before, after - at)


def _spacing(filled: Tensor) -> Tensor:
    """Say how far points of a plane lie apart around each of them, in the mean. Shape `(z y)`."""
    around = [min(AROUND, n - 1 + n % 2) for n in filled.shape]
    pads = [each // 2 for each in (around[1], around[1], around[0], around[0])]
    padded = torch.nn.functional.pad(filled.float()[None, None], pads, mode="reflect")
    density: Tensor = torch.nn.functional.avg_pool2d(padded, around, stride=1)[0, 0]
    return density.clamp_min(1 / math.prod(around)) ** -0.5
