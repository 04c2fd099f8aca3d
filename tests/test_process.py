"""What a worker makes of real scans that are noise, name noise, were cut, or rotted on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydicom import dcmread
from torch import Tensor

from gateway.jobs.clock import utc_now
from gateway.jobs.lease import Terms
from gateway.jobs.noise import NoiseStore
from gateway.jobs.queries import JobView
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.studies import Studies
from gateway.model.control_chart import Alarm
from gateway.model.destinations import FolderDestination
from gateway.model.job import JobState
from gateway.model.readout import Acquisition, Flag
from gateway.model.recipes import AutoRecipe, FftRecipe
from gateway.model.route import Routes, Rule
from gateway.model.scan import ScanState
from gateway.model.trend import Phantom
from gateway.model.work import WorkEvent
from gateway.model.zyx import Zyx
from gateway.mrd.client import send_session
from gateway.mrd.files import stream_of
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.process import Processor
from gateway.recon.methods.fft import combined
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.space import Target
from gateway.recon.workplace import Workplace
from gateway.spool.exhibits import Exhibits
from gateway.spool.headstarts import Headstarts
from gateway.spool.replies import Replies
from gateway.zoo.zoo import Zoo
from tests.test_intake import HOST, Site
from tests.ward import work_once

DAY_S = 86_400
NOISE, DEPENDENT = "siemens_xa_noise_scan.h5", "siemens_xa_tse_depends_on_noise.h5"
GRE = "siemens_gre_acr_oblique.h5"

HEAD = PhantomScan(n_slices=1, n_coils=3, matrix=Zyx(z=1, y=64, x=64), noise=0.02, seed=1)
EMPTY_HEAD = replace(HEAD, anatomy=(), seed=2)


def _as_noise(acquisition: Acquisition) -> Acquisition:
    """Flag readouts as a measurement of noise; the second coil is three times as loud as the others."""
    (run,) = acquisition
    heads = run.heads.copy()
    heads["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    loudness = np.array([1, 3, 1], np.float32)[:, None]
    return (replace(run, heads=heads, samples=run.samples * loudness),)


class Clinic(Site):
    """A site with a worker."""

    def __init__(self, folder: Path, scans: Path) -> None:
        super().__init__(folder)
        self.files = scans
        engine = self.scans._engine  # noqa: SLF001 - the same database
        self.jobs = JobQueue(engine, utc_now, Terms())
        rule = Rule(name="everything", recipe="fft", destinations=("folder",))
        self.routes = Routes(
            recipes={"fft": FftRecipe()},
            destinations={"folder": FolderDestination(path=folder / "series")},
            rules=(rule,),
        )
        self.processor = Processor(
            jobs=self.jobs,
            spool=self.spool,
            outbox=folder / "outbox",
            routes=lambda _version: self.routes,
            noise=NoiseStore(engine, utc_now, lifetime_s=DAY_S),
            zoo=Zoo((folder / "models",)),
            replies=Replies(folder / "replies"),
            exhibits=Exhibits(folder / "exhibits"),
            headstarts=Headstarts(folder / "headstarts"),
            studies=Studies(engine, utc_now),
            device="cpu",
        )

    def send_file(self, name: str, *, kept: int | None = None) -> None:
        """Send a file, or so many of its bytes."""
        stream = b"".join(stream_of(self.files / name)[1])
        if kept is None:
            send_session([stream], HOST, self.listener.port, on_sent=lambda _n: None)
            return
        reception = self.receive(HOST)
        reception.write(memoryview(stream[:kept]))
        reception.abandon()
        self.recover()

    def send_stream(self, *, measurement: str, needs: str = "", only_noise: bool = False) -> None:
        """Send the head, or the noise of its coils; a scan may name a measurement of noise that it needs."""
        acquisition, header = head_phantom(EMPTY_HEAD if only_noise else HEAD)
        measured = replace(
            header.measurement, measurement_id=measurement, dependencies={"Noise": needs} if needs else {}
        )
        recorded = RecordedSession(
            header_xml=write_header(replace(header, measurement=measured)),
            recipe_asked="",
            acquisition=_as_noise(acquisition) if only_noise else acquisition,
        )
        send_session(list(write_session(recorded)), HOST, self.listener.port, on_sent=lambda _n: None)

    def written(self, job: JobView) -> dict[str, bytes]:
        """Read the images of a job: pixels by SOP Instance UID."""
        files = (self.processor.outbox / str(job.id)).rglob("*.dcm")
        return {ds.SOPInstanceUID: ds.PixelData for ds in map(dcmread, files)}

    def n_bytes(self, name: str) -> int:
        return sum(map(len, stream_of(self.files / name)[1]))

    def work_once(self) -> JobView:
        return self.queries.job(work_once(self.jobs, self.processor))

    def story(self, job: JobView) -> dict[str, str]:
        return {line.what: line.text for line in self.queries.timeline(job)}


@pytest.fixture
def clinic(tmp_path: Path, shared_data: Path) -> Iterator[Clinic]:
    clinic = Clinic(tmp_path, shared_data / "mrd")
    clinic.listener.start()
    yield clinic
    clinic.listener.stop(grace_s=0.1)


def test_a_noise_scan_makes_no_series_and_serves_the_scan_that_names_it(clinic: Clinic) -> None:
    clinic.send_file(NOISE)
    measured = clinic.work_once()
    assert (measured.state, measured.deliveries) == (JobState.DONE, ())
    assert clinic.story(measured)["noise kept"].startswith("2 coils, measurement 196218_")

    clinic.send_file(DEPENDENT)
    served = clinic.work_once()
    assert clinic.story(served)["noise"].endswith("_101 is at hand")
    assert "256 carry IS_SURFACECOILCORRECTIONSCAN_DATA" in served.reason, "there is no image in this one"


def test_a_scan_whose_noise_is_not_at_hand_says_so(clinic: Clinic) -> None:
    clinic.send_file(DEPENDENT)
    served = clinic.work_once()
    assert clinic.story(served)["noise"].endswith("_101 is not at hand")


def test_noise_that_the_site_keeps_serves_where_the_named_one_is_absent(clinic: Clinic, tmp_path: Path) -> None:
    kept = tmp_path / "noise"
    kept.mkdir()
    shutil.copy(clinic.files / NOISE, kept / "body.h5")
    clinic.processor = replace(clinic.processor, noise_folder=kept)
    clinic.send_file(DEPENDENT)
    assert clinic.story(clinic.work_once())["noise"].endswith("is not at hand; the site's body.h5 has these coils")


def test_images_whitened_by_another_measurement_are_another_series(clinic: Clinic) -> None:
    clinic.send_stream(measurement="noise", only_noise=True)
    clinic.work_once()
    clinic.send_stream(measurement="head", needs="noise")
    first = clinic.work_once()
    assert clinic.story(first)["noise"] == "measurement noise is at hand"

    clinic.scans.replay(first.scan.id, recipe="", who="test")
    again = clinic.written(clinic.work_once())
    assert again == clinic.written(first), "the same work has the same names and bytes"

    expired = NoiseStore(clinic.scans._engine, utc_now, lifetime_s=0)  # noqa: SLF001 - the same database
    clinic.processor = replace(clinic.processor, noise=expired)
    clinic.scans.replay(first.scan.id, recipe="", who="test")
    without = clinic.written(clinic.work_once())
    assert without.keys().isdisjoint(again), "a PACS would keep the old pixels under the same name"
    assert set(without.values()) != set(again.values())


def test_a_scan_that_was_cut_is_held_and_released_as_far_as_it_came(clinic: Clinic) -> None:
    clinic.send_file(GRE, kept=clinic.n_bytes(GRE) // 2)
    held = clinic.work_once()
    assert (held.state, held.scan.state) == (JobState.HELD, ScanState.INCOMPLETE)
    assert "release the job" in held.reason
    clinic.jobs.act(held.id, WorkEvent.RELEASE, who="anna")
    again = clinic.work_once()
    assert again.state is JobState.HELD
    assert "lack" in again.reason, "the recipe names what it lacks"
    assert again.reason == again.scan.reason


def test_a_scan_that_lacks_only_its_close_is_reconstructed_when_it_is_released(clinic: Clinic) -> None:
    clinic.send_file(GRE, kept=clinic.n_bytes(GRE) - 2)
    clinic.jobs.act(clinic.work_once().id, WorkEvent.RELEASE, who="anna")
    assert clinic.work_once().state is JobState.DONE


def test_a_recording_that_the_disk_has_changed_is_held(clinic: Clinic) -> None:
    clinic.send_file(GRE)
    with clinic.recording().open("r+b") as file:
        file.seek(100_000)
        file.write(b"rot")
    held = clinic.work_once()
    assert held.state is JobState.HELD
    assert "not what was written" in held.reason


def test_the_job_tells_every_step_back_that_memory_forced(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """An allocator that refuses more than it has, where a real one would."""

    def transform(samples: Tensor, *, maps: Tensor | None, target: Target, place: Workplace) -> Tensor:
        if place.memory_bytes > 20 << 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return combined(samples, maps=maps, target=target, place=place)

    monkeypatch.setattr("gateway.recon.methods.fft.combined", transform)
    clinic.processor = replace(clinic.processor, memory_bytes=64 << 20)
    clinic.send_file(GRE)
    done = clinic.work_once()
    assert done.state is JobState.DONE
    told = "Memory ran out with 64 MiB at a time on cpu: begun anew with 16 MiB at a time on cpu."
    assert clinic.story(done)["memory"] == told


def test_the_job_says_how_its_images_were_made_and_why_so(clinic: Clinic) -> None:
    rule = Rule(name="everything", recipe="auto", destinations=("folder",))
    routes = clinic.processor.routes(1).model_copy(update={"rules": (rule,), "recipes": {"auto": AutoRecipe()}})
    clinic.processor = replace(clinic.processor, routes=lambda _version: routes)
    clinic.send_file(GRE)
    told = clinic.story(clinic.work_once())["how"]
    assert told.startswith("Recipe fft chosen: every line was measured. ")
    assert "Coils combined by root sum of squares." in told


def test_a_job_that_no_memory_holds_is_tried_again_later(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> Tensor:
        raise MemoryError

    monkeypatch.setattr("gateway.recon.methods.fft.combined", refuse)
    clinic.processor = replace(clinic.processor, memory_bytes=1 << 20)
    clinic.send_file(GRE)
    waiting = clinic.work_once()
    assert waiting.state is JobState.QUEUED
    told = "memory ran out with 1 MiB at a time on cpu, and there is no place with less (next try at "
    assert waiting.reason.startswith(told)


def test_a_phantom_is_measured_charted_and_told_of(clinic: Clinic) -> None:
    (rule,) = clinic.routes.rules
    clinic.routes = clinic.routes.model_copy(update={"rules": (rule.model_copy(update={"phantom": Phantom.ACR}),)})
    clinic.send_file(GRE)
    job = clinic.work_once()
    assert job.state is JobState.DONE
    assert clinic.story(job)["phantom acr"].startswith("width 193")
    found = {chart.quantity: chart for chart in clinic.jobs.charts.all()}
    assert found["height"].last_value == pytest.approx(190.9, abs=0.5)
    assert found["width"].alarm is Alarm.LIMIT  # the scan has no correction of distortion
    assert "uniformity" not in found  # the slice has inserts
    assert found["snr"].trend.scanner == "SIEMENS Skyra"
