"""A scan as the methods get it: readouts whose noise is white and whose sign is ours."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Readouts and their header.

    Parameters
    ----------
    noise_power
        Variance of the noise of one complex sample, the same for all coils; None where it was not measured.
    whitened_by
        Digest of the earlier measurement that made the noise white; empty where it was the scan's own, or none.
    """

    acquisition: Acquisition
    header: ScanHeader
    noise_power: float | None = None
    whitened_by: str = ""
