"""The machine: its software, disks, clock and GPUs."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

from gateway.doctor.finding import Finding, Health

OLDEST: Mapping[str, tuple[int, ...]] = {"pydicom": (3, 0, 2), "torch": (2, 10)}
"""Older ones lose answers, hang on silent peers, or load what they should not."""

PROBE_BYTES = 16 * 1024 * 1024
SLOW_BYTES_PER_S = 50_000_000
"""A scanner that streams 1 Gbit/s fills more than this."""
FULL = 0.8
"""Part of a disk from which on the gateway warns."""
CLOCK_NOT_SYNCHRONISED = 5
"""What Linux answers of a clock that nobody sets (TIME_ERROR of adjtimex)."""


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
