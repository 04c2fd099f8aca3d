"""Slices as scans of their own: drawn heads of every line, and slices of which lines were left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.header import Limit, ScanHeader
from gateway.model.readout import Acquisition, Flag, Readouts
from gateway.model.training_data import ProceduralData
from gateway.model.zyx import Zyx
from gateway.recon.fourier import fourier, resize
from gateway.recon.networks.scope import calibration_lines
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.scan import Scan
from gateway.training.simulation import FullSlice
from gateway.training.sources import source_of

OVERSAMPLED = 2
"""Readouts of scanners have twice the samples."""
BOTH = np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit)


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
        yield DrawnScan(name=f"drawn {number}", noisy=(_scan(full.data)[0],), clean=(clean,), header=header)


def undersampled_scan(full: FullSlice, filled: Tensor) -> Scan:
    """Write the kept lines of a slice `(y, 1)` as a scanner sends them and methods take them, its noise known.

    Lines beyond the outermost ones were not wanted, so a scan of the middle alone is one of less resolution.
    """
    run, header = _scan(full.data)
    kept = np.flatnonzero(filled[:, 0].numpy())
    half, centre = calibration_lines(filled[:, 0].numpy()) // 2, len(filled) // 2
    some = run.select(filled[:, 0].numpy())
    heads = some.heads.copy()
    heads["flags"][(kept >= centre - half) & (kept < centre + half)] |= BOTH
    encoding = header.encodings[0]
    limits = {**encoding.limits, "kspace_encoding_step_1": Limit(minimum=kept[0], maximum=kept[-1], center=centre)}
    accelerated = replace(
        encoding, limits=limits, acceleration=Zyx(z=1.0, y=_step(kept), x=1.0), calibration_mode="embedded"
    )
    return Scan(
        acquisition=(replace(some, heads=heads),),
        header=replace(header, encodings=(accelerated,)),
        noise_power=full.noise_power,
    )


def _step(kept: npt.NDArray[np.intp]) -> float:
    """Say how far lines lie apart that have a gap between them, mostly; 1 without gaps."""
    gaps = np.diff(kept)
    return float(np.median(gaps[gaps > 1])) if (gaps > 1).any() else 1.0


def _scan(hybrid: Tensor) -> tuple[Readouts, ScanHeader]:
    """Write hybrid space `(coil y x)` as readouts of an empty phantom's scan of that size."""
    n_coils, n_y, n_x = hybrid.shape
    shape = Zyx(z=1, y=n_y, x=n_x)
    (run,), header = head_phantom(PhantomScan(n_slices=1, n_coils=n_coils, matrix=shape, anatomy=()))
    kspace = fourier(resize(hybrid, -1, OVERSAMPLED * n_x), (-1,)).numpy()
    return replace(run, samples=np.ascontiguousarray(kspace.transpose(1, 0, 2))), header
