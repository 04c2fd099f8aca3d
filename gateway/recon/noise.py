"""The noise between coils: measured, scaled to the samples of a scan, and made white."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts, mask

Complex = npt.NDArray[np.complex128]

LOUD = 100.0
"""A coil whose noise has so many times the variance of the middle one is broken."""


def measure_noise(acquisition: Acquisition, header: ScanHeader) -> NoiseCovariance | None:
    """Measure the covariance between coils from the readouts flagged as noise; None where there are too few samples.

    Raises
    ------
    BadScan
        They are not finite, or a coil is silent.
    """
    runs = [run.select(run.flagged(mask(Flag.IS_NOISE_MEASUREMENT))) for run in acquisition]
    runs = [run for run in runs if run.samples.size]
    if not runs:
        return None
    n_coils = runs[0].samples.shape[1]
    samples = np.concatenate([_columns(run) for run in runs if run.samples.shape[1] == n_coils], axis=1)
    if samples.shape[1] < 2 * n_coils:
        return None
    if not np.isfinite(samples).all():
        raise BadScan("the noise readouts have samples that are not finite")
    covariance = samples @ samples.conj().T / samples.shape[1]
    if not (np.diagonal(covariance).real > 0).all():
        silent = np.flatnonzero(np.diagonal(covariance).real <= 0)
        raise BadScan(f"coils {', '.join(map(str, silent))} are silent in the noise readouts")
    return NoiseCovariance(
        measurement_id=header.measurement.measurement_id or "",
        coil_names=tuple(name for _, name in sorted(header.system.coil_names.items())),
        dwell_time_us=float(runs[0].heads["sample_time_us"][0]),
        bandwidth_factor=header.system.noise_bandwidth or 1.0,
        matrix=covariance,
    )


def _columns(run: Readouts) -> Complex:
    """Join the samples of a run. Shape `(coil sample)`."""
    samples = run.samples.astype(np.complex128)
    return np.asarray(samples.transpose(1, 0, 2).reshape(samples.shape[1], -1))


def is_only_noise(acquisition: Acquisition) -> bool:
    """Say whether a scan has noise readouts and no lines of an image."""
    noise = any(run.flagged(mask(Flag.IS_NOISE_MEASUREMENT)).any() for run in acquisition)
    return noise and all(run.flagged(NOT_IMAGING).all() for run in acquisition)


def matched(noise: NoiseCovariance, header: ScanHeader, n_coils: int) -> NoiseCovariance | None:
    """Bring an earlier measurement into the coil order of this scan, by name; None where a coil was not measured."""
    names = [name for _, name in sorted(header.system.coil_names.items())]
    if not names or not noise.coil_names:
        return noise if len(noise.matrix) == n_coils else None
    if len(names) != n_coils or not set(names) <= set(noise.coil_names):
        return None
    order = [noise.coil_names.index(name) for name in names]
    return replace(noise, coil_names=tuple(names), matrix=noise.matrix[np.ix_(order, order)])


def power_scale(noise: NoiseCovariance, *, dwell_time_us: float) -> float:
    """Say how much more noise power a sample of another dwell time has than the measurement (Kellman 2005).

    It goes with the bandwidth, so with the inverse of the dwell time; where either is unknown (0), they are taken as
    equal. doi:10.1002/mrm.20713.
    """
    if dwell_time_us > 0 and noise.dwell_time_us > 0:
        return noise.dwell_time_us / (dwell_time_us * noise.bandwidth_factor)
    return 1.0


def whitening(noise: NoiseCovariance, *, dwell_time_us: float) -> npt.NDArray[np.complex64]:
    """Find the change of coils after which their noise is independent and of power 1. Shape `(coil coil)`.

    Raises
    ------
    BadScan
        A coil's noise is far above that of the others, or the covariance is none.
    """
    variances = np.diagonal(noise.matrix).real
    broken = np.flatnonzero(variances > LOUD * np.median(variances))
    if len(broken):
        ratio = variances[broken[0]] / np.median(variances)
        raise BadScan(f"coil {broken[0]} is broken: its noise has {ratio:.0f} times the variance of the others")
    try:
        factor = np.linalg.cholesky(noise.matrix * power_scale(noise, dwell_time_us=dwell_time_us))
    except np.linalg.LinAlgError as error:
        raise BadScan("the noise covariance is not positive: coils repeat each other") from error
    return np.linalg.inv(factor).astype(np.complex64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitened:
    """Readouts, and what was done to them."""

    acquisition: Acquisition
    notes: tuple[str, ...] = ()
    by: str = ""
    """Digest of the earlier measurement that served; empty where it was the scan's own, or none."""

    @property
    def noise_power(self) -> float | None:
        """Variance of the noise of one complex sample: 1 where it was made so, else unknown."""
        return 1.0 if self.notes else None


def whiten(acquisition: Acquisition, header: ScanHeader, noise: NoiseCovariance | None) -> Whitened:
    """Make the noise of the coils white: by the scan's own noise readouts, else by an earlier measurement.

    Where neither fits the coils of the image, the readouts stay as they are.

    Raises
    ------
    BadScan
        A coil is broken.
    """
    of_image = [run for run in acquisition if not run.flagged(NOT_IMAGING).all()]
    if not of_image:
        return Whitened(acquisition=acquisition)
    n_coils, dwell_time_us = of_image[0].samples.shape[1], float(of_image[0].heads["sample_time_us"][0])
    own = measure_noise(acquisition, header)
    found, source = own, "noise readouts of this scan"
    if own is None or len(own.matrix) != n_coils:
        found = matched(noise, header, n_coils) if noise is not None else None
        source = f"noise measurement {noise.measurement_id}" if noise is not None else ""
    if found is None:
        return Whitened(acquisition=acquisition)
    matrix = whitening(found, dwell_time_us=dwell_time_us)
    return Whitened(
        acquisition=tuple(_changed(run, matrix) if run.samples.shape[1] == n_coils else run for run in acquisition),
        notes=(f"Coils prewhitened by the {source}.",),
        by="" if found is own else found.digest,
    )


def _changed(run: Readouts, matrix: npt.NDArray[np.complex64]) -> Readouts:
    return replace(run, samples=np.matmul(matrix, run.samples))


def estimate_noise(edges: Tensor) -> float:
    """Estimate the standard deviation of a complex sample from the outermost k-space, where signal is least.

    Parameters
    ----------
    edges
        Complex, not zero-filled. Any shape.

    Returns
    -------
        Of the complex sample (both parts), from the median magnitude, which a few large samples do not move.
    """
    median = float(edges.abs().flatten().median())
    return median / math.sqrt(math.log(2.0))
