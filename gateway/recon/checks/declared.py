"""Are as many lines there as the header says? Data that were lost before they arrived leave no trace but that.

A scan of which lines are missing is a legal one of a higher acceleration, with more noise: only its header tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.card import Sampling
from gateway.model.header import ScanHeader
from gateway.recon.networks.scope import describe
from gateway.recon.parallel import Undersampled
from gateway.recon.shutter import left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """How many times fewer lines there are than the header says, and what of both was compared."""

    times: float
    note: str


def lines_missing(header: ScanHeader, found: Undersampled, number: int) -> Missing | None:
    """Hold the lines of a frame against the header; None where that does not say.

    Headers give the step of a regular pattern, calibration aside, and of another one the share of all lines.
    """
    steps = header.encodings[0].acceleration
    declared = steps.y * steps.z
    if declared <= 1:
        return None
    scan = describe(header, found, number)
    if scan.sampling is Sampling.EQUISPACED and scan.acceleration is not None:
        return _missing(scan.acceleration, declared)
    lines = found.sorter.lines
    z, y = (slice(counter.first, counter.last + 1) for counter in (lines.partitions, lines.phase_encodes))
    wanted = found.filled_lines(number)[z, y][~left_out(lines)[z, y]]
    return _missing(len(wanted) / max(1, int(wanted.sum())), declared)


def _missing(measured: float, declared: float) -> Missing:
    return Missing(
        times=measured / declared, note=f"one line in {measured:.3g} was measured, the header says {declared:.3g}"
    )
