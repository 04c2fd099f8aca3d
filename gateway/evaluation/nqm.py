"""Noise quality measure (Damera-Venkata 2000, doi:10.1109/83.841940), on Peli's pyramid of local contrast.

Peli 1990, doi:10.1364/JOSAA.7.002032.
"""

from __future__ import annotations

import math

import numpy as np

from gateway.evaluation.windows import Image

VIEWING_ANGLE_DEG = 10.0
"""Under which the image is seen; more distant eyes see less."""
OCTAVES = 5
LOWEST = 2.0
"""Cycles per image, from which on there are bands."""


def noise_quality(image: Image, truth: Image) -> float:
    """Compare what an eye sees of two images in a range of 0 to 255, in dB."""
    bands, base = _pyramid(truth)
    bands_of_image, base_of_image = _pyramid(image)
    seen, seen_of_image = np.zeros_like(truth), np.zeros_like(truth)
    for octave in range(OCTAVES):
        threshold = _threshold(2.0 ** (octave + 1) / VIEWING_ANGLE_DEG)
        contrast = _contrast(bands, base, octave)
        other = _contrast(bands_of_image, base_of_image, octave)
        masked = (np.abs(other) <= 1) & (np.abs(other - contrast) < _masking(contrast, octave + 1))
        band = np.where(masked, bands[octave], bands_of_image[octave])
        seen += np.where(np.abs(contrast) < threshold, 0, bands[octave])
        seen_of_image += np.where(np.abs(other) < threshold, 0, band)
    error = float(np.sum((seen - seen_of_image) ** 2))
    return math.inf if error == 0 else 10 * math.log10(float(np.sum(seen**2)) / error)


def _pyramid(image: Image) -> tuple[list[Image], Image]:
    """Split into octaves by cosines on a logarithmic axis, and what is below them."""
    v, u = (np.fft.fftfreq(n) * n for n in image.shape)
    radius = np.hypot(v[:, None], u)
    spectrum = np.fft.fft2(image)

    def band(middle: float) -> Image:
        octaves = np.log2(np.maximum(radius, 1e-9) / middle)
        return np.where(np.abs(octaves) < 1, 0.5 * (1 + np.cos(math.pi * octaves)), 0)

    lowest = np.where(radius < 1, 1, np.where(radius < LOWEST, band(1.0), 0))
    filtered = [np.fft.ifft2(spectrum * band(2.0 ** (octave + 1))).real for octave in range(OCTAVES)]
    return filtered, np.asarray(np.fft.ifft2(spectrum * lowest).real)


def _contrast(bands: list[Image], base: Image, octave: int) -> Image:
    """Band over what is below it."""
    below = base + sum(bands[:octave], start=np.zeros_like(base))
    floor = 1e-3 * float(np.abs(base).mean()) + np.finfo(float).tiny
    return np.asarray(bands[octave] / np.where(np.abs(below) < floor, floor, below))


def _threshold(cycles_per_degree: float) -> float:
    """Contrast that is just seen."""
    linear = 0.114 * cycles_per_degree
    return 1 / (200 * 2.6 * (0.0192 + linear) * math.exp(-(linear**1.1)))


def _masking(contrast: Image, cycles: float) -> Image:
    """Difference of contrast that is not seen beside the contrast itself."""
    just = _threshold(cycles)
    return np.asarray(just * (0.86 * (contrast / just - 1) + 0.3))
