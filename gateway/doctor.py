"""The doctor: looks a site over before it goes live, and says what to do about each finding. It changes nothing."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

from gateway.dicom.association import open_association
from gateway.dicom.commitment import STORAGE_COMMITMENT
from gateway.dicom.negotiation import Offer
from gateway.dicom.query import STUDY_ROOT_FIND
from gateway.dicom.store import echo
from gateway.dicom.stow import look
from gateway.dicom.syntaxes import UNCOMPRESSED
from gateway.model.commitment import Commitment
from gateway.model.destinations import Destination, FolderDestination, PacsDestination
from gateway.model.errors import GatewayError, PeerRefused

OLDEST: Mapping[str, tuple[int, ...]] = {"pydicom": (3, 0, 2), "torch": (2, 10)}
"""Older ones lose answers, hang on silent peers, or load what they should not."""

PROBE_BYTES = 16 * 1024 * 1024
SLOW_BYTES_PER_S = 50_000_000
"""A scanner that streams 1 Gbit/s fills more than this."""
FULL = 0.8
"""Part of a disk from which on the gateway warns."""
CLOCK_NOT_SYNCHRONISED = 5
"""What Linux answers of a clock that nobody sets (TIME_ERROR of adjtimex)."""


class Health(StrEnum):
    """How bad it is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    health: Health
    said: str
    remedy: str = ""


def versions() -> Iterator[Finding]:
    """Look at the software that runs."""
    yield Finding(what="python", health=Health.GOOD, said=sys.version.split()[0])
    for package, oldest in OLDEST.items():
        found = version(package)
        numbers = tuple(int(part) for part in found.split("+")[0].split(".")[: len(oldest)] if part.isdecimal())
        needed = ".".join(map(str, oldest))
        health = Health.GOOD if numbers >= oldest else Health.BAD
        yield Finding(what=package, health=health, said=found, remedy="" if numbers >= oldest else f"install {needed}")


def disk(what: str, folder: Path) -> Iterator[Finding]:
    """Look at a folder: can it be written, how fast does what is written become durable, how much room is left."""
    try:
        begun = time.monotonic()
        with NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        rate = PROBE_BYTES / (time.monotonic() - begun)
        usage = shutil.disk_usage(folder)
    except OSError as error:
        remedy = f"let the gateway's user write to {folder}"
        yield Finding(what=what, health=Health.BAD, said=f"{folder}: {error.strerror}", remedy=remedy)
        return
    slow = rate < SLOW_BYTES_PER_S
    said, remedy = f"{rate / 1e6:.0f} MB/s to {folder}", "use a faster disk: scanners would wait for it"
    yield Finding(what=what, health=Health.DOUBTFUL if slow else Health.GOOD, said=said, remedy=remedy if slow else "")
    part = usage.used / usage.total
    said, remedy = f"{part:.0%} of its disk is used, {usage.free / 1e9:.0f} GB are free", "make room, or set keep_days"
    full = part >= FULL
    yield Finding(what=what, health=Health.DOUBTFUL if full else Health.GOOD, said=said, remedy=remedy if full else "")


def clock() -> Iterator[Finding]:
    """Ask the system whether somebody sets its clock."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return
    alone = adjtimex(ctypes.create_string_buffer(512)) == CLOCK_NOT_SYNCHRONISED
    said = "is not synchronised" if alone else "is synchronised"
    remedy = "run chrony or systemd-timesyncd: timelines and DICOM dates come from it" if alone else ""
    yield Finding(what="clock", health=Health.DOUBTFUL if alone else Health.GOOD, said=said, remedy=remedy)


def gpu(device: str) -> Iterator[Finding]:
    """Ask the driver for GPUs, where the settings may use one."""
    if device == "cpu":
        return
    tool = shutil.which("nvidia-smi")
    answer = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False).stdout if tool else ""  # noqa: S603
    found = [line.split(" (")[0] for line in answer.splitlines() if line.startswith("GPU")]
    needed = device.startswith("cuda") and not found
    said = ", ".join(found) or "none"
    remedy = f"install a driver, or set workers.device to cpu: it is {device}" if needed else ""
    yield Finding(what="gpu", health=Health.BAD if needed else Health.GOOD, said=said, remedy=remedy)


def destination(name: str, where: Destination) -> Iterator[Finding]:
    """Ask a PACS whether it is there, knows us and can prove what it keeps, and a folder whether it can be written."""
    what = f"destination {name}"
    if isinstance(where, FolderDestination):
        there = next((folder for folder in (where.path, *where.path.parents) if folder.exists()), where.path)
        writable = os.access(there, os.W_OK)
        remedy = "" if writable else f"let the gateway's user write to {there}"
        said = f"{where.path} {'can' if writable else 'cannot'} be written"
        yield Finding(what=what, health=Health.GOOD if writable else Health.BAD, said=said, remedy=remedy)
    elif isinstance(where, PacsDestination):
        remedy = f"check address and AE titles, and that the PACS knows {where.calling_ae_title}"
        answers = attempt(what, lambda: echo(where), said="answers", remedy=remedy)
        yield answers
        yield _protection(f"{what}: way", plain=where.plain)
        if answers.health is Health.GOOD:
            yield _proof(f"{what}: proof", where)
    else:
        remedy = "check its url, and the file of its token"
        yield attempt(what, lambda: look(where), said="answers", remedy=remedy)
        yield _protection(f"{what}: way", plain=where.plain)


def _protection(what: str, *, plain: bool) -> Finding:
    """Say whether what goes there can be read on the way."""
    if not plain:
        return Finding(what=what, health=Health.GOOD, said="is spoken to by TLS")
    remedy = "use TLS, unless the network is your own"
    return Finding(what=what, health=Health.DOUBTFUL, said="gets patients' data in the clear", remedy=remedy)


def _proof(what: str, where: PacsDestination) -> Finding:
    """Ask a PACS by what it can prove that it keeps a series; without a proof, recordings are never deleted."""
    if where.commitment is Commitment.NONE:
        remedy = "give it another commitment: success is not yet a proof"
        return Finding(what=what, health=Health.DOUBTFUL, said="is believed without a proof", remedy=remedy)
    wanted = {STORAGE_COMMITMENT: "storage commitment", STUDY_ROOT_FIND: "queries"}
    try:
        with open_association(where, [Offer(uid, syntax) for uid in wanted for syntax in UNCOMPRESSED]) as association:
            accepted = {offer.sop_class for offer in association.contexts}
        given = [name for uid, name in wanted.items() if uid in accepted]
    except PeerRefused:
        given = []
    except GatewayError as fault:
        return Finding(what=what, health=Health.BAD, said=str(fault), remedy="check whether it is busy")
    needed = {Commitment.REQUIRED: "storage commitment", Commitment.QUERY: "queries"}.get(where.commitment)
    if (needed in given) if needed else given:
        return Finding(what=what, health=Health.GOOD, said=f"proves by {' and '.join(given)} that it keeps a series")
    remedy = f"let it give us {needed or 'storage commitment or queries'}, or give it another commitment"
    return Finding(what=what, health=Health.BAD, said="gives no proof that it keeps a series", remedy=remedy)


def away(destinations: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which destinations the deliverers leave alone, and why."""
    for name, reason in destinations.items():
        remedy = "when it answers, deliveries go on by themselves within half a minute"
        yield Finding(
            what=f"destination {name}: deliveries", health=Health.BAD, said=f"is left alone: {reason}", remedy=remedy
        )


def our_port(*, enabled: bool, plain: bool, commits: bool) -> Iterator[Finding]:
    """Look at our own DICOM port, which a PACS needs to report later than on the association on which it was asked."""
    if enabled:
        yield _protection("dicom port", plain=plain)
    elif commits:
        remedy = "enable [dicom], and tell the PACS its port; else queries decide, an hour later"
        said = "is closed: a PACS that reports over an association of its own does not reach us"
        yield Finding(what="dicom port", health=Health.DOUBTFUL, said=said, remedy=remedy)


def attempt(what: str, ask: Callable[[], object], *, said: str, remedy: str) -> Finding:
    """Find out whether something works, by doing it."""
    try:
        ask()
    except GatewayError as error:
        return Finding(what=what, health=Health.BAD, said=str(error), remedy=remedy)
    return Finding(what=what, health=Health.GOOD, said=said)
