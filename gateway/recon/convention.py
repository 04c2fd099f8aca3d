"""The sign of k-space, which MRD leaves open: behind the engine's door it is ``s(k) = sum rho exp(-2 pi i k x)``.

Siemens scanners, and the exporters that pass their samples on, have the other sign: their directions hold for an image
made by a forward transform (mrpro, pull request 833; Siemens' example server flips both axes "to be consistent with
ICE"). The conjugate of such samples has our sign. Whoever forgets it turns the patient by 180 degrees in every slice,
left for right, and no validator sees it: docs/adr/0010.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition

OTHER_SIGN = ("SIEMENS",)
"""Vendors, as the header names them or begins to, whose samples have the sign +."""


def has_other_sign(header: ScanHeader) -> bool:
    """Say whether the samples of this scan are to be conjugated."""
    return (header.system.vendor or "").strip().upper().startswith(OTHER_SIGN)


def in_our_convention(acquisition: Acquisition, header: ScanHeader) -> Acquisition:
    """Mark readouts whose samples have the other sign; no sample is touched."""
    if not has_other_sign(header):
        return acquisition
    return tuple(replace(run, conjugated=not run.conjugated) for run in acquisition)
