"""How a scan was sampled, in the terms of a model's card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gateway.model.card import Measurement, ModelCard, Purpose, Sampling, misfits
from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.recon.lines import Lines
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import Undersampled, understand
from gateway.recon.scan import Scan
from gateway.recon.space import imaging_encoding, is_3d

Bools = npt.NDArray[np.bool_]


def misused(scan: Scan, ready: ReadyModel) -> list[str]:
    """Say, point by point, why a model must not be used on a scan; nothing where it may."""
    by_header = list(_by_header(ready, scan.header))
    if by_header:
        return by_header
    if ready.refines is not None and not _of_slices(scan.header):
        return list(misfits(ready.card.made_for, described(scan)))
    try:
        found = understand(scan, ready.recipe, regular=False)
    except BadScan as fault:
        return [str(fault)]
    return list(dict.fromkeys(_by_lines(ready.card, scan.header, found)))


def _by_header(ready: ReadyModel, header: ScanHeader) -> Iterator[str]:
    encoding = imaging_encoding(header)
    if ready.refines is None and not _cartesian(header):
        yield f"the trajectory is {encoding.trajectory}, the model is for Cartesian scans"
    if ready.refines is None and is_3d(encoding):
        yield "partitions were encoded, the model is for slices"
    if ready.card.purpose is Purpose.TESTS and not ready.recipe.allow_tests:
        yield "its card says that it is for training and tests"


def _cartesian(header: ScanHeader) -> bool:
    return imaging_encoding(header).trajectory.lower() in ("cartesian", "")


def _of_slices(header: ScanHeader) -> bool:
    return _cartesian(header) and not is_3d(imaging_encoding(header))


def described(scan: Scan) -> Measurement:
    """Collect what a card asks of a scan whose lines tell nothing."""
    return _asked_of(scan.header, max(run.samples.shape[1] for run in scan.acquisition))


def _asked_of(header: ScanHeader, n_coils: int) -> Measurement:
    return Measurement(
        body_part=header.study.body_part,
        protocol=header.measurement.protocol_name,
        sequence=header.measurement.sequence_name or header.sequence.sequence_type,
        vendor=header.system.vendor,
        field_strength_t=header.system.field_strength_t,
        n_coils=n_coils,
        n_readout=imaging_encoding(header).encoded.matrix.x,
        n_lines=imaging_encoding(header).encoded.matrix.y,
        acceleration=None,
        n_calibration=None,
        sampling=None,
    )


def _by_lines(card: ModelCard, header: ScanHeader, found: Undersampled) -> Iterator[str]:
    for number in range(found.sorter.lines.n_frames):
        filled = found.filled_lines(number)
        yield from misfits(card.made_for, describe(header, found.sorter.lines, filled))


def describe(header: ScanHeader, lines: Lines, filled: Bools) -> Measurement:
    """Collect what a card asks."""
    counter = lines.phase_encodes
    wanted = filled[counter.first : counter.last + 1]
    n_calibration = calibration_lines(filled)
    centre = len(filled) // 2
    around = np.zeros_like(filled)
    around[centre - n_calibration // 2 : centre + n_calibration // 2] = True
    beyond = wanted[~around[counter.first : counter.last + 1]]
    return replace(
        _asked_of(header, lines.n_coils),
        acceleration=len(beyond) / max(1, int(beyond.sum())),
        n_calibration=n_calibration,
        sampling=_sampling(filled, wanted, around),
    )


def calibration_lines(filled: Bools) -> int:
    """Count the lines without gaps around the centre, as many on each side."""
    centre = len(filled) // 2
    before, after = (_until_gap(half) for half in (filled[:centre][::-1], filled[centre:]))
    return 2 * min(before, after)


def _until_gap(filled: Bools) -> int:
    gaps = np.flatnonzero(~filled)
    return int(gaps[0]) if len(gaps) else len(filled)


def _sampling(filled: Bools, wanted: Bools, around: Bools) -> Sampling:
    if wanted.all():
        return Sampling.FULL
    steps = np.diff(np.flatnonzero(filled))
    outer = np.flatnonzero(filled)[:-1]
    beyond = steps[~around[outer] & (steps > 1)]
    return Sampling.EQUISPACED if len(beyond) and (beyond == np.median(beyond)).mean() > 0.9 else Sampling.IRREGULAR  # noqa: PLR2004 - the steps beside the calibration may differ
