"""Drawn heads as scans of every line: what a model learned from, in the form in which everything else is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition
from gateway.model.training_data import ProceduralData
from gateway.model.zyx import Zyx
from gateway.recon.fourier import fourier, resize
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.training.sources import source_of

OVERSAMPLED = 2
"""Readouts of scanners have twice the samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnScan:
    """A scan, and the same without noise."""

    name: str
    noisy: Acquisition
    clean: Acquisition
    header: ScanHeader


def drawn_scans(n: int, data: ProceduralData, *, seed: int) -> Iterator[DrawnScan]:
    """Draw so many scans of one slice, the same ones from the same seed."""
    draw, random = source_of(data), np.random.default_rng(seed)
    for number in range(n):
        full = draw(random)
        clean, header = _scan(full.clean)
        yield DrawnScan(name=f"drawn {number}", noisy=_scan(full.data)[0], clean=clean, header=header)


def _scan(hybrid: Tensor) -> tuple[Acquisition, ScanHeader]:
    """Write hybrid space `(coil y x)` as readouts of an empty phantom's scan of that size."""
    n_coils, n_y, n_x = hybrid.shape
    shape = Zyx(z=1, y=n_y, x=n_x)
    (run,), header = head_phantom(PhantomScan(n_slices=1, n_coils=n_coils, matrix=shape, anatomy=()))
    kspace = fourier(resize(hybrid, -1, OVERSAMPLED * n_x), (-1,)).numpy()
    return [replace(run, samples=np.ascontiguousarray(kspace.transpose(1, 0, 2)))], header
