"""Whoever is refused at a port is on the audit trail, and no flood fills it, on both databases."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine

from gateway.jobs.audit import AuditTrail
from gateway.jobs.refusals import MOST, OTHERS, Refusals
from gateway.model.errors import StorageFault
from gateway.model.refusal import Refusal
from tests.jobs.conftest import TurnedClock

HOUR_S = 3600


@pytest.fixture
def trail(engine: Engine, clock: TurnedClock) -> AuditTrail:
    return AuditTrail(engine, clock)


@pytest.fixture
def refusals(trail: AuditTrail, clock: TurnedClock) -> Refusals:
    return Refusals(trail.add, clock, port="DICOM port")


def told(trail: AuditTrail) -> list[tuple[str, str]]:
    return [(line.deed.who, line.deed.text) for line in reversed(trail.newest(1000))]


def test_the_first_is_told_at_once_and_the_others_of_the_hour_as_a_number(
    trail: AuditTrail, refusals: Refusals, clock: TurnedClock
) -> None:
    refusals("192.0.2.9", Refusal.CALLED, "PACS to\0OTHER\n")
    refusals.write()
    first = ("192.0.2.9", "DICOM port: it called us by another AE title (PACS to?OTHER?)")
    assert told(trail) == [first]
    for _ in range(500):
        refusals("192.0.2.9", Refusal.CALLED)
        refusals.write()
    assert told(trail) == [first]
    clock.turn(HOUR_S)
    refusals("192.0.2.9", Refusal.CALLED)
    refusals.write()
    assert told(trail)[1:] == [
        ("192.0.2.9", "DICOM port: it called us by another AE title; 500 more calls in the hour from 12:00 UTC"),
        ("192.0.2.9", "DICOM port: it called us by another AE title"),
    ]
    assert trail.verify()[0] == 3


def test_a_flood_from_everywhere_makes_no_more_lines_than_may_be(
    trail: AuditTrail, refusals: Refusals, clock: TurnedClock
) -> None:
    for hour in range(3):
        for number in range(10_000):
            refusals(f"2001:db8::{number:x}", Refusal.ADDRESS)
        refusals.write()
        clock.turn(HOUR_S)
        refusals.write()
        lines = told(trail)
        assert len(lines) == (hour + 1) * (MOST + 1)
        assert lines[-1] == (OTHERS, f"DICOM port: nobody may call from this address; {10_000 - MOST} calls")


def test_what_the_database_does_not_take_is_written_later(trail: AuditTrail, clock: TurnedClock) -> None:
    away = [True]

    def add(who: str, what: str, text: str) -> None:
        if away[0]:
            raise StorageFault("the database does not answer")
        trail.add(who, what, text)

    refusals = Refusals(add, clock, port="DICOM port")
    for _ in range(3):
        refusals("192.0.2.9", Refusal.FULL)
    with pytest.raises(StorageFault):
        refusals.write()
    clock.turn(2 * HOUR_S)
    away[0] = False
    refusals.write()
    assert told(trail) == [("192.0.2.9", "DICOM port: too many connections are open; 3 calls")]


def test_a_port_is_not_kept_waiting_and_what_is_left_is_written_at_the_end(
    trail: AuditTrail, clock: TurnedClock
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(who: str, what: str, text: str) -> None:
        begun.set()
        go_on.wait(30)
        trail.add(who, what, text)

    refusals = Refusals(slow, clock, port="DICOM port")
    with refusals.kept():
        refusals("192.0.2.9", Refusal.TLS)
        assert begun.wait(30)
        for _ in range(9):
            refusals("192.0.2.9", Refusal.TLS)
        go_on.set()
    assert [text.partition("; ")[2] for _, text in told(trail)] == ["", "9 more calls in the hour from 12:00 UTC"]
