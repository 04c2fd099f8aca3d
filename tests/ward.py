"""A ward: patients are scanned, somebody knows who they are, or does not, and a worker makes of it what it can."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.events import Event

from gateway.intake import Reception
from gateway.jobs.bell import Bell, Pace
from gateway.jobs.clock import Clock, utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.lease import Terms
from gateway.jobs.noise import NoiseStore
from gateway.jobs.queries import JobView, Queries
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.jobs.scans import ScanStore
from gateway.jobs.studies import Studies
from gateway.jobs.worker import work
from gateway.model.destinations import Destination, FolderDestination
from gateway.model.header import ScanHeader, Study, Subject
from gateway.model.ids import JobId
from gateway.model.projects import Project
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from gateway.model.scan import ScanState, Verdict
from gateway.model.sources import PacsSource, Source
from gateway.model.zyx import Zyx
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.process import Processor
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.spool.exhibits import Exhibits
from gateway.spool.headstarts import Headstarts
from gateway.spool.replies import Replies
from gateway.spool.spool import Spool
from gateway.zoo.zoo import Zoo
from tests.peers import LOOPBACK

TERMS = Terms(retry_first_s=0, retry_longest_s=0)
ACQUISITION, HEADER = head_phantom(PhantomScan(n_slices=2, n_coils=1, matrix=Zyx(z=1, y=16, x=16), seed=1))


def patient(number: int = 1, **values: str | None) -> ScanHeader:
    """What the scanner says of a patient; every value can be replaced."""
    given = {
        "patient_name": "Müller^Jörg",
        "patient_id": f"P{number:04}",
        "birth_date": "1970-02-03",
        "sex": "M",
        "instance_uid": f"1.2.826.0.1.3680043.8.498.20.{number}",
        "accession_number": f"ACC-{number:04}",
        "date": "2024-05-06",
        "time": "12:13:14",
        "body_part": "HEAD",
        **values,
    }
    subject: dict[str, Any] = {name: given.pop(name) for name in ("patient_name", "patient_id", "birth_date", "sex")}
    measurement = replace(HEADER.measurement, measurement_id=f"m{number}")
    return replace(HEADER, subject=Subject(**subject), study=Study(**given), measurement=measurement)


def study(number: int = 1, **values: str) -> Dataset:
    """What a PACS says of the same study."""
    ds = Dataset()
    given = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "Müller^Jörg",
        "PatientID": f"P{number:04}",
        "IssuerOfPatientID": "KLINIK",
        "PatientBirthDate": "19700203",
        "PatientSex": "M",
        "StudyInstanceUID": f"1.2.826.0.1.3680043.8.498.20.{number}",
        "AccessionNumber": f"ACC-{number:04}",
        "StudyID": "17",
        "StudyDate": "20240506",
        "StudyTime": "121314",
        "StudyDescription": "MR Kopf",
        "ReferringPhysicianName": "Grün^Eva",
        **values,
    }
    for keyword, value in given.items():
        setattr(ds, keyword, value)
    return ds


class Knowing:
    """The C-FIND handler of a PACS that knows some studies; it matches by the UID or the accession number."""

    def __init__(self, *known: Dataset) -> None:
        self.known = list(known)
        self.asked = 0
        self.down = False

    def __call__(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        self.asked += 1
        if self.down:
            event.assoc.abort()
            return
        wanted = event.identifier
        keys = ("StudyInstanceUID", "AccessionNumber", "PatientID")
        for one in self.known:
            if all(not wanted.get(key) or wanted[key].value == one[key].value for key in keys):
                answer = Dataset()
                answer.update(one)
                answer.QueryRetrieveLevel = "STUDY"
                yield 0xFF00, answer
        yield 0x0000, None


def asked_at(port: int, **values: Any) -> PacsSource:  # noqa: ANN401 - any setting
    return PacsSource(host=LOOPBACK, port=port, ae_title="PACS", plain=True, **{"timeout_s": 5, **values})


class Ward:
    """A spool, a database and a worker; a new one over the same folder is the gateway started again."""

    def __init__(self, folder: Path, sources: Mapping[str, Source], clock: Clock = utc_now, **rule: Any) -> None:  # noqa: ANN401 - any key
        self.folder = folder
        self.clock = clock
        self.engine = open_database(f"sqlite:///{folder}/gateway.db")
        upgrade(self.engine)
        self.scans = ScanStore(self.engine, clock)
        self.jobs = JobQueue(self.engine, clock, TERMS)
        self.queries = Queries(self.engine)
        self.spool = Spool(folder / "spool")
        self.outbox = folder / "outbox"
        self.sources = dict(sources)
        self.projects: dict[str, Project] = {}
        self.destinations: dict[str, Destination] = {"folder": FolderDestination(path=folder / "series")}
        self.rules({"identity": "lookup" if sources else "header", "sources": tuple(sources), **rule})

    def rules(self, rule: Mapping[str, Any]) -> None:
        """Put routes in force."""
        made = Rule(name="all", recipe="fft", destinations=("folder",), **rule)
        self.routes = Routes(
            recipes={"fft": FftRecipe()},
            destinations=self.destinations,
            sources=self.sources,
            projects=self.projects,
            rules=(made,),
        )
        self.processor = Processor(
            jobs=self.jobs,
            spool=self.spool,
            outbox=self.outbox,
            routes=lambda _version: self.routes,
            noise=NoiseStore(self.engine, self.clock, lifetime_s=60),
            zoo=Zoo((self.folder / "models",)),
            replies=Replies(self.folder / "replies"),
            exhibits=Exhibits(self.folder / "exhibits"),
            headstarts=Headstarts(self.folder / "headstarts"),
            studies=Studies(self.engine, self.clock),
            device="cpu",
        )

    def scan(self, header: ScanHeader, acquisition: Acquisition = ACQUISITION) -> JobId:
        """Receive a scan; its job."""
        session = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
        reception = Reception(
            spool=self.spool, scans=self.scans, clock=self.clock, peer="192.0.2.1", started_at=self.clock()
        )
        content = b"".join(write_session(session))
        reception.write(memoryview(content))
        n = sum(len(run) for run in acquisition)
        verdict = Verdict(
            state=ScanState.COMPLETE, reason="", recipe_asked="", n_bytes=len(content), n_acquisitions=n, n_waveforms=0
        )
        reception.finish(verdict)
        return max(job.id for job in self.queries.jobs())

    def work(self) -> JobView:
        """Let the worker take the next job that is due."""
        return self.queries.job(work_once(self.jobs, self.processor))

    def made(self, job: int) -> list[Dataset]:
        """The instances that may leave."""
        return [dcmread(self.outbox / path) for path in self.queries.instance_paths(job)]

    def story(self, job: JobView) -> dict[str, str]:
        return {line.what: line.text for line in self.queries.timeline(job)}


def work_once(jobs: JobQueue, processor: Processor) -> JobId:
    """Be a worker until one job has been worked on; say which."""
    stop = threading.Event()
    worked: list[JobId] = []

    def run(job: ClaimedJob) -> None:
        stop.set()
        worked.append(job.job)
        processor(job)

    work(jobs, run, owner="w1", bell=Bell(stop, 0.01), pace=Pace())
    return worked[0]
