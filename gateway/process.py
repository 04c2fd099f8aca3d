"""Joiner 2: a job becomes images, a verdict, and a DICOM series in the outbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.dicom.series import SeriesPlan, build_series, write_series
from gateway.jobs.noise import NoiseStore
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import Acquisition, Flag, mask
from gateway.model.route import Routes
from gateway.model.series import Series
from gateway.mrd.header import parse_header
from gateway.mrd.stream import read_session
from gateway.quality.sanity import check_images
from gateway.recon.engine import reconstruct
from gateway.recon.noise import measure_noise
from gateway.routing.choose import Choice, choose
from gateway.routing.facts import facts_of
from gateway.spool.spool import Spool


@dataclass(frozen=True, kw_only=True)
class Processor:
    """What a recon worker runs on each job. Whatever fails is raised; the worker's loop decides what follows."""

    jobs: JobQueue
    spool: Spool
    outbox: Path
    routes: Callable[[int], Routes]
    """Gets the number of their version."""
    noise: NoiseStore
    device: str

    def __call__(self, job: ClaimedJob) -> None:
        """Run one job to its end."""
        session = read_session(self.spool.open(job.recording, sha256=job.sha256), cut=True)
        header = parse_header(session.header_xml)
        facts = facts_of(header, source=job.peer, recipe_asked=job.recipe_asked)
        self.jobs.describe(job, facts.told())
        if not job.incomplete and is_only_noise(session.acquisition):
            self._keep_noise(job, session.acquisition, header)
            return
        choice = choose(self.routes(job.routes_version), facts)
        self.jobs.routed(job.lease, rule=choice.rule.name, recipe=choice.recipe_name, why=self._why(job, choice))
        if job.incomplete and choice.rule.incomplete == "hold":
            raise IncompleteScan(f"{job.incomplete}; release the job to reconstruct what came")

        work = Work(
            acquisition=session.acquisition,
            header=header,
            choice=choice,
            sha256=job.sha256,
            received_at=job.received_at,
            noise=self._noise_for(job, header),
        )
        tell = Teller(
            progress=lambda fraction, doing: self.jobs.progress(job.lease, fraction, doing),
            note=lambda what, text: self.jobs.note(job.lease, what, text),
        )
        try:
            made = make_series(work, device=self.device, outbox=self.outbox, tell=tell)
        except IncompleteScan as fault:
            self.jobs.incomplete(job, str(fault))
            raise
        self.jobs.succeed(job, made, list(choice.destinations), priority=choice.rule.priority)

    def _keep_noise(self, job: ClaimedJob, acquisition: Acquisition, header: ScanHeader) -> None:
        """Keep what a measurement of noise found; it makes no series, but serves the scans that name it."""
        found = measure_noise(acquisition, header)
        if found is None:
            raise BadScan("the scan is only noise, and has too few samples to measure it")
        self.noise.keep(found, job)
        self.jobs.succeed(job, [], [])

    def _noise_for(self, job: ClaimedJob, header: ScanHeader) -> NoiseCovariance | None:
        """Find the noise measurement that a scan names, and say what became of that."""
        named = header.measurement.dependencies.get("Noise")
        if named is None:
            return None
        found = self.noise.find(named)
        self.jobs.note(job.lease, "noise", f"measurement {named} {'is at hand' if found else 'is not at hand'}")
        return found

    def _why(self, job: ClaimedJob, choice: Choice) -> str:
        return "; ".join([f"routes version {job.routes_version}", *choice.why])


def is_only_noise(acquisition: Acquisition) -> bool:
    """Whether a scan has nothing of which an image could be made."""
    noise = mask(Flag.IS_NOISE_MEASUREMENT)
    return bool(acquisition) and all(run.flagged(noise).all() for run in acquisition)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be reconstructed, and how."""

    acquisition: Acquisition
    header: ScanHeader
    choice: Choice
    sha256: str
    """Of the session, as bytes on the wire."""
    received_at: datetime
    noise: NoiseCovariance | None = None
    """An earlier measurement that the scan names."""


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Who wants to know how far the work is."""

    progress: Callable[[float, str], None]
    """Gets a fraction from 0 to 1, and what is going on."""
    note: Callable[[str, str], None]
    """Gets what was done, and what came out of it."""


def make_series(work: Work, *, device: str, outbox: Path, tell: Teller) -> list[Series]:
    """Reconstruct, check, and write DICOM: the same with a server and without."""
    recipe = work.choice.recipe
    outputs = reconstruct(
        work.acquisition, work.header, recipe, device=device, progress=tell.progress, noise=work.noise
    )
    tell.note("reconstructed", "; ".join(f"{len(one.frames)} images, {one.kind.name.lower()}" for one in outputs))
    for output in outputs:
        check_images(output)
    tell.note("checked", "the images are finite and not empty")

    made = []
    for index, output in enumerate(outputs):
        plan = SeriesPlan(
            recording_sha256=work.sha256,
            rule=work.choice.rule.name,
            recipe=work.choice.recipe_name,
            recipe_fingerprint=work.choice.fingerprint,
            description=work.choice.series_description(work.header),
            output_index=index,
            received_at=work.received_at.astimezone(),
        )
        made.append(write_series(build_series(output, work.header, plan), outbox, lambda _n, _of: None))
        tell.note("series written", f"{len(made[-1].instances)} instances, {made[-1].series_instance_uid}")
    return made
