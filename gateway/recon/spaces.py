"""Several encoding spaces in one recording: each that was imaged is a scan of its own, and never mixed with another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gateway.model.header import ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Readouts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagedSpace:
    """One encoding space, as if it were the first; noise and calibration of all spaces come along.

    Parameters
    ----------
    number
        In the header as it came.
    note
        What the reader of its series should know; empty where there is nothing else.
    """

    number: int
    acquisition: Acquisition
    header: ScanHeader
    note: str = ""


def imaged_spaces(acquisition: Acquisition, header: ScanHeader) -> list[ImagedSpace]:
    """Split a recording by the encoding spaces that have imaging readouts, in the order of the header.

    Readouts of a space that the header does not describe have no matrix: they are left out, which the note says.
    Without any imaging readout the first space is given as it is, for its method to refuse.
    """
    counts = _counts(acquisition)
    known = [number for number in sorted(counts) if number < len(header.encodings)] or [0]
    strange = [(number, count) for number, count in counts.items() if number >= len(header.encodings)]
    notes = [f"{count} readouts of encoding space {n}, which the header lacks, left out." for n, count in strange]
    if known == [0] and not strange:
        return [ImagedSpace(number=0, acquisition=acquisition, header=header)]
    several = [f"Encoding space {{}} of {len(known)} that were imaged."] if len(known) > 1 else []
    return [
        ImagedSpace(
            number=number,
            acquisition=_alone(acquisition, number),
            header=header.led_by(number),
            note=" ".join([*(each.format(number + 1) for each in several), *notes]),
        )
        for number in known
    ]


def _counts(acquisition: Acquisition) -> dict[int, int]:
    """Count the imaging readouts of each space."""
    spaces = [run.heads["encoding_space_ref"][~run.flagged(NOT_IMAGING)] for run in acquisition]
    numbers, counts = np.unique(np.concatenate([np.zeros(0, np.uint16), *spaces]), return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _alone(acquisition: Acquisition, number: int) -> Acquisition:
    """Leave the lines of other images out, and let the space change places with the first."""
    kept = []
    for run in acquisition:
        own = run.flagged(NOT_IMAGING) | (run.heads["encoding_space_ref"] == number)
        if own.any():
            kept.append(_led_by(run if own.all() else run.select(own), number))
    return tuple(kept)


def _led_by(run: Readouts, number: int) -> Readouts:
    if number == 0:
        return run
    heads = run.heads.copy()
    spaces = run.heads["encoding_space_ref"]
    heads["encoding_space_ref"] = np.where(spaces == number, 0, np.where(spaces == 0, number, spaces))
    return replace(run, heads=heads)
