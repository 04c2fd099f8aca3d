"""Debian's PostgreSQL as a peer: a server of its own in a folder, run by a user that is not root."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
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
        if os.geteuid() == 0:
            shutil.chown(folder, self._user)
        self._run("initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", "-D", folder / "db")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self._port} -h {LOOPBACK} -k {self._folder} -c fsync={self._fsync}"
        log = self._folder / "log"
        self._run("pg_ctl", "start", "-w", "-t", str(START_S), "-D", self._folder / "db", "-o", options, "-l", log)

    def kill(self) -> None:
        """End it as a crash would: nothing is written any more, and nobody is told."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", self._folder / "db")

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
        where = f"host={LOOPBACK} port={self._port} user={self._user} dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, binary: str, *arguments: object) -> None:
        (path, *_) = sorted(BINARIES.glob(f"*/bin/{binary}"), reverse=True)
        command = [str(path), *map(str, arguments)]
        user = self._user if os.geteuid() == 0 else None
        subprocess.run(command, user=user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL)


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
