"""What loops around an object would measure of an image: phase, sensitivities, k-space and noise.

K-space is that of a grid twice as fine, cut to the matrix, so that pixels are not points: the inverse crime is not
committed, but nothing here drifts, moves or relaxes as in a scanner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.training.procedural import Random, smooth_field

FINER = 2
READOUT, LINES, PLANE, SLAB = (-1,), (-2,), (-2, -1), (-3, -2)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullSlice:
    """One slice as it lies in hybrid space, readouts transformed; or a plane across the readout of a slab; or a slab.

    Parameters
    ----------
    data
        Complex. Of a plane both axes are k-space, x stands for its partitions. Shape `(coil y x)`; of a slab
        `(coil z y x)`.
    clean
        The same without noise where that is known, else the same.
    filled
        Which lines were measured; all of them of a full slice. Shape `(y, 1)`, of a plane `(y x)`, of a slab `(z y 1)`.
    noise_power
        Variance of the noise of a complex sample.
    corners
        Points that no scan of its kind measures, and that are not missing: beyond the outermost lines, in the corners
        of a slab; None for none. As ``filled``.
    points
        Of a slice whose readout was once encoded, too: which points were. Shape `(y x)`; None for all of its lines.
    origin
        The file that it was read from, for whoever has to be told about it.
    bright
        Of a plane, how bright the bright parts of its whole slab are; None where it stands alone.
    """

    data: Tensor
    clean: Tensor
    filled: Tensor
    noise_power: float
    corners: Tensor | None = None
    points: Tensor | None = None
    origin: str = ""
    bright: float | None = None

    @property
    def whole(self) -> bool:
        """Say whether every line was measured that is measured at all."""
        return bool((self.filled if self.corners is None else self.filled | self.corners).all())

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are k-space."""
        return SLAB if self.filled.ndim > 2 else LINES if self.filled.shape[-1] == 1 else PLANE  # noqa: PLR2004

    def as_plane(self) -> FullSlice:
        """Take a slice of every line as if it lay across the readout of a slab."""
        if self.axes == PLANE:
            return self
        data, clean = fourier(self.data, READOUT), fourier(self.clean, READOUT)
        filled = self.filled.expand(-1, data.shape[-1]) if self.points is None else self.points
        return replace(self, data=data, clean=clean, filled=filled, corners=beyond(filled), points=None)


def beyond(filled: Tensor) -> Tensor:
    """Say which places lie beyond the outermost that were measured, along both axes: nobody wanted them. As filled."""
    return ~(_between(filled, 0) | _between(filled, 1))


def _between(filled: Tensor, axis: int) -> Tensor:
    before, after = (one.cumsum(axis) > 0 for one in (filled, filled.flip(axis)))
    return before & after.flip(axis)


def with_phase(image: np.typing.NDArray[np.float32], random: Random) -> Tensor:
    """Give a magnitude a phase that varies slowly. Complex. Shape `(y x)`."""
    phase = random.uniform(0, 1.5) * smooth_field(image.shape[0], image.shape[1], random, order=1) + random.uniform(
        -math.pi, math.pi
    )
    return torch.from_numpy((image * np.exp(1j * phase)).astype(np.complex64))


def loops(n_coils: int, n_y: int, n_x: int, random: Random) -> Tensor:
    """Place coils around the image, each weaker the farther away. Complex. Shape `(coil y x)`."""
    y = torch.linspace(-0.5, 0.5, n_y)[:, None]
    x = torch.linspace(-0.5, 0.5, n_x)[None]
    away, width = random.uniform(0.5, 0.75), random.uniform(0.2, 0.5)
    angles = 2 * math.pi * (np.arange(n_coils) + random.random()) / n_coils + random.normal(0, 0.15, n_coils)
    return torch.stack([_loop(y, x, float(angle), (away, width), random) for angle in angles])


def _loop(y: Tensor, x: Tensor, angle: float, place: tuple[float, float], random: Random) -> Tensor:
    away, width = place
    dy = (y - away * math.sin(angle)).expand(-1, x.shape[1])
    dx = (x - away * math.cos(angle)).expand(len(y), -1)
    size = random.uniform(0.7, 1.3) / (1 + (dx.square() + dy.square()) / width**2) ** 1.5
    return torch.polar(size, torch.atan2(-dy, -dx) + float(random.normal(0, 2)))


def measured(image: Tensor, n_coils: int, noise: float, random: Random) -> FullSlice:
    """Measure a fine complex image with coils and noise.

    Parameters
    ----------
    image
        Of a grid twice as fine as the matrix. Shape `(2y 2x)`.
    noise
        Standard deviation of a sample, relative to the brightest pixel.
    """
    n_y, n_x = (n // FINER for n in image.shape)
    kspace = fourier(loops(n_coils, image.shape[0], image.shape[1], random) * image, PLANE)
    kspace = resize(resize(kspace, -2, n_y), -1, n_x)
    brightest = torch.linalg.vector_norm(inverse_fourier(kspace, PLANE), dim=0).max()
    clean = inverse_fourier(kspace / brightest.clamp_min(torch.finfo(torch.float32).tiny), READOUT)
    drawn = random.standard_normal((n_coils, n_y, n_x, 2), np.float32) / math.sqrt(2)
    return FullSlice(
        data=clean + noise * torch.view_as_complex(torch.from_numpy(drawn)),
        clean=clean,
        filled=torch.ones(n_y, 1, dtype=torch.bool),
        noise_power=noise**2,
    )
