"""A modality worklist of DCMTK's, with the entries that a test wants."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.model.sources import WorklistSource
from tests.peers import LOOPBACK, free_port

AE_TITLE = "MRGWWL"
UID = "1.2.826.0.1.3680043.8.498.77"


def entry(**values: str) -> Dataset:
    """A scheduled MR; every value can be replaced, those of the step too."""
    ds, step = Dataset(), Dataset()
    given = {
        "PatientName": "Müller^Jörg",
        "PatientID": "00123",
        "IssuerOfPatientID": "KLINIK",
        "PatientBirthDate": "19700203",
        "PatientSex": "M",
        "AccessionNumber": "ACC-0017",
        "ReferringPhysicianName": "Grün^Eva",
        "StudyInstanceUID": UID,
        "RequestedProcedureID": "RP-5",
        "RequestedProcedureDescription": "MR Kopf",
        "ScheduledProcedureStepID": "SPS-9",
        "ScheduledProcedureStepDescription": "Kopf nativ",
        "ScheduledStationAETitle": "MR1",
        "ScheduledProcedureStepStartDate": "20240506",
        "ScheduledProcedureStepStartTime": "1200",
        "Modality": "MR",
        **values,
    }
    for keyword, value in given.items():
        own = keyword.startswith("Scheduled") or keyword == "Modality"
        setattr(step if own else ds, keyword, value)
    ds.SpecificCharacterSet = "ISO_IR 192"
    step.ScheduledPerformingPhysicianName = ""
    ds.ScheduledProcedureStepSequence = [step]
    return ds


@contextmanager
def worklist(folder: Path, *entries: Dataset) -> Iterator[WorklistSource]:
    """Serve entries; ``-csk`` keeps their character set."""
    shelf = folder / AE_TITLE
    shelf.mkdir(parents=True)
    (shelf / "lockfile").touch()
    for number, ds in enumerate(entries):
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = uid.UID("1.2.276.0.7230010.3.1.0.1")
        ds.file_meta.MediaStorageSOPInstanceUID = uid.UID(f"{UID}.{number}")
        ds.save_as(shelf / f"{number}.wl", enforce_file_format=True)
    port = free_port()
    command = ["/usr/bin/wlmscpfs", "-dfp", str(folder), "-csk", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_bound(port)
            yield WorklistSource(host=LOOPBACK, port=port, ae_title=AE_TITLE, timeout_s=5, plain=True)
        finally:
            process.kill()


def wait_until_bound(port: int) -> None:
    """Look into the kernel's table: a connection would count as a caller."""
    listening = f":{port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + 10
    while listening not in Path("/proc/net/tcp").read_text():
        assert time.monotonic() < deadline
