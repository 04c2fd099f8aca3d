"""Candidates in SQL: who a scan may be of, until a person has chosen; then only who it is.

This table alone holds who patients are, and only where a person was asked (docs/adr/0018).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.jobs.tables import candidates
from gateway.model.errors import WrongCall
from gateway.model.identity import Candidate, Identity


def put_candidates(connection: Connection, scan: str, found: Iterable[Candidate], *, at: datetime) -> None:
    """Let these be who a scan may be of, in place of what was found before; nothing, once a person has chosen."""
    if chosen_of(connection, scan) is None:
        drop_candidates(connection, scan)
        add_candidates(connection, scan, found, at=at)


def add_candidates(connection: Connection, scan: str, found: Iterable[Candidate], *, at: datetime) -> None:
    """Add candidates of a scan; those who are there already stay as they are."""
    known = set(connection.execute(select(candidates.c.key).where(candidates.c.scan_id == scan)).scalars())
    rows = [
        {
            "scan_id": scan,
            "key": one.key,
            "source": one.source,
            "identity": asdict(one.identity),
            "differences": list(one.differences),
            "found_at": at,
        }
        for one in {one.key: one for one in found if one.key not in known}.values()
    ]
    if rows:
        connection.execute(insert(candidates), rows)


def drop_candidates(connection: Connection, scan: str) -> None:
    """Forget who a scan may be of, the chosen one included."""
    connection.execute(delete(candidates).where(candidates.c.scan_id == scan))


def candidates_of(connection: Connection, scan: str) -> list[Candidate]:
    """List who a scan may be of, in the order in which they were found."""
    query = select(candidates).where(candidates.c.scan_id == scan, candidates.c.chosen_by.is_(None))
    return [_candidate(row) for row in connection.execute(query.order_by(candidates.c.id))]


def chosen_of(connection: Connection, scan: str) -> Candidate | None:
    """Find who a person has said it is."""
    query = select(candidates).where(candidates.c.scan_id == scan, candidates.c.chosen_by.is_not(None))
    row = connection.execute(query).one_or_none()
    return None if row is None else _candidate(row)


def choose_candidate(connection: Connection, scan: str, start_of_key: str, *, who: str, at: datetime) -> Candidate:
    """Let one candidate be who it is, and forget the others: they are other people.

    Raises
    ------
    WrongCall
        No open candidate has such a key, or several do.
    """
    found = [one for one in candidates_of(connection, scan) if start_of_key and one.key.startswith(start_of_key)]
    if len(found) != 1:
        how_many = "several candidates begin" if found else "no candidate begins"
        raise WrongCall(f"{how_many} with {start_of_key!r}")
    mine = candidates.c.scan_id == scan
    connection.execute(delete(candidates).where(mine, candidates.c.key != found[0].key))
    connection.execute(update(candidates).where(mine).values(chosen_by=who, chosen_at=at))
    return found[0]


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(source=row.source, identity=Identity(**row.identity), differences=tuple(row.differences))
