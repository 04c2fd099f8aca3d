"""All checks together: clean images pass, several small doubts add up, and one large one is enough."""

from __future__ import annotations

import math

import pytest

from gateway.model.gate import Check, Grade, Measured
from gateway.quality.joint import CLEAN, together
from gateway.quality.ruling import assess


def measured(height: float, *, of: tuple[Check, ...] = tuple(CLEAN)) -> list[Measured]:
    """Values so many standard deviations above clean ones, the others in their middle."""
    return [
        Measured(check=check, value=math.exp(middle + (height if check in of else 0.0) * spread))
        for check, (middle, spread) in CLEAN.items()
    ]


def test_values_in_the_middle_of_clean_ones_count_nothing() -> None:
    assert together(measured(0)).value == pytest.approx(0, abs=1e-9)
    assert together(measured(-3)).value == 0  # what is better than usual makes up for nothing


def test_doubts_of_several_checks_add_up_as_the_root_of_squares() -> None:
    assert together(measured(2)).value == pytest.approx(2 * math.sqrt(len(CLEAN)))
    assert assess(together(measured(2))).grade is Grade.WARN
    assert assess(together(measured(2, of=(Check.LINES,)))).grade is Grade.PASS


def test_one_check_far_above_all_clean_ones_is_enough_and_is_named() -> None:
    found = together(measured(6, of=(Check.STRUCTURE,)))
    assert assess(found).grade is Grade.FAIL
    assert found.note.startswith("above the middle of clean images: structure 6, ")


def test_where_a_check_was_not_made_nothing_is_joined() -> None:
    found = together(measured(6)[1:])
    assert found.value is None
    assert "consistency" in found.note


def test_a_value_that_is_no_number_is_as_bad_as_can_be() -> None:
    values = [*measured(0)[1:], Measured(check=Check.CONSISTENCY, value=math.nan)]
    assert assess(together(values)).grade is Grade.FAIL
