"""Open the database so that what is committed stays committed, and bring its schema up to date."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import MappingProxyType

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.model.errors import GatewayError, StorageFault, WrongCall

SQLITE_BUSY_MS = 90_000
"""Another process may hold the database for a minute, and no scan is refused; longer, and a scanner is told."""

REST_S = 1.0
"""A connection to PostgreSQL that was not used for so long may have died with its server."""

_USED_AT = "used at"
_SHARED: ContextVar[Connection | None] = ContextVar("the connection that reads at once", default=None)


def open_database(url: str) -> Engine:
    """Connect to SQLite or PostgreSQL.

    Raises
    ------
    WrongCall
        The URL is none, or names a database we do not know.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise WrongCall("database.url is not a database URL") from error
    match parsed.get_backend_name():
        case "sqlite":
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            engine = create_engine(parsed, connect_args={"timeout": SQLITE_BUSY_MS / 1000})
            event.listen(engine, "connect", _set_sqlite_pragmas)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        case "postgresql":
            engine = create_engine(parsed, connect_args={"options": "-c synchronous_commit=on"})
            event.listen(engine, "checkin", _note_use)
            event.listen(engine, "checkout", partial(_ping_after_rest, engine))
            return engine
        case other:
            raise WrongCall(f"database.url names {other}; sqlite and postgresql are the ones we know")


def _set_sqlite_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by us, see _begin_sqlite
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ping_after_rest(engine: Engine, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ask a connection that has rested whether it still lives; one that was used a moment ago costs no round trip."""
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < REST_S:
        return
    try:
        alive = engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        alive = False
    if not alive:
        raise InvalidatePoolError


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once where we will write: a lock taken later may fail half-way (SQLITE_BUSY)."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that is durable when the block has ended.

    Raises
    ------
    StorageFault
        The database did not take it.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StorageFault(f"the database did not take it: {type(error).__name__}") from error


@contextmanager
def lending(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only lends work out: claims, leases and signs of life.

    It is in force at once, and in order with all others, but PostgreSQL does not wait for its disk: a power cut of its
    machine may undo it. Nobody was promised anything by it. Whoever had claimed finds that the lease is lost.

    Raises
    ------
    StorageFault
        The database did not take it.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads.

    Raises
    ------
    StorageFault
        The database did not answer.
    """
    try:
        shared = _SHARED.get()
        if shared is not None and shared.engine is engine:
            yield shared
            return
        with engine.connect().execution_options(reading=True) as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StorageFault(f"the database did not answer: {type(error).__name__}") from error


@contextmanager
def reading_at_once(engine: Engine) -> Iterator[None]:
    """Let everything that is read in the block be read in one transaction; each one costs round trips.

    Raises
    ------
    StorageFault
        The database did not answer.
    """
    with reading(engine) as connection:
        outer = _SHARED.set(connection)
        try:
            yield
        finally:
            _SHARED.reset(outer)


def _alembic(engine: Engine) -> Config:
    here = Path(__file__).parents[1]
    packaged = here / "migrations"
    config = Config()
    config.set_main_option("script_location", str(packaged if packaged.is_dir() else here.parent / "alembic"))
    config.attributes["engine"] = engine
    return config


def schema_of(engine: Engine) -> tuple[str | None, str]:
    """Say which schema the database has, nothing where it has none, and which one is this software's."""
    with reading(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory.from_config(_alembic(engine)).get_current_head()
    assert head is not None, "there is at least the first migration"  # noqa: S101
    return current, head


DURABLE: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sqlite": {"PRAGMA synchronous": ("2", "3"), "PRAGMA journal_mode": ("wal",)},
        "postgresql": {
            "SHOW fsync": ("on",),
            "SHOW full_page_writes": ("on",),
            "SHOW synchronous_commit": ("on", "remote_write", "remote_apply"),
        },
    }
)
"""What each database is asked, and the answers with which what is committed stays committed."""


def durability(engine: Engine) -> list[str]:
    """Say by which of its settings the database may lose what it was given; nothing where it does not."""
    with reading(engine) as connection:
        asked = DURABLE[engine.dialect.name]
        told = {question: str(connection.exec_driver_sql(question).scalar_one()) for question in asked}
    return [f"{question} says {told[question]}" for question, good in asked.items() if told[question] not in good]


def upgrade(engine: Engine) -> str:
    """Bring the schema to the version of this software and return that version.

    Raises
    ------
    GatewayError
        The database belongs to a newer version.
    """
    config = _alembic(engine)
    scripts = ScriptDirectory.from_config(config)
    with writing(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in scripts.walk_revisions()}
        if current is not None and current not in known:
            raise GatewayError(f"the database has schema {current}, which is newer than this gateway; upgrade it first")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    head = scripts.get_current_head()
    assert head is not None, "there is at least the first migration"  # noqa: S101
    return head
