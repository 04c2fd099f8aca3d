"""Debian's PostgreSQL as a peer: a server of its own in a folder, run by a user that is not root."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from gateway.jobs.database import open_database, upgrade
from tests.peers import LOOPBACK, free_port

BINARIES = Path("/usr/lib/postgresql")
START_S = 90


class Postgres:
    """A server, and databases on it that have the schema already."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        self._folder = folder
        self._fsync = "on" if synced else "off"
        self._port = free_port()
        self._numbers = itertools.count()
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._with_us = ["/usr/bin/setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            shutil.chown(folder, self._user)
            self._with_us += [f"--reuid={self._user}", f"--regid={self._user}", "--init-groups"]
        initdb: list[object] = [
            self._binary("initdb"),
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "-D",
            folder / "db",
        ]
        subprocess.run([*self._with_us, *map(str, initdb)], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def start(self, *settings: str) -> None:
        """Start it and wait until it answers; the kernel ends it with us, however we end."""
        options: list[object] = ["-p", self._port, "-h", LOOPBACK, "-k", self._folder, "-c", f"fsync={self._fsync}"]
        options += [word for setting in settings for word in ("-c", setting)]
        command = [self._binary("postgres"), "-D", self._folder / "db", *options]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._with_us, *map(str, command)], cwd=self._folder, stdout=log, stderr=log
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self._where()).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                assert self._server.poll() is None, (self._folder / "log").read_text()
                threading.Event().wait(0.02)
            else:
                return

    def kill(self) -> None:
        """End it as a crash would: nothing is written any more, and nobody is told."""
        self._server.send_signal(signal.SIGQUIT)  # "immediate shutdown"
        self._server.wait(START_S)

    def url(self, database: str) -> str:
        """Say where a database is."""
        return f"postgresql+psycopg://{self._user}@{LOOPBACK}:{self._port}/{database}"

    def make_template(self) -> None:
        """Bring one database to our schema; all others are copies of it."""
        self._execute("CREATE DATABASE ours")
        engine = open_database(self.url("ours"))
        upgrade(engine)
        engine.dispose()

    def new_database(self) -> str:
        """Make a database and return its URL."""
        name = f"copy_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE ours")
        return self.url(name)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._where(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _where(self) -> str:
        return f"host={LOOPBACK} port={self._port} user={self._user} dbname=postgres"

    def _binary(self, name: str) -> Path:
        return max(BINARIES.glob(f"*/bin/{name}"))


@contextmanager
def running_postgres(*, synced: bool) -> Iterator[Postgres]:
    """Run a server until the block ends; in a folder that its user can reach, which pytest's are not.

    Without syncs it survives its own death, though not the machine's, and starts again at once.
    """
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        server = Postgres(Path(name), synced=synced)
        server.start()
        try:
            server.make_template()
            yield server
        finally:
            server.kill()
