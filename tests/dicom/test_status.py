"""Every status that a peer can answer has one meaning and one consequence."""

from __future__ import annotations

import pytest
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from gateway.dicom.status import STATUSES, Outcome, meaning_of

STORED = {Outcome.STORED, Outcome.STORED_WITH_WARNING}


def test_every_status_has_a_row() -> None:
    assert all(meaning_of(status).meaning for status in range(0x10000))


def test_every_row_decides_about_some_status() -> None:
    assert {meaning_of(status) for status in range(0x10000)} == set(STATUSES)


def test_what_the_standard_calls_a_failure_never_counts_as_stored() -> None:
    for status, (category, _meaning) in STORAGE_SERVICE_CLASS_STATUS.items():
        assert (meaning_of(status).outcome in STORED) == (category in {"Success", "Warning"}), f"0x{status:04X}"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.STORED),
        (0xB000, Outcome.STORED_WITH_WARNING),
        (0xB006, Outcome.STORED_WITH_WARNING),
        (0xB007, Outcome.STORED_WITH_WARNING),
        (0xA6FF, Outcome.PERMANENT),
        (0xA700, Outcome.RETRY),
        (0xA7FF, Outcome.RETRY),
        (0xA800, Outcome.PERMANENT),
        (0xA900, Outcome.PERMANENT),
        (0xA9FF, Outcome.PERMANENT),
        (0xC000, Outcome.PERMANENT),
        (0xCFFF, Outcome.PERMANENT),
        (0x0110, Outcome.RETRY),
        (0x0111, Outcome.VERIFY),
        (0x0124, Outcome.PERMANENT),
        (0x0213, Outcome.RETRY),
        (0xFE00, Outcome.RETRY),
        (0xFF00, Outcome.PERMANENT),
    ],
)
def test_known_rows(status: int, outcome: Outcome) -> None:
    assert meaning_of(status).outcome is outcome
