"""Slices become images while the rest of the scan still arrives; what comes out is the same to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.ahead import Ahead
from gateway.intake import Reception
from gateway.jobs.clock import utc_now
from gateway.model.destinations import FolderDestination
from gateway.model.header import Limit, ScanHeader
from gateway.model.job import JobState
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import AutoRecipe, CgSenseRecipe, FftRecipe, GrappaRecipe, Recipe
from gateway.model.route import Routes, Rule
from gateway.model.scan import ScanState, Verdict
from gateway.model.zyx import Zyx
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.spool.headstarts import Headstarts
from tests.ward import Ward

N_SLICES = 4
HEAD = PhantomScan(
    n_slices=N_SLICES,
    n_coils=4,
    matrix=Zyx(z=1, y=48, x=32),
    noise=0.01,
    seed=1,
    acceleration=3,
    calibration_lines=16,
)
(RUN,), HEADER = head_phantom(HEAD)


def noise_first(run: Readouts) -> tuple[Readouts, ...]:
    """Measure noise before the scan."""
    random = np.random.default_rng(3)
    some = run.select(np.arange(len(run)) < 8)
    heads = some.heads.copy()
    heads["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    samples = random.standard_normal((*some.samples.shape, 2)) @ (1, 1j) * 0.01
    return (replace(some, heads=heads, samples=samples.astype(np.complex64)), run)


def wire(acquisition: tuple[Readouts, ...], header: ScanHeader = HEADER) -> bytes:
    session = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    return b"".join(write_session(session))


SCAN = wire((RUN,))


class Site(Ward):
    """A ward whose scans arrive little by little, and a worker that may be idle."""

    def rules(self, rule: Any) -> None:  # noqa: ANN401 - as the ward has it
        super().rules({})
        recipe, stream = rule.get("recipe", AutoRecipe()), rule.get("stream", True)
        self.routes = Routes(
            recipes={"it": recipe},
            destinations={"folder": FolderDestination(path=self.folder / "series")},
            rules=(Rule(name="all", recipe="it", destinations=("folder",), stream=stream),),
        )
        self.headstarts = Headstarts(self.folder / "headstarts")
        self.ahead = Ahead(
            scans=self.scans,
            spool=self.spool,
            headstarts=self.headstarts,
            routes=lambda: self.routes,
            noise=lambda _header: None,
            who="w1",
            device="cpu",
        )

    def begin(self) -> Reception:
        reception = Reception(spool=self.spool, scans=self.scans, clock=utc_now, peer="192.0.2.1", started_at=utc_now())
        self.came = 0
        return reception

    def come(self, reception: Reception, content: bytes, share: float) -> None:
        """Let the scan come as far as a part of its bytes, while the worker is idle."""
        until = int(share * len(content))
        reception.write(memoryview(content)[self.came : until])
        if self.came == 0:
            reception.begin()
            reception.wait_until_shown()
        self.came = until
        self.idle()

    def idle(self) -> None:
        while self.ahead() == 0:
            pass

    def close(self, reception: Reception, state: ScanState = ScanState.COMPLETE) -> None:
        reception.finish(
            Verdict(state=state, reason="", recipe_asked="", n_bytes=self.came, n_acquisitions=1, n_waveforms=0)
        )

    def images(self, job: int) -> list[tuple[str, bytes]]:
        return [(ds.SOPInstanceUID, ds.PixelData) for ds in self.made(job)]

    def happened(self) -> dict[str, str]:
        (job,) = self.queries.jobs()
        return self.story(job)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, {})


def unstreamed(folder: Path, content: bytes, recipe: Recipe) -> list[tuple[str, bytes]]:
    site = Site(folder, {}, stream=False)
    site.rules({"recipe": recipe, "stream": False})
    reception = site.begin()
    site.come(reception, content, 1.0)
    site.close(reception)
    job = site.work()
    assert job.state is JobState.DONE, job.reason
    return site.images(job.id)


@pytest.mark.parametrize("content", [SCAN, wire(noise_first(RUN))], ids=["noise unknown", "noise measured"])
@pytest.mark.parametrize("recipe", [AutoRecipe(), GrappaRecipe(), CgSenseRecipe(steps=3)], ids=lambda one: one.method)
def test_images_made_ahead_are_those_of_the_whole_scan_to_the_bit(
    tmp_path: Path, site: Site, recipe: Recipe, content: bytes
) -> None:
    site.rules({"recipe": recipe})
    reception = site.begin()
    for share in (0.1, 0.3, 0.55, 0.8, 0.99, 1.0):
        site.come(reception, content, share)
    site.close(reception)
    site.idle()
    job = site.work()
    assert job.state is JobState.DONE, job.reason
    assert site.story(job)["streamed"].startswith(f"{N_SLICES} images were ready when the scan was whole")
    assert site.images(job.id) == unstreamed(tmp_path / "other", content, recipe)
    assert not list(site.headstarts.folder.glob("*")), "nothing is left of it"


def test_a_slice_is_an_image_before_the_next_has_come_and_nothing_leaves_before_close(site: Site) -> None:
    reception = site.begin()
    site.rules({"recipe": GrappaRecipe()})
    site.come(reception, wire(noise_first(RUN)), 0.35)
    headstart = site.headstarts.of(reception.recording)
    assert headstart.count() == 1
    assert site.queries.jobs() == []
    assert not site.outbox.exists()


def test_a_scan_that_breaks_off_takes_its_images_with_it_and_says_so(site: Site) -> None:
    reception = site.begin()
    site.rules({"recipe": GrappaRecipe()})
    site.come(reception, wire(noise_first(RUN)), 0.6)
    site.close(reception, ScanState.INCOMPLETE)
    assert site.headstarts.of(reception.recording).begun
    site.idle()
    assert not site.headstarts.of(reception.recording).begun
    assert site.happened()["streaming"].startswith("rule 'all', recipe it")
    assert site.happened()["streamed work thrown away"] == "images of 2 slices: the scan is INCOMPLETE"
    assert site.work().state is JobState.HELD


def test_lines_that_come_once_more_make_the_image_anew(tmp_path: Path, site: Site) -> None:
    """Averages that no header announced: what was made of the first is not the image, and the scan is less noisy."""
    again = RUN.select(RUN.heads["idx"]["slice"] == 1)
    content = wire((*noise_first(RUN), replace(again, samples=again.samples * 0.5)))
    site.rules({"recipe": GrappaRecipe()})
    reception = site.begin()
    for share in (0.3, 0.6, 0.85, 1.0):
        site.come(reception, content, share)
    site.close(reception)
    job = site.work()
    assert site.story(job)["streamed"].startswith("0 images were ready")
    assert site.images(job.id) == unstreamed(tmp_path / "other", content, GrappaRecipe())


def test_images_that_the_disk_has_changed_are_made_anew(tmp_path: Path, site: Site) -> None:
    content = wire(noise_first(RUN))
    site.rules({"recipe": GrappaRecipe()})
    reception = site.begin()
    site.come(reception, content, 1.0)
    for path in site.headstarts.of(reception.recording).folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    site.close(reception)
    job = site.work()
    assert site.story(job)["streamed"].startswith("0 images were ready")
    assert site.images(job.id) == unstreamed(tmp_path / "other", content, GrappaRecipe())


def test_another_recipe_than_that_of_the_images_finds_none_of_them(site: Site) -> None:
    reception = site.begin()
    site.rules({"recipe": GrappaRecipe()})
    site.come(reception, wire(noise_first(RUN)), 1.0)
    site.close(reception)
    site.rules({"recipe": GrappaRecipe(kernel_samples=3)})
    assert site.story(site.work())["streamed"].startswith("0 images were ready")


def test_a_scan_is_followed_by_one_worker(site: Site) -> None:
    reception = site.begin()
    site.come(reception, SCAN, 0.3)
    other = replace(site.ahead, _following=None, _seen=set(), who="w2")
    assert other() is None


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (FftRecipe(), "recipe fft works on the whole scan"),
        (GrappaRecipe(virtual_coils=2), "virtual coils are learned from all slices"),
        (GrappaRecipe(output=("snr",)), "noise is asked for"),
    ],
    ids=["fft", "virtual coils", "noise"],
)
def test_what_cannot_be_made_ahead_says_why(site: Site, recipe: Recipe, why: str) -> None:
    site.rules({"recipe": recipe})
    reception = site.begin()
    site.come(reception, SCAN, 1.0)
    site.close(reception)
    story = site.story(site.work())
    assert why in story["not streamed"]
    assert {"streaming", "streamed"}.isdisjoint(story)


def test_a_scan_that_came_while_nobody_was_idle_says_so(site: Site) -> None:
    site.rules({"recipe": GrappaRecipe()})
    reception = site.begin()
    reception.write(memoryview(SCAN))
    reception.begin()
    reception.wait_until_shown()
    site.came = len(SCAN)
    site.close(reception)
    site.idle()
    assert "no worker was idle" in site.story(site.work())["not streamed"]


def test_noise_that_comes_a_little_later_than_the_header_is_waited_for(site: Site) -> None:
    """Repetitions whose noise nobody has measured are not followed: a look at the header alone must not decide that."""
    limits = {**HEADER.encodings[0].limits, "repetition": Limit(minimum=0, maximum=1, center=0)}
    header = replace(HEADER, encodings=(replace(HEADER.encodings[0], limits=limits),))
    again = replace(RUN, heads=RUN.heads.copy())
    again.heads["idx"]["repetition"] = 1
    content = wire((*noise_first(RUN), again), header)
    site.rules({"recipe": GrappaRecipe()})
    reception = site.begin()
    for share in ((len(write_header(header)) + 1100) / len(content), 0.5, 1.0):
        site.come(reception, content, share)
    site.close(reception)
    assert site.story(site.work())["streamed"].startswith(f"{2 * N_SLICES} images were ready")


def test_a_route_that_does_not_say_so_is_not_followed(site: Site) -> None:
    site.rules({"stream": False})
    reception = site.begin()
    site.come(reception, SCAN, 1.0)
    site.close(reception)
    assert {"streaming", "not streamed"}.isdisjoint(site.story(site.work()))
