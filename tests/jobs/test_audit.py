"""The audit trail: whoever touches a line leaves a trace, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Delete, Engine, Update, delete, insert, update

from gateway.jobs.account_tables import audit
from gateway.jobs.audit import GENESIS, AuditTrail, Deed, digest_of
from gateway.jobs.database import writing
from gateway.jobs.reconstructions import JobQueue
from gateway.model.errors import AuditBroken
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TurnedClock
from tests.jobs.test_queue import NewJob


@pytest.fixture
def trail(engine: Engine, clock: TurnedClock) -> AuditTrail:
    return AuditTrail(engine, clock)


def test_an_empty_trail_is_whole(trail: AuditTrail) -> None:
    assert trail.verify() == (0, GENESIS)


def test_lines_are_numbered_and_each_is_sealed_with_the_one_before(trail: AuditTrail, clock: TurnedClock) -> None:
    trail.add("anna@10.0.0.7", "signed in")
    clock.turn(1.25)
    trail.add("anna@10.0.0.7", "routes applied", "version 1")
    second, first = trail.newest(2)
    assert (first.number, second.number) == (1, 2)
    assert first.digest == digest_of(GENESIS, 1, first.deed)
    assert second.digest == digest_of(
        first.digest, 2, Deed(at=clock(), who="anna@10.0.0.7", what="routes applied", text="version 1")
    )
    assert trail.verify() == (2, second.digest)


TOUCHED: dict[str, tuple[Callable[[], Update | Delete], str]] = {
    "who": (lambda: update(audit).where(audit.c.number == 2).values(who="berta"), "line 2"),
    "what": (lambda: update(audit).where(audit.c.number == 3).values(what="nothing"), "line 3"),
    "text": (lambda: update(audit).where(audit.c.number == 1).values(text=""), "line 1"),
    "digest": (lambda: update(audit).where(audit.c.number == 2).values(digest=GENESIS), "line 2"),
    "taken out": (lambda: delete(audit).where(audit.c.number == 2), "line 2 of the audit trail is missing"),
    "cut at the front": (lambda: delete(audit).where(audit.c.number == 1), "line 1 of the audit trail is missing"),
}


@pytest.mark.parametrize(("touch", "words"), TOUCHED.values(), ids=list(TOUCHED))
def test_a_touched_line_is_found(
    engine: Engine, trail: AuditTrail, touch: Callable[[], Update | Delete], words: str
) -> None:
    for number in range(4):
        trail.add("anna", "did something", f"for the {number + 1}. time")
    with writing(engine) as connection:
        assert connection.execute(touch()).rowcount == 1
    with pytest.raises(AuditBroken, match=words):
        trail.verify()


def test_a_line_put_in_at_the_end_is_found(engine: Engine, trail: AuditTrail, clock: TurnedClock) -> None:
    trail.add("anna", "signed in")
    with writing(engine) as connection:
        row = {"number": 2, "at": clock(), "who": "berta", "what": "signed in", "text": "", "digest": "f" * 64}
        connection.execute(insert(audit).values(row))
    with pytest.raises(AuditBroken, match="line 2"):
        trail.verify()


def test_many_writers_make_one_chain(trail: AuditTrail) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: trail.add("anna", "did", str(number)), range(40)))
    assert trail.verify()[0] == 40
    assert {line.deed.text for line in trail.newest(50)} == {str(number) for number in range(40)}


def test_what_a_person_does_to_a_job_is_on_the_trail(trail: AuditTrail, jobs: JobQueue, new_job: NewJob) -> None:
    new_job(1)
    jobs.act(1, WorkEvent.HOLD, who="anna@console", reason="wrong patient?")
    (line,) = trail.newest(5)
    assert (line.deed.who, line.deed.what, line.deed.text) == ("anna@console", "jobs 1 held", "wrong patient?")
