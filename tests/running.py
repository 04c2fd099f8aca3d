"""The gateway as a person runs it: a process of its own, with its own folder, ports and routes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from gateway.jobs.database import open_database
from gateway.jobs.queries import Queries
from tests import peers

PATIENCE_S = 60
LOOK_EVERY_S = 0.05
OPEN = {"allow_unauthenticated": True}
"""Tests of the whole way look at the page as strangers; tests/web signs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway that runs."""

    config: Path
    listener: int
    page: int
    process: subprocess.Popen[str]

    @property
    def data(self) -> Path:
        """Where it keeps everything."""
        return self.config.parent / "gateway-data"

    def send(self, scan: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """``gateway send``."""
        return gateway("send", scan, "--to", f"{peers.LOOPBACK}:{self.listener}", *options)

    def ask(self, *call: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """A command that answers with ``--json``."""
        done = gateway(*call, "--json", "--config", self.config)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def settled(self, job: int = 1) -> Any:  # noqa: ANN401 - JSON of any shape
        """Wait until nothing more happens to a job by itself; its story."""
        self.wait_until(lambda: self.queries.job(job).settled)
        return self.ask("jobs", "show", str(job))

    def wait_until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition, but not for ever, and not for a gateway that has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, self.config.with_suffix(".log").read_text()
            wait_a_moment(self.process)

    @property
    def queries(self) -> Queries:
        """What the database says."""
        return Queries(open_database(f"sqlite:///{self.data}/gateway.db"))


def wait_a_moment(process: subprocess.Popen[str]) -> None:
    """Wait, but notice at once when the process ends."""
    try:
        process.wait(LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(f"the gateway ended with {process.returncode}")


def gateway(*call: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "gateway", *map(str, call)]
    wide = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=wide, timeout=PATIENCE_S, check=False)


def configured(folder: Path, destinations: Mapping[str, Mapping[str, object]], **queue: object) -> Path:
    """Write a configuration with free ports and one rule for everything."""
    ports = {"listener": {"port": peers.free_port()}, "web": {"port": peers.free_port(), **OPEN}}
    settings = {**ports, "queue": {"poll_s": 0.05, **queue}, "routes": {"file": "routes.toml"}}
    rule = {"name": "everything", "recipe": "fft", "destinations": list(destinations)}
    routes = {"recipes": {"fft": {"method": "fft"}}, "destinations": dict(destinations), "rules": [rule]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "routes.toml").write_text(tomlkit.dumps(routes))
    (folder / "gateway.toml").write_text(tomlkit.dumps(settings))
    return folder / "gateway.toml"


@contextmanager
def running(config: Path, options: Sequence[str] = ()) -> Iterator[Gateway]:
    """Run everything until the block ends; it has to end well."""
    settings = tomlkit.parse(config.read_text()).unwrap()
    log = config.with_suffix(".log").open("w+")
    command = [sys.executable, "-m", "gateway", "run", "--config", str(config), *options]
    with log, subprocess.Popen(command, stderr=log, text=True) as process:
        site = Gateway(
            config=config, listener=settings["listener"]["port"], page=settings["web"]["port"], process=process
        )
        try:
            _wait_until_ready(site, config.with_suffix(".log"))
            yield site
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0, config.with_suffix(".log").read_text()


def _wait_until_ready(site: Gateway, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while "stop with Ctrl-C" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        wait_a_moment(site.process)
