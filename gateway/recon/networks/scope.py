"""How a scan was sampled, in the terms of a model's card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gateway.model.card import UNFIT, Encoded, Measurement, ModelCard, Purpose, Sampling, misfits
from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.recipes import Recipe, Scattered
from gateway.recon.gaps import frame_undersampling
from gateway.recon.lattice import find_lattice
from gateway.recon.lines import Lines
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import Undersampled, understand
from gateway.recon.scan import Scan
from gateway.recon.shutter import left_out
from gateway.recon.space import imaging_encoding, is_3d, is_cartesian, target_of
from gateway.recon.trajectory import gather

Bools = npt.NDArray[np.bool_]


def misused(scan: Scan, ready: ReadyModel) -> list[str]:
    """Say, point by point, why a model must not be used on a scan; nothing where it may."""
    by_header = list(_by_header(ready, scan.header))
    if by_header:
        return by_header
    if ready.refines is not None and not _of_slices(scan.header):
        return _by_readouts(ready.card, scan, ready.refines)
    try:
        found = understand(scan, ready.recipe, regular=False)
    except BadScan as fault:
        return [str(fault)]
    return list(dict.fromkeys(_by_lines(ready.card, scan.header, found)))


def _by_readouts(card: ModelCard, scan: Scan, before: Recipe) -> list[str]:
    """Say it of a scan whose lines tell nothing, or which has none."""
    try:
        return list(misfits(card.made_for, described(scan, before)))
    except BadScan as fault:
        return [str(fault)]


def _by_header(ready: ReadyModel, header: ScanHeader) -> Iterator[str]:
    encoding = imaging_encoding(header)
    if ready.refines is None and not _cartesian(header):
        yield f"the trajectory is {encoding.trajectory}, the model is for Cartesian scans"
    asked = Encoded.SLABS if is_3d(encoding) else Encoded.SLICES
    if ready.refines is None and asked not in ready.card.made_for.encoded:
        yield UNFIT[asked]
    after = ready.card.made_for.after
    if after and ready.begins_with not in after:
        yield f"the recipe begins with {ready.begins_with}, the model is for images of {', '.join(after)}"
    if ready.card.purpose is Purpose.TESTS and not ready.recipe.allow_tests:
        yield "its card says that it is for training and tests"


def _cartesian(header: ScanHeader) -> bool:
    return is_cartesian(imaging_encoding(header))


def _of_slices(header: ScanHeader) -> bool:
    return _cartesian(header) and not is_3d(imaging_encoding(header))


def described(scan: Scan, before: Recipe) -> Measurement:
    """Collect what a card asks of a scan whose lines tell nothing: of its first frame, as a recipe makes it."""
    asked = _asked_of(scan.header, max(run.samples.shape[1] for run in scan.acquisition))
    if _cartesian(scan.header):
        return asked
    each = before.spokes_per_frame if isinstance(before, Scattered) else None
    gatherer = gather(scan.acquisition, scan.header, recipe=before.method, per_frame=each)
    return replace(asked, acceleration=frame_undersampling(gatherer, 0))


def _asked_of(header: ScanHeader, n_coils: int) -> Measurement:
    return Measurement(
        body_part=header.study.body_part,
        protocol=header.measurement.protocol_name,
        sequence=header.measurement.sequence_name or header.sequence.sequence_type,
        vendor=header.system.vendor,
        field_strength_t=header.system.field_strength_t,
        n_coils=n_coils,
        n_readout=target_of(imaging_encoding(header)).matrix.x,  # oversampling is cut off before a network sees it
        n_lines=imaging_encoding(header).encoded.matrix.y,
        acceleration=None,
        n_calibration=None,
        sampling=None,
    )


def _by_lines(card: ModelCard, header: ScanHeader, found: Undersampled) -> Iterator[str]:
    for number in range(found.sorter.lines.n_frames):
        yield from misfits(card.made_for, describe(header, found, number))


def describe(header: ScanHeader, found: Undersampled, number: int) -> Measurement:
    """Collect what a card asks of a frame."""
    filled = found.filled_lines(number)
    if found.sorter.lines.partitions.n > 1:
        return _of_slab(header, found, filled, found.calibration.blocks[found.slice_of(number)].shape[-3:-1])
    return _of_slice(header, found.sorter.lines, filled[0])


def _of_slice(header: ScanHeader, lines: Lines, filled: Bools) -> Measurement:
    counter = lines.phase_encodes
    wanted = filled[counter.first : counter.last + 1]
    n_calibration = calibration_lines(filled)
    centre = len(filled) // 2
    around = np.zeros_like(filled)
    around[centre - n_calibration // 2 : centre + n_calibration // 2] = True
    beyond = wanted[~around[counter.first : counter.last + 1]]
    return replace(
        _asked_of(header, lines.n_coils),
        acceleration=max(1, beyond.size) / max(1, int(beyond.sum())),
        outside=f"{beyond.sum()} of {beyond.size} lines",
        n_calibration=n_calibration,
        sampling=_sampling(filled, wanted, around),
        encoded=Encoded.SLICES,
    )


def _of_slab(header: ScanHeader, found: Undersampled, filled: Bools, calibrated: Sequence[int]) -> Measurement:
    """Count in both directions; corners that were left out on purpose are not missing."""
    lines = found.sorter.lines
    z, y = lines.partitions, lines.phase_encodes
    wanted = np.zeros_like(filled)
    wanted[z.first : z.last + 1, y.first : y.last + 1] = True
    wanted &= ~left_out(lines)
    first_z, first_y = (n // 2 - some // 2 for n, some in zip(filled.shape, calibrated, strict=True))
    around = np.zeros_like(filled)
    around[first_z : first_z + calibrated[0], first_y : first_y + calibrated[1]] = True
    around &= bool(filled[around].all())  # a reference of its own is no part of the image
    beyond = filled[wanted & ~around]
    return replace(
        _asked_of(header, lines.n_coils),
        acceleration=max(1, beyond.size) / max(1, int(beyond.sum())),
        outside=f"{beyond.sum()} of {beyond.size} points",
        n_calibration=min(calibrated),
        sampling=_pattern(lines, whole=bool(filled[wanted].all())),
        encoded=Encoded.SLABS,
        n_partitions=z.n,
    )


def _pattern(lines: Lines, *, whole: bool) -> Sampling:
    if whole:
        return Sampling.FULL
    try:
        find_lattice(lines)
    except IncompleteScan:
        return Sampling.IRREGULAR
    return Sampling.EQUISPACED


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
