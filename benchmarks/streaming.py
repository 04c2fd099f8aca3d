"""Streaming: from the last byte of a scan to its series in a folder, where its slices were images already, and not."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import count
from pathlib import Path

import numpy as np
import tomlkit

from benchmarks.end_to_end import _send_when_up
from benchmarks.leash import leashed
from benchmarks.registry import Peers, benchmark
from gateway.demo import write_configuration
from gateway.jobs.database import open_database
from gateway.jobs.queries import Queries
from gateway.model.header import ScanHeader
from gateway.model.readout import Flag, Readouts
from gateway.model.zyx import Zyx
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.settings import load_settings

RECIPES = ("cg-sense", "l1-wavelet")
N_SLICES, N_COILS, SLICE_S = 16, 16, 1.0
"""A scanner takes seconds for a slice; a slower one leaves the worker more time."""
LOOK_EVERY_S = 0.01
HOW = {"streamed": True, "at the end": False}


@benchmark
def streaming() -> Iterator[Peers]:
    """16 slices 320x320, 16 coils, one line in four; a fast scanner sends it, a second for a slice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_configuration(folder, 0)
        (folder / "routes.toml").write_text(tomlkit.dumps(_routes(folder)), "utf-8")
        settings = load_settings(config)
        command = leashed([sys.executable, "-m", "gateway", "run", "--config", str(config)])
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as gateway:  # noqa: S603 - our own
            queries = Queries(open_database(settings.database_url.get_secret_value()))
            sender = Sender(settings.listener.port, queries)
            try:
                yield {f"{recipe}, {how}": partial(sender, f"{recipe} {how}") for recipe in RECIPES for how in HOW}
            finally:
                gateway.terminate()


def _routes(folder: Path) -> dict[str, object]:
    return {
        "recipes": {recipe: {"method": recipe} for recipe in RECIPES},
        "destinations": {"it": {"kind": "folder", "path": str(folder / "series")}},
        "rules": [
            {
                "name": f"{recipe} {how}",
                "match": {"protocol": f"{recipe} {how}"},
                "recipe": recipe,
                "destinations": ["it"],
                "stream": stream,
            }
            for recipe in RECIPES
            for how, stream in HOW.items()
        ],
    }


class Sender:
    """Sends another scan, and says how long it took from its last byte to its last instance."""

    def __init__(self, port: int, queries: Queries) -> None:
        self._port, self._queries, self._numbers = port, queries, count(1)

    def __call__(self, protocol: str) -> float:
        """Send a scan whose protocol is the name of its rule."""
        number, last_byte = next(self._numbers), 0.0

        def sent(_n: int) -> None:
            nonlocal last_byte
            last_byte = time.perf_counter()

        _send_when_up(_paced(_scan(), protocol, seed=number), self._port, sent)
        while not self._queries.job(number).arrived:
            time.sleep(LOOK_EVERY_S)
        return time.perf_counter() - last_byte


@lru_cache(maxsize=1)
def _scan() -> tuple[Readouts, ScanHeader]:
    """Scan one slice of the head, and take it for every slice."""
    one = PhantomScan(
        n_slices=1,
        n_coils=N_COILS,
        matrix=Zyx(z=1, y=320, x=320),
        noise=0.003,
        seed=1,
        acceleration=4,
        calibration_lines=24,
    )
    (run,), header = head_phantom(one)
    heads = np.tile(run.heads, N_SLICES)
    heads["idx"]["slice"] = np.repeat(np.arange(N_SLICES), len(run))
    heads["position"][:, 2] = 6.0 * heads["idx"]["slice"]
    brightness = np.repeat(np.linspace(1, 1.5, N_SLICES, dtype=np.float32), len(run))  # no slice is like another
    samples = np.tile(run.samples, (N_SLICES, 1, 1)) * brightness[:, None, None]
    limit = replace(header.encodings[0].limits["slice"], maximum=N_SLICES - 1)
    encoding = replace(header.encodings[0], limits={**header.encodings[0].limits, "slice": limit})
    whole = Readouts(heads, samples, np.zeros((len(heads), samples.shape[2], 0), np.float32))
    return whole, replace(header, encodings=(encoding,))


def _paced(scan: tuple[Readouts, ScanHeader], protocol: str, seed: int) -> Iterator[bytes]:
    """Write noise readouts of this run's own, then slice after slice, each in its time."""
    run, header = scan
    random = np.random.default_rng(seed)
    noise = run.select(np.arange(len(run)) < N_COILS)
    noise.heads["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    made = 0.003 * random.standard_normal((*noise.samples.shape, 2), np.float32).view(np.complex64)[..., 0]
    named = replace(header, measurement=replace(header.measurement, protocol_name=protocol))
    session = RecordedSession(
        header_xml=write_header(named), recipe_asked="", acquisition=(replace(noise, samples=made), run)
    )
    begun, done, total = time.perf_counter(), 0, run.samples.nbytes
    for piece in write_session(session):
        yield piece
        done += len(piece)
        time.sleep(max(0.0, begun + N_SLICES * SLICE_S * min(1.0, done / total) - time.perf_counter()))
