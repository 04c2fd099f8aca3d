"""A morning at a hospital, played through the real stores into a real database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from gateway.jobs.database import open_database, upgrade
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.overview import Overview
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.ids import JobId, RecordingId, derive_uid
from gateway.model.scan import ScanState, Seal, Verdict
from gateway.model.series import Instance, Series
from gateway.site import Disk, Site

FACTS = {"vendor": "ACME", "model": "Magnum 3T", "station": "MR3", "protocol": "t2_tse_tra", "trajectory": "cartesian"}


@dataclass
class Clock:
    """Moves on a little whenever it is read."""

    now: datetime = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=412)
        return self.now


@dataclass
class Scene:
    """Scans, jobs and deliveries as the tests order them."""

    engine: Engine
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def opened(cls, folder: Path) -> Scene:
        engine = open_database(f"sqlite:///{folder / 'gateway.db'}")
        upgrade(engine)
        return cls(engine)

    def __post_init__(self) -> None:
        self.scans = ScanStore(self.engine, self.clock)
        self.jobs = JobQueue(self.engine, self.clock, Terms())
        self.deliveries = DeliveryQueue(self.engine, self.clock, Terms())
        self.queries = Queries(self.engine)
        self._recordings = 0

    def arrive(self, *, peer: str = "10.0.7.3") -> RecordingId:
        """Begin a scan."""
        self._recordings += 1
        recording = RecordingId(f"{self._recordings * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}")
        self.scans.begin(recording, peer=peer, started_at=self.clock())
        return recording

    def scan(self, state: ScanState = ScanState.COMPLETE, reason: str = "") -> JobId | None:
        """Receive a whole scan; give its job if it has one."""
        recording = self.arrive()
        seal = Seal(
            recording=recording,
            peer="10.0.7.3",
            started_at=self.clock(),
            ended_at=self.clock(),
            digest=f"blake3:{recording * 2}",
            verdict=Verdict(
                state=state,
                reason=reason,
                recipe_asked="",
                n_bytes=84_736_120,
                n_acquisitions=2_560 if state is ScanState.COMPLETE else 0,
                n_waveforms=0,
            ),
        )
        return self.scans.finish(seal, f"2026-03-02/{recording}.mrd")[2]

    def start(self, facts: Mapping[str, str] = FACTS, *, rule: str = "everything else") -> ClaimedJob:
        """Receive a scan and begin with its job."""
        self.scan()
        job = self.jobs.claim("worker 1")
        assert job is not None
        self.jobs.describe(job, facts)
        why = f"rule 'phantoms stay here': protocol 't2_tse_tra' does not fit '*phantom*'; rule {rule!r}: matched"
        self.jobs.routed(job.lease, rule=rule, recipe="fft", why=why)
        return job

    def finish(
        self,
        facts: Mapping[str, str] = FACTS,
        *,
        n_instances: int = 12,
        to: tuple[str, ...] = ("pacs",),
        description: str = "t2_tse_tra fft",
    ) -> ClaimedJob:
        """Reconstruct a scan into a series that waits for its deliveries."""
        job = self.start(facts)
        self.jobs.note(job.lease, "reconstructed", f"{n_instances} images, magnitude")
        self.jobs.note(job.lease, "checked", "the images are finite and not empty")
        self.jobs.succeed(job, [series(job.digest.partition(":")[2], n_instances, description)], list(to))
        return job

    def send(self, n_stored: int, *, failure: str = "", postponed: str = "") -> None:
        """Send the next delivery that is due as far as it goes."""
        claimed = self.deliveries.claim("deliverer 1")
        assert claimed is not None
        self.deliveries.stored(claimed, [(instance, 0) for instance in claimed.missing[:n_stored]])
        if failure:
            self.deliveries.fail(claimed.lease, failure)
        elif postponed:
            self.deliveries.postpone(claimed.lease, postponed)
        else:
            self.deliveries.succeed(claimed)


def site_of(scene: Scene) -> Site:
    """A site with two destinations and room on its disk."""
    return Site(
        overview=Overview(scene.engine, scene.clock),
        disk=lambda: Disk(used_percent=62, free_gb=190, warn_percent=80, refuse_percent=95),
        destinations=lambda: {"pacs": "by C-STORE", "archive": "by STOW-RS"},
    )


def series(seed: str, n_instances: int, description: str) -> Series:
    return Series(
        study_instance_uid=derive_uid(seed, "study"),
        series_instance_uid=derive_uid(seed, "series"),
        description=description,
        instances=tuple(
            Instance(
                sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
                sop_instance_uid=derive_uid(seed, number),
                number=number,
                path=f"{seed[:8]}/{number:04}.dcm",
                sha256=f"{number:064x}",
                n_bytes=206_000,
            )
            for number in range(1, n_instances + 1)
        ),
    )


def morning(scene: Scene) -> None:
    """Let everything happen that can happen before ten o'clock."""
    scene.scan(ScanState.INCOMPLETE, "the connection ended after 1 204 bytes, without a close message")
    failed = scene.start({**FACTS, "protocol": "trufi_cine_sax", "station": "MR1"})
    scene.jobs.fail(failed.lease, "KeyError: 'slice' (a fault of the gateway; see its log)")
    scene.finish({**FACTS, "protocol": "t1_mprage_sag"}, n_instances=176, to=("pacs", "archive"))
    scene.send(176)
    scene.send(41, failure="ARCHIVE answered 0xA900: data set does not match SOP class")
    scene.scan(ScanState.NO_DATA, "the session had no readouts")
    scene.finish()
    scene.send(12)
    held = scene.start({**FACTS, "protocol": "radial_vibe", "trajectory": "radial", "station": "MR1"})
    scene.jobs.hold(held.lease, "trajectory 'radial' is not Cartesian, and recipe 'fft' is for Cartesian k-space only")
    scene.finish(
        {**FACTS, "protocol": "t2_flair_cor", "station": "MR2"}, n_instances=24, description="t2_flair_cor fft"
    )
    scene.send(9, postponed="PACS did not answer within 30 s")
    running = scene.start({**FACTS, "protocol": "dwi_b1000_tra"})
    scene.jobs.progress(running.lease, 0.62, "slice 15 of 24")
    scene.scan()
    scene.arrive()
