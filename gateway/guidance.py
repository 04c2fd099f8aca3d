"""Which scan may guide another one, and its images: of the same patient and exam, made anew from its raw data.

Whatever is not certain guides nothing: the recipe's fallback reconstructs, and the reason is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from gateway.jobs.earlier import EarlierScan
from gateway.model.errors import BadHeader, BadScan, BadStream, DamagedFile, GatewayError, UnreadableFile
from gateway.model.header import ScanHeader
from gateway.model.image import Frame, ImageKind
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import NOT_IMAGING, Acquisition
from gateway.model.recipes import GuidedTvRecipe
from gateway.mrd.header import parse_header
from gateway.mrd.stream import read_header, read_session
from gateway.recon.engine import reconstruct
from gateway.recon.frames import TABLE_READING
from gateway.recon.guide import Guide, guide_of
from gateway.recon.kspace import Progress
from gateway.spool.spool import Spool

logger = logging.getLogger(__name__)

DEPENDENCY = "guide"
"""Type of the header's measurementDependency that names the scan that guides, in lower case."""
STANDS_MM = 1.0
"""A table that is no further away stands where it stood."""
USELESS = (BadScan, BadHeader, BadStream, DamagedFile, UnreadableFile)
"""What is wrong with another recording must not stop this scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A scan with its place in the scanner.

    Parameters
    ----------
    digest
        Of its bytes.
    noise
        An earlier measurement that it names.
    """

    acquisition: Acquisition
    header: ScanHeader
    digest: str
    noise: NoiseCovariance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """By what a guide is made.

    Parameters
    ----------
    adds_table
        Whether the rule adds the position of the table to that of images.
    """

    device: str
    memory_bytes: int | None
    progress: Progress
    adds_table: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Guides:
    """The recordings of a site, one of which may guide."""

    spool: Spool
    noise: Callable[[ScanHeader], NoiseCovariance | None]
    """Finds an earlier measurement of a scan's noise."""

    def find(self, header: ScanHeader, recipe: GuidedTvRecipe, among: Sequence[EarlierScan]) -> Recorded:
        """Find the scan that guides another one, among those that ended before, the last first.

        Raises
        ------
        BadScan
            There is none; the message says why.
        """
        named = next((m for kind, m in header.measurement.dependencies.items() if kind.lower() == DEPENDENCY), None)
        if named is None and recipe.guide is None:
            raise BadScan("the header names no scan to guide it, and the recipe no protocol")
        if not header.subject.patient_id:
            raise BadScan("the header does not say whose scan it is")
        wanted = f"measurement {named!r}" if named is not None else f"protocol {recipe.guide!r}"
        strangers: list[str] = []
        for one, theirs in self._headers(among):
            if not _asked_for(theirs, named, recipe.guide):
                continue
            if reason := other_exam(header, theirs):
                strangers.append(reason)
                continue
            return self._read(one)
        n_deleted = sum(one.deleted for one in among)
        told = [f"no scan of {wanted} among {len(among)} of the last {recipe.guide_within_h:g} hours is of this exam"]
        told += sorted(f"{strangers.count(reason)} {reason}" for reason in set(strangers))
        told += [f"{n_deleted} of them were deleted"] if n_deleted else []
        raise BadScan("; ".join(told))

    def _headers(self, among: Iterable[EarlierScan]) -> Iterator[tuple[EarlierScan, ScanHeader]]:
        for one in among:
            if one.deleted:
                continue
            try:
                yield one, parse_header(read_header(self.spool.open(one.recording)))
            except USELESS as fault:
                logger.info("recording cannot guide", extra={"scan": one.scan, "reason": str(fault)})

    def _read(self, one: EarlierScan) -> Recorded:
        session = read_session(self.spool.open(one.recording, digest=one.digest))
        header = parse_header(session.header_xml)
        return Recorded(acquisition=session.acquisition, header=header, digest=one.digest, noise=self.noise(header))


def other_exam(header: ScanHeader, theirs: ScanHeader) -> str:
    """Say why a scan is not of the same exam for certain, by the scanner's own identifiers; nothing where it is."""
    if contradiction := other_patient(header, theirs):
        return contradiction
    if not theirs.subject.patient_id:
        return "without a patient"
    mine, other = header.study.instance_uid, theirs.study.instance_uid
    frame, their_frame = (one.measurement.frame_of_reference_uid for one in (header, theirs))
    if mine and other and mine != other:
        return "of another study"
    if not ((mine and mine == other) or (frame and frame == their_frame)):
        return "of no study that is known to be the same"
    return ""


def other_patient(header: ScanHeader, theirs: ScanHeader) -> str:
    """Say what contradicts that two scans are of one patient who has not left the table; or nothing."""
    for name in ("patient_id", "birth_date", "sex", "patient_name"):
        one, other = (_plain(getattr(each.subject, name)) for each in (header, theirs))
        if one and other and one != other:
            return "of another patient"
    frame, their_frame = (one.measurement.frame_of_reference_uid for one in (header, theirs))
    if frame and their_frame and frame != their_frame:
        return "in another frame of reference"
    position, their_position = (one.measurement.patient_position for one in (header, theirs))
    if position and their_position and position != their_position:
        return "of a patient who lay in another way"
    return ""


def make_guide(mine: Recorded, other: Recorded, recipe: GuidedTvRecipe, means: Means) -> Guide:
    """Reconstruct the scan that guides, and place its images as those of the other one.

    Raises
    ------
    BadScan
        It is the same recording, becomes no image, or the table has moved.
    """
    if other.digest == mine.digest:
        raise BadScan("a scan cannot guide itself")
    by_mm = _between_tables(mine, other, adds_table=means.adds_table)
    images = reconstruct(
        other.acquisition,
        other.header,
        recipe.guide_recipe.model_copy(update={"output": (ImageKind.MAGNITUDE,), "replicas": None}),
        device=means.device,
        memory_bytes=means.memory_bytes,
        progress=means.progress,
        noise=other.noise,
    )
    name = other.header.measurement.protocol_name or other.header.measurement.measurement_id or "another scan"
    guide = guide_of(images, digest=other.digest, name=name)
    moved = tuple(_moved(frame, by_mm) for frame in guide.images.frames)
    return replace(guide, images=replace(guide.images, frames=moved))


def guide_or_reason(find: Callable[[], Recorded], make: Callable[[Recorded], Guide]) -> tuple[Guide | None, str]:
    """Find and make a guide; or say why there is none. What time may heal is raised."""
    try:
        other = find()
    except USELESS as fault:
        return None, str(fault)
    name = other.header.measurement.protocol_name or other.digest
    try:
        return make(other), ""
    except USELESS as fault:
        return None, f"{name!r} cannot guide: {fault}"


def guide_from_file(path: Path, header: ScanHeader, read: Callable[[Path], Recorded]) -> Recorded:
    """Take the scan that a person names, unless it contradicts itself.

    Raises
    ------
    GatewayError
        It is of another patient, or of one who lay elsewhere.
    """
    other = read(path)
    if reason := other_patient(header, other.header):
        raise GatewayError(f"{path.name} cannot guide: it is {reason}")
    return other


def _asked_for(theirs: ScanHeader, named: str | None, pattern: str | None) -> bool:
    if named is not None:
        return theirs.measurement.measurement_id == named
    return fnmatchcase((theirs.measurement.protocol_name or "").lower(), (pattern or "").lower())


def _between_tables(mine: Recorded, other: Recorded, *, adds_table: bool) -> tuple[float, float, float]:
    """Say by how much images of another scan are moved, where the rule adds the table's position.

    Raises
    ------
    BadScan
        The table has moved, and positions do not have it in them.
    """
    here, there = (one.header.measurement.table_mm for one in (mine, other))
    if adds_table and here is not None and there is not None:
        return (there[0] - here[0], there[1] - here[1], there[2] - here[2])
    readings = [_table(mine.acquisition), _table(other.acquisition)]
    if here is not None and there is not None:
        readings = [np.asarray(here), np.asarray(there)]
    if all(map(len, readings)):
        farthest = max(STANDS_MM, TABLE_READING * float(np.abs(readings).max()))
        if np.abs(readings[0] - readings[1]).max() > farthest:
            raise BadScan("the table has moved between the two scans")
    return (0.0, 0.0, 0.0)


def _table(acquisition: Acquisition) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Read where the table stood at the first line."""
    heads = (run.heads[~run.flagged(NOT_IMAGING)] for run in acquisition)
    first = next((one[0] for one in heads if len(one)), None)
    return np.zeros(0) if first is None else np.asarray(first["patient_table_position"], np.float64)


def _moved(frame: Frame, by_mm: tuple[float, float, float]) -> Frame:
    x, y, z = (at + by for at, by in zip(frame.position_mm, by_mm, strict=True))
    return replace(frame, position_mm=(x, y, z))


def _plain(text: str | None) -> str:
    return " ".join((text or "").split()).lower()
