"""Feature similarity (Zhang 2011, doi:10.1109/TIP.2011.2109730), on phase congruency (Kovesi 1999, Videre 1:3)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gateway.evaluation.windows import Image, averaged, convolved, uniform

N_SCALES, N_ORIENTATIONS = 4, 4
SHORTEST, RATIO, BANDWIDTH = 6.0, 2.0, 0.55
"""Wavelength of the finest scale in pixels, of one scale to the next, and width of the log-Gabor filters."""
ANGLE_WIDTH = 1.2
NOISE_DEVIATIONS, NOISE_SHRINK = 2.0, 1.7
T_CONGRUENCY, T_GRADIENT = 0.85, 160.0
SIDE = 256
"""Larger images are averaged down to about this."""

_EPSILON = 1e-4


def feature_similarity(image: Image, truth: Image) -> float:
    """Compare two images in a range of 0 to 255."""
    step = max(1, round(min(truth.shape) / SIDE))
    x, y = (
        averaged(np.pad(each, ((step // 2,) * 2,) * 2, mode="edge"), uniform(step))[::step, ::step]
        for each in (image, truth)
    )
    features_x, features_y = phase_congruency(x), phase_congruency(y)
    slope_x, slope_y = _gradient(x), _gradient(y)
    alike = _similar(features_x, features_y, T_CONGRUENCY) * _similar(slope_x, slope_y, T_GRADIENT)
    weight = np.maximum(features_x, features_y)
    return float((alike * weight).sum() / weight.sum()) if weight.any() else 1.0


def _similar(a: Image, b: Image, constant: float) -> Image:
    return np.asarray((2 * a * b + constant) / (a**2 + b**2 + constant))


def _gradient(image: Image) -> Image:
    scharr = np.array([[3.0, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
    return np.hypot(convolved(image, scharr), convolved(image, scharr.T))


def phase_congruency(image: Image) -> Image:
    """Find where the phases of all scales agree: edges and lines, whatever their contrast; from 0 to 1."""
    spectrum = np.fft.fft2(image)
    v, u = (np.fft.fftfreq(n) for n in image.shape)
    radius = np.hypot(v[:, None], u)
    radius[0, 0] = 1
    angle = np.arctan2(-v[:, None], u)
    radial = list(_log_gabors(radius))
    energy, amplitude = np.zeros_like(image), np.zeros_like(image)
    for number in range(N_ORIENTATIONS):
        found, size = _along(spectrum, radial, _spread(angle, number * math.pi / N_ORIENTATIONS))
        energy += found
        amplitude += size
    return np.asarray(energy / np.maximum(amplitude, _EPSILON))


def _log_gabors(radius: Image) -> Iterator[Image]:
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    for scale in range(N_SCALES):
        centre = 1 / (SHORTEST * RATIO**scale)
        band = np.exp(-(np.log(radius / centre) ** 2) / (2 * math.log(BANDWIDTH) ** 2)) * low_pass
        band[0, 0] = 0
        yield band


def _spread(angle: Image, towards: float) -> Image:
    width = math.pi / N_ORIENTATIONS / ANGLE_WIDTH
    off = np.abs(np.arctan2(np.sin(angle - towards), np.cos(angle - towards)))
    return np.asarray(np.exp(-(off**2) / (2 * width**2)))


def _along(spectrum: npt.NDArray[np.complex128], radial: list[Image], spread: Image) -> tuple[Image, Image]:
    """Local energy beyond the noise, and the sum of amplitudes, in one orientation."""
    filters = [band * spread for band in radial]
    responses = np.stack([np.fft.ifft2(spectrum * each) for each in filters])
    amplitude = np.abs(responses).sum(axis=0)
    total = responses.sum(axis=0)
    mean = total / (np.abs(total) + _EPSILON)
    aligned = responses * mean.conj()
    energy = (aligned.real - np.abs(aligned.imag)).sum(axis=0)
    return np.maximum(energy - _noise_threshold(responses[0], filters), 0), np.asarray(amplitude)


def _noise_threshold(finest: npt.NDArray[np.complex128], filters: list[Image]) -> float:
    """Energy that noise of the finest scale's level would show (Rayleigh distributed)."""
    power = float(np.median(np.abs(finest) ** 2)) / math.log(2) / float((filters[0] ** 2).sum())
    waves = [np.fft.ifft2(each).real * math.sqrt(each.size) for each in filters]
    own = sum(float((wave**2).sum()) for wave in waves)
    mixed = sum(float((a * b).sum()) for k, a in enumerate(waves) for b in waves[k + 1 :])
    tau = math.sqrt((2 * power * own + 4 * power * mixed) / 2)
    return (tau * math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * tau * math.sqrt(2 - math.pi / 2)) / NOISE_SHRINK
