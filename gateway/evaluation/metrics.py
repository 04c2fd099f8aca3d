"""How far an image is from the truth: the numbers that papers of the field report, each by its definition.

All take magnitudes of shape `(y x)`: the image, the truth, and the largest value of the whole volume of the truth, for
a metric that needs a range. Noise in air is no zero in a root sum of squares, so a number over the whole image rewards
whoever removes it; two are taken over the object as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from gateway.evaluation.fsim import feature_similarity
from gateway.evaluation.nqm import noise_quality
from gateway.evaluation.windows import Image, averaged, convolved, gaussian, uniform

SSIM_WINDOW = 7
SSIM_K1, SSIM_K2 = 0.01, 0.03
OBJECT_SHARE, BRIGHT = 0.1, 0.98
"""The object is where the truth has this share of what its bright pixels have."""
HFEN_POINTS, HFEN_SIGMA = 15, 1.5
VIF_SCALES, VIF_NOISE = 4, 2.0
EYE_RANGE = 255.0
"""VIF, FSIM and NQM have constants for images of 8 bits: the volume's maximum becomes this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number for how good an image is."""

    label: str
    better: str
    """``higher`` or ``lower``."""
    source: str
    measure: Callable[[Image, Image, float], float]


def nmse(image: Image, truth: Image, _largest: float) -> float:
    """Squared error over squared truth."""
    return float(np.sum((image - truth) ** 2) / np.sum(truth**2))


def nrmse(image: Image, truth: Image, largest: float) -> float:
    """Root of `nmse`."""
    return math.sqrt(nmse(image, truth, largest))


def within(truth: Image) -> npt.NDArray[np.bool_]:
    """Say where the object is. Shape `(y x)`."""
    return np.asarray(truth > OBJECT_SHARE * np.quantile(truth, BRIGHT))


def nrmse_within(image: Image, truth: Image, largest: float) -> float:
    """Take `nrmse` over the object."""
    inside = within(truth)
    return nrmse(image[inside], truth[inside], largest)


def ssim_within(image: Image, truth: Image, largest: float) -> float:
    """Take `ssim` over the object."""
    edge = SSIM_WINDOW // 2
    return float(ssim_map(image, truth, largest)[within(truth)[edge:-edge, edge:-edge]].mean())


def psnr(image: Image, truth: Image, largest: float) -> float:
    """Largest value over root mean squared error, in dB."""
    error = float(np.mean((image - truth) ** 2))
    return math.inf if error == 0 else 10 * math.log10(largest**2 / error)


def ssim(image: Image, truth: Image, largest: float) -> float:
    """Compare means, variances and covariance in windows of 7 x 7, as fastMRI does."""
    return float(ssim_map(image, truth, largest).mean())


def ssim_map(image: Image, truth: Image, largest: float) -> Image:
    """Similarity around each pixel whose window lies within the image."""
    window = uniform(SSIM_WINDOW)
    c1, c2 = (SSIM_K1 * largest) ** 2, (SSIM_K2 * largest) ** 2
    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    mean_x, mean_y = averaged(image, window), averaged(truth, window)
    var_x = unbiased * (averaged(image**2, window) - mean_x**2)
    var_y = unbiased * (averaged(truth**2, window) - mean_y**2)
    both = unbiased * (averaged(image * truth, window) - mean_x * mean_y)
    likeness = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return np.asarray(likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))


def hfen(image: Image, truth: Image, _largest: float) -> float:
    """Error of fine structure: both are filtered by a Laplacian of Gaussian first."""
    kernel = _laplacian_of_gaussian(HFEN_POINTS, HFEN_SIGMA)
    fine = convolved(truth, kernel)
    return float(np.linalg.norm(convolved(image, kernel) - fine) / np.linalg.norm(fine))


def _laplacian_of_gaussian(n: int, sigma: float) -> Image:
    at = np.arange(n) - (n - 1) / 2
    square = at[:, None] ** 2 + at**2
    weights = np.exp(-square / (2 * sigma**2))
    kernel = (square - 2 * sigma**2) / sigma**4 * weights / weights.sum()
    return np.asarray(kernel - kernel.mean())


def vif(image: Image, truth: Image, largest: float) -> float:
    """Information that the image keeps of the truth, over what the truth holds; in pixels at four scales."""
    x, y = truth / largest * EYE_RANGE, image / largest * EYE_RANGE
    kept = held = 0.0
    for scale in range(VIF_SCALES):
        n = 2 ** (VIF_SCALES - scale) + 1
        window = gaussian(n, n / 5)
        if scale:
            x, y = averaged(x, window)[::2, ::2], averaged(y, window)[::2, ::2]
        if min(x.shape) < n:
            break
        mean_x, mean_y = averaged(x, window), averaged(y, window)
        var_x = np.maximum(averaged(x * x, window) - mean_x**2, 0)
        var_y = np.maximum(averaged(y * y, window) - mean_y**2, 0)
        both = averaged(x * y, window) - mean_x * mean_y
        tiny = 1e-10
        gain = both / (var_x + tiny)
        noise = var_y - gain * both
        flat_x, flat_y, against = var_x < tiny, var_y < tiny, gain < 0
        noise = np.where(flat_x | against, var_y, np.where(flat_y, 0, noise))
        gain = np.where(flat_x | flat_y | against, 0, gain)
        var_x = np.where(flat_x, 0, var_x)
        kept += float(np.log10(1 + gain**2 * var_x / (np.maximum(noise, tiny) + VIF_NOISE)).sum())
        held += float(np.log10(1 + var_x / VIF_NOISE).sum())
    return kept / held if held else 1.0


def fsim(image: Image, truth: Image, largest: float) -> float:
    """Compare phase congruency and gradients."""
    return feature_similarity(image / largest * EYE_RANGE, truth / largest * EYE_RANGE)


def nqm(image: Image, truth: Image, largest: float) -> float:
    """Contrast that is seen over noise that is seen, in dB."""
    return noise_quality(image / largest * EYE_RANGE, truth / largest * EYE_RANGE)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "nmse": Metric(label="NMSE", better="lower", source="arXiv:1811.08839", measure=nmse),
        "nrmse": Metric(label="NRMSE", better="lower", source="arXiv:1811.08839", measure=nrmse),
        "psnr": Metric(label="PSNR (dB)", better="higher", source="arXiv:1811.08839", measure=psnr),
        "ssim": Metric(
            label="SSIM", better="higher", source="doi:10.1109/TIP.2003.819861; 7 x 7, arXiv:1811.08839", measure=ssim
        ),
        "nrmse_object": Metric(label="NRMSE, object", better="lower", source="arXiv:1811.08839", measure=nrmse_within),
        "ssim_object": Metric(
            label="SSIM, object", better="higher", source="doi:10.1109/TIP.2003.819861", measure=ssim_within
        ),
        "hfen": Metric(label="HFEN", better="lower", source="doi:10.1109/TMI.2010.2090538", measure=hfen),
        "vif": Metric(label="VIF", better="higher", source="doi:10.1109/TIP.2005.859378", measure=vif),
        "fsim": Metric(label="FSIM", better="higher", source="doi:10.1109/TIP.2011.2109730", measure=fsim),
        "nqm": Metric(label="NQM (dB)", better="higher", source="doi:10.1109/83.841940", measure=nqm),
    }
)
"""By the name that reports use."""
