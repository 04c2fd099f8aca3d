"""Undersampled heads whose truth is known, and how far an image is from it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import Recipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.recon.scans import fft

HEAD = PhantomScan(n_slices=1, n_coils=8, matrix=Zyx(z=1, y=96, x=96), noise=0.002, seed=1)

Scan = tuple[Acquisition, ScanHeader]


@lru_cache(maxsize=4)
def whole(scan: PhantomScan = HEAD) -> npt.NDArray[np.float32]:
    """Reconstruct every line of the scan without noise."""
    return fft(*head_phantom(replace(scan, noise=0.0, acceleration=1, calibration_lines=0))).pixels


def undersampled(step: int, *, scan: PhantomScan = HEAD, calibration_lines: int = 24) -> Scan:
    """Measure every so-many-th line, and calibration lines in the middle."""
    return head_phantom(replace(scan, acceleration=step, calibration_lines=calibration_lines))


def run(scan: Scan, recipe: Recipe) -> ImageSeries:
    """Reconstruct on the CPU."""
    (series,) = reconstruct(*scan, recipe, device="cpu", progress=lambda *_: None)
    return series


def error(image: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> float:
    """Root of the mean square, relative to the truth."""
    return float(np.linalg.norm(image - truth) / np.linalg.norm(truth))
