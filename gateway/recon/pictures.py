"""From images and their noise to the pixels that a recipe asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from gateway.model.image import ImageKind, Pixels
from gateway.model.recipes import Imaging
from gateway.recon.space import Target

Progress = Callable[[float, str], None]

OF_NOISE = frozenset({ImageKind.SNR, ImageKind.NOISE, ImageKind.G_FACTOR})
"""Kinds for which the noise of the image must be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of an image.

    Parameters
    ----------
    deviation
        Standard deviation of the magnitude where there is signal: of the real part. Shape `(z y x)`.
    ideal
        The least that so many samples leave, if every pixel depended on all of them alike; the ratio is the g-factor.
    """

    deviation: Tensor
    ideal: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image; complex, or real and not negative where coils were combined without phase. Shape `(z y x)`."""

    image: Tensor
    noise: Noise | None = None
    spread: Tensor | None = None
    """How far samples of its magnitude lie apart, one standard deviation; where a method draws some."""

    def known_noise(self) -> Noise:
        """Give the noise, where the recipe has asked for it."""
        if self.noise is None:
            raise AssertionError("the method was not asked for the noise")
        return self.noise

    def known_spread(self) -> Tensor:
        """Give the spread of a method that draws samples."""
        if self.spread is None:
            raise AssertionError("the method draws no samples")
        return self.spread


def _signal_to_noise(picture: Picture) -> Tensor:
    deviation = picture.known_noise().deviation
    return torch.where(deviation > 0, picture.image.abs() / deviation, 0.0)


def _g_factor(picture: Picture) -> Tensor:
    noise = picture.known_noise()
    return noise.deviation / noise.ideal if noise.ideal > 0 else torch.zeros_like(noise.deviation)


PIXELS: Mapping[ImageKind, Callable[[Picture], Tensor]] = MappingProxyType(
    {
        ImageKind.MAGNITUDE: lambda picture: picture.image.abs(),
        ImageKind.PHASE: lambda picture: picture.image.angle(),
        ImageKind.REAL: lambda picture: picture.image.real,
        ImageKind.IMAGINARY: lambda picture: picture.image.imag,
        ImageKind.COMPLEX: lambda picture: picture.image,
        ImageKind.NOISE: lambda picture: picture.known_noise().deviation,
        ImageKind.SNR: _signal_to_noise,
        ImageKind.G_FACTOR: _g_factor,
        ImageKind.UNCERTAINTY: Picture.known_spread,
    }
)
"""What each kind shows of an image."""


class Album:
    """Takes images in any order and keeps what was asked for; tells how far the work is.

    Parameters
    ----------
    n_frames
        How many images there will be.
    sampled
        Whether their spread is known, and kept too.
    """

    def __init__(
        self, recipe: Imaging, n_frames: int, target: Target, progress: Progress, *, sampled: bool = False
    ) -> None:
        self.kinds = (*recipe.output, *([ImageKind.UNCERTAINTY] if sampled else []))
        self.wants_noise = not OF_NOISE.isdisjoint(recipe.output)
        shape = (n_frames, *target.matrix.as_tuple())
        self.pixels: dict[ImageKind, Pixels] = {kind: np.empty(shape, dtype=_dtype(kind)) for kind in self.kinds}
        self._n_frames, self._n_kept, self._progress = n_frames, 0, progress

    def keep(self, number: int, picture: Picture) -> None:
        """Keep what was asked for of the image of a frame."""
        for kind, pixels in self.pixels.items():
            pixels[number] = PIXELS[kind](picture).cpu().numpy()
        self._n_kept += 1
        self._progress(self._n_kept / self._n_frames, f"reconstructed {self._n_kept} of {self._n_frames} frames")


def _dtype(kind: ImageKind) -> type[np.float32 | np.complex64]:
    return np.complex64 if kind is ImageKind.COMPLEX else np.float32
