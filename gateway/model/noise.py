"""What a noise measurement found: how the receiver's noise is spread over its coils, and how it was measured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCovariance:
    """The covariance of the noise between coils, kept so that a later scan of the same coils can use it."""

    measurement_id: str
    """``measurementID`` of the scan that measured it: what a later scan names as its dependency."""
    coil_names: tuple[str, ...]
    """In the order of the matrix; a later scan matches its coils by name. Empty where the header has none."""
    dwell_time_us: float
    """Time of one sample; the variance grows with its inverse."""
    bandwidth_factor: float
    """Noise bandwidth of the receiver relative to the sampling bandwidth (``relativeReceiverNoiseBandwidth``)."""
    matrix: npt.NDArray[np.complex128]
    """Of one complex sample, in squared units of the receiver. Hermitian. Shape `(coil coil)`."""

    @property
    def digest(self) -> str:
        """Name the measurement by all that it says: images whitened by another one are other images."""
        said = json.dumps([self.measurement_id, self.coil_names, self.dwell_time_us, self.bandwidth_factor])
        return hashlib.sha256(said.encode() + self.matrix.astype("<c16").tobytes()).hexdigest()
