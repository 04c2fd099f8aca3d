"""A hundred scans of two patients, among retries and deaths: no image has another's name, UID or pixels."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pynetdicom.events import Event

from gateway.model.header import ScanHeader
from gateway.model.job import JobState
from gateway.model.readout import Acquisition
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.campaign.mixing import queues
from tests.campaign.test_kill import line, tell
from tests.dicom.scripted import scripted_pacs
from tests.ward import Ward, patient

N, SIZE, SLICES = 100, 32, 2
PATIENCE_S = 90
SCAN = PhantomScan(n_slices=SLICES, n_coils=1, matrix=Zyx(z=1, y=SIZE, x=SIZE), anatomy=(), noise=0.0)
(EMPTY,), HEADER = head_phantom(SCAN)


def place(number: int) -> tuple[int, int]:
    """Where the only bright pixel of a scan is; nowhere on a line of symmetry."""
    return 5 + 2 * (number // 10), 3 + 2 * (number % 10)


def point(number: int) -> Acquisition:
    """A scan of a point: its signal is a wave, whatever the transform."""
    row, column = place(number)
    ky, kx = np.arange(SIZE) - SIZE // 2, np.arange(2 * SIZE) - SIZE
    wave_y = np.exp(-2j * np.pi * ky * (row - SIZE // 2) / SIZE)
    wave_x = np.exp(-2j * np.pi * kx * (column - SIZE // 2) / (2 * SIZE))
    plane = np.outer(wave_y, wave_x).astype(np.complex64)
    return (replace(EMPTY, samples=np.tile(plane, (SLICES, 1))[:, None, :]),)


def of_patient(number: int) -> ScanHeader:
    """Scans of both patients take turns."""
    who = patient(1 + number % 2)
    measurement = replace(HEADER.measurement, measurement_id=f"m{number}", protocol_name=f"scan {number}")
    return replace(HEADER, subject=who.subject, study=who.study, measurement=measurement)


@dataclass
class Moody:
    """A PACS that has no room now and then, and remembers whatever it was sent."""

    luck: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    refused: int = 0
    sent: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Digests of the pixels by SOP Instance UID."""
    kept: dict[str, Dataset] = field(default_factory=dict)

    def __call__(self, event: Event) -> int:
        ds: Any = event.dataset
        self.sent[ds.SOPInstanceUID].add(hashlib.sha256(ds.PixelData).hexdigest())
        if self.luck.random() < 0.1:
            self.refused += 1
            return 0xA700
        self.kept[ds.SOPInstanceUID] = ds
        return 0


@dataclass
class Staff:
    """Those at work; some of them die."""

    ward: Ward
    nursery: subprocess.Popen[str]
    at_work: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Kind and name by process."""
    hired: int = 0
    died: int = 0
    luck: np.random.Generator = field(default_factory=lambda: np.random.default_rng(11))

    def hire(self, kind: str) -> None:
        tell(self.nursery, kind)
        (pid,) = line(self.nursery)
        self.at_work[int(pid)] = (kind, f"{kind} {self.hired}")
        self.hired += 1

    def one_dies(self) -> None:
        """What its supervisor does then is done, too."""
        pid = int(self.luck.choice(list(self.at_work)))
        kind, name = self.at_work.pop(pid)
        os.kill(pid, signal.SIGKILL)
        _gone(pid)
        queues(self.ward)[kind].reap(name)
        self.died += 1
        self.hire(kind)


def _gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


@contextmanager
def staff(ward: Ward, port: int) -> Iterator[Staff]:
    command = [sys.executable, "-m", "tests.campaign.mixing", str(ward.folder), str(port)]
    root = Path(__file__).resolve().parents[2]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=root, text=True, **pipes) as nursery:
        hired = Staff(ward, nursery)
        for kind in ("worker", "worker", "deliverer"):
            hired.hire(kind)
        yield hired


def test_no_image_has_anothers_name_uid_or_pixels(tmp_path: Path) -> None:
    ward, moody = Ward(tmp_path, {}), Moody()
    with scripted_pacs(moody) as (port, _), staff(ward, port) as hired:
        for number in range(N):
            ward.scan(of_patient(number), point(number))
            if number % 10 == 9:
                hired.one_dies()
        deadline = time.monotonic() + PATIENCE_S
        while not _finished(ward):
            assert time.monotonic() < deadline, Counter(job.state for job in ward.queries.jobs(N))
            threading.Event().wait(0.3)
            if hired.died < 20:
                hired.one_dies()
    assert hired.died >= 10
    assert moody.refused > 0
    assert [uid for uid, pixels in moody.sent.items() if len(pixels) > 1] == [], "a name once given keeps its pixels"
    _check(list(moody.kept.values()))


def _finished(ward: Ward) -> bool:
    found = ward.queries.jobs(2 * N)
    return all(job.state is JobState.DONE and job.settled for job in found)


def _check(kept: list[Dataset]) -> None:
    """Each image is of the scan that its protocol names, and of that scan's patient."""
    by_series = defaultdict(list)
    for ds in kept:
        by_series[ds.SeriesInstanceUID].append(ds)
    assert len(kept) == N * SLICES
    assert len(by_series) == N
    scans = {}
    for uid, images in by_series.items():
        assert len(images) == SLICES, uid
        assert len({ds.ProtocolName for ds in images}) == 1
        scans[int(images[0].ProtocolName.removeprefix("scan "))] = images
        number = int(images[0].ProtocolName.removeprefix("scan "))
        who = patient(1 + number % 2)
        for ds in images:
            assert (ds.PatientID, str(ds.PatientName)) == (who.subject.patient_id, who.subject.patient_name)
            assert (ds.StudyInstanceUID, ds.AccessionNumber) == (who.study.instance_uid, who.study.accession_number)
    assert sorted(scans) == list(range(N))
    assert any(
        all(_bright(ds, turn) == place(number) for number, images in scans.items() for ds in images)
        for turn in product((False, True), repeat=3)
    ), "the pixels are those of the scan, the same way up in all"


def _bright(ds: Dataset, turn: tuple[bool, ...]) -> tuple[int, int]:
    """Where the brightest pixel lies before an image was turned for the reader (transposed, flipped)."""
    pixels = np.frombuffer(ds.PixelData, "<u2").reshape(SIZE, SIZE)
    transposed, rows, columns = turn
    pixels = pixels[::-1] if rows else pixels
    pixels = pixels[:, ::-1] if columns else pixels
    row, column = np.unravel_index(int((pixels.T if transposed else pixels).argmax()), (SIZE, SIZE))
    return int(row), int(column)
