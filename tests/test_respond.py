"""Images go back to whoever sent the scan, if its rule says so: through a real listener, worker and disk."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import ismrmrd
import numpy as np
import pytest
from ismrmrd.meta import Meta
from ismrmrd.serialization import ProtocolDeserializer

from gateway.intake import Reception
from gateway.jobs.bell import Bell, Pace
from gateway.jobs.worker import work
from gateway.model.destinations import FolderDestination
from gateway.model.job import JobState
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from gateway.mrd.client import send_session
from gateway.mrd.header import write_header
from gateway.mrd.images import IMAGE_HEADER
from gateway.mrd.listener import Listener, SessionLimits
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.engine import reconstruct
from gateway.respond import Responder
from gateway.spool.replies import Replies
from tests.campaign.test_worker import wait_until
from tests.recon.scans import small_head
from tests.test_intake import HOST
from tests.test_process import Clinic

PATIENCE_S = 60
RUN, HEADER = small_head()
SCAN = RecordedSession(header_xml=write_header(HEADER), recipe_asked="", acquisition=(RUN,))
STREAM = b"".join(write_session(SCAN))


class Scene(Clinic):
    """A clinic whose rule sends images back, to a sender that waits so long."""

    def __init__(self, folder: Path, patience_s: float, output: tuple[Any, ...]) -> None:
        super().__init__(folder, folder)
        self.folder, self.patience_s = folder, patience_s
        self.output = output
        self.rule("images")

    def wait_for_job(self, state: JobState = JobState.QUEUED) -> None:
        """Wait until the one job is there, and so far."""
        wait_until(lambda: [job.state for job in self.queries.jobs()] == [state])

    def rule(self, respond: Literal["ack", "images"]) -> None:
        rule = Rule(name="everything", recipe="fft", destinations=("folder",), respond=respond)
        self.routes = Routes(
            recipes={"fft": FftRecipe(output=self.output)},
            destinations={"folder": FolderDestination(path=self.folder / "series")},
            rules=(rule,),
        )
        self.processor = replace(self.processor, routes=lambda _version: self.routes)

    @cached_property
    def responder(self) -> Responder:
        return Responder(
            queries=self.queries,
            replies=Replies(self.folder / "replies"),
            routes=lambda _version: self.routes,
            patience_s=self.patience_s,
            poll_s=0.01,
        )

    @cached_property
    def listener(self) -> Listener:
        def receive(peer: str) -> Reception:
            reception = self.receive(peer)
            reception.responder = self.responder
            return reception

        return Listener(HOST, 0, limits=SessionLimits(), open_recorder=receive)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A worker beside it."""
        stop = threading.Event()
        pace = Pace(poll_s=0.01)
        thread = threading.Thread(
            target=lambda: work(self.jobs, self.processor, owner="w1", bell=Bell(stop, 0.02), pace=pace)
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@contextmanager
def scene(folder: Path, *, patience_s: float = PATIENCE_S, output: tuple[Any, ...] = ("magnitude",)) -> Iterator[Scene]:
    site = Scene(folder, patience_s, output)
    site.listener.start()
    try:
        yield site
    finally:
        site.listener.stop(grace_s=0.1)


def answer(port: int, *, half_closed: bool = False) -> list[Any]:
    """What the `ismrmrd` package reads of our answer, up to CLOSE; it raises where there is none."""
    with socket.create_connection((HOST, port), PATIENCE_S) as connection:
        connection.sendall(STREAM)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return list(ProtocolDeserializer(stream).deserialize())


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_foreign_client_gets_receipt_images_and_a_sentence_before_close(tmp_path: Path, half_closed: bool) -> None:
    with scene(tmp_path) as site, site.working():
        receipt, *images, sentence = answer(site.listener.port, half_closed=half_closed)
        assert site.queries.job(1).state is JobState.DONE
    assert receipt.startswith("stored ")
    assert sentence == f"images of job 1, recipe fft: {len(images)}"
    (expected,) = reconstruct((RUN,), HEADER, FftRecipe(), device="cpu", progress=lambda *_: None)
    assert len(images) == len(expected.frames) > 1
    for number, (image, frame) in enumerate(zip(images, expected.frames, strict=True)):
        np.testing.assert_array_equal(image.data[0, 0], expected.pixels[number])
        assert tuple(image.position) == pytest.approx(frame.position_mm)
        assert tuple(image.read_dir) == pytest.approx(frame.read_dir)
        assert (image.slice, image.image_index, image.image_series_index) == (frame.slice, number + 1, 1)
        assert image.field_of_view[0] == pytest.approx(expected.pixels.shape[2] * expected.spacing_mm.x)
        assert (image.data_type, image.image_type) == (ismrmrd.DATATYPE_FLOAT, ismrmrd.IMTYPE_MAGNITUDE)
        meta = Meta.deserialize(image.attribute_string)
        assert (meta["DataRole"], meta["ImageProcessingHistory"]) == ("Image", ["GATEWAY", "FFT"])
        assert [float(value) for value in meta["ImageRowDir"]] == pytest.approx(frame.read_dir)
    assert not list((tmp_path / "replies").iterdir()), "nothing is kept that was sent"


def test_complex_images_go_back_complex_and_each_kind_is_a_series_of_its_own(tmp_path: Path) -> None:
    with scene(tmp_path, output=("magnitude", "complex", "phase")) as site, site.working():
        images = [item for item in answer(site.listener.port) if isinstance(item, ismrmrd.Image)]
    kinds = {image.image_series_index: (image.image_type, image.data.dtype) for image in images}
    assert sorted(kinds) == [1, 2, 3]
    assert set(kinds.values()) == {
        (ismrmrd.IMTYPE_MAGNITUDE, np.dtype(np.float32)),
        (ismrmrd.IMTYPE_COMPLEX, np.dtype(np.complex64)),
        (ismrmrd.IMTYPE_PHASE, np.dtype(np.float32)),
    }


def test_a_rule_that_only_acknowledges_sends_no_images(tmp_path: Path) -> None:
    with scene(tmp_path) as site:
        site.rule("ack")
        (receipt,) = answer(site.listener.port)
    assert receipt.startswith("stored ")


def test_a_sender_waits_no_longer_than_allowed_and_is_told_where_the_images_go(tmp_path: Path) -> None:
    with scene(tmp_path, patience_s=0.05) as site:
        receipt, sentence = answer(site.listener.port)
        assert receipt.startswith("stored ")
        assert sentence == "no images here (not within 0.05 s): they will be in the series of job 1"
        with site.working():
            site.wait_for_job(JobState.DONE)


def test_a_scan_that_is_held_says_why_there_are_no_images(tmp_path: Path) -> None:
    with scene(tmp_path) as site, site.working():
        lines = RUN.heads["idx"]["kspace_encode_step_1"]
        broken = replace(SCAN, acquisition=(RUN.select(lines != lines[0]),))
        with socket.create_connection((HOST, site.listener.port), PATIENCE_S) as connection:
            connection.sendall(b"".join(write_session(broken)))
            with connection.makefile("rb") as stream:
                _receipt, sentence = ProtocolDeserializer(stream).deserialize()
    assert sentence.startswith("no images: job 1 is HELD: ")


def test_a_listener_that_stops_keeps_nobody_waiting(tmp_path: Path) -> None:
    said: list[Any] = []
    with scene(tmp_path) as site:
        thread = threading.Thread(target=lambda: said.extend(answer(site.listener.port)))
        thread.start()
        site.wait_for_job()
    thread.join()
    assert said[1] == "no images here (the gateway is being stopped): they will be in the series of job 1"


def test_a_client_that_does_not_wait_loses_nothing(tmp_path: Path) -> None:
    with scene(tmp_path) as site:
        with socket.create_connection((HOST, site.listener.port), PATIENCE_S) as connection:
            connection.sendall(STREAM)
            site.wait_for_job()
        with site.working():
            site.wait_for_job(JobState.DONE)


def test_our_own_client_keeps_the_images_in_a_file(tmp_path: Path) -> None:
    from gateway.mrd.client import Expect  # noqa: PLC0415
    from gateway.mrd.image_files import write_images  # noqa: PLC0415

    with scene(tmp_path) as site, site.working(), (tmp_path / "answer").open("w+b") as kept:
        send_session([STREAM], HOST, site.listener.port, on_sent=lambda _n: None, expect=Expect(keep=kept))
        kept.seek(0)
        n_images = write_images(kept, tmp_path / "out.h5")
    with ismrmrd.Dataset(str(tmp_path / "out.h5"), create_if_needed=False) as dataset:
        assert dataset.number_of_images("image_1") == n_images > 1
        assert dataset.read_image("image_1", 0).data.max() > 0


def test_the_header_is_laid_out_as_ismrmrd_has_it() -> None:
    from ismrmrd.hdf5 import image_header_dtype  # noqa: PLC0415

    assert IMAGE_HEADER.itemsize == image_header_dtype.itemsize == 198
    assert IMAGE_HEADER.names == image_header_dtype.names
    for name in IMAGE_HEADER.names or ():
        assert IMAGE_HEADER.fields[name][1] == image_header_dtype.fields[name][1], name  # type: ignore[index]
