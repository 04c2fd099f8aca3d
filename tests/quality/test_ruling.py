"""From numbers to what is done: every grade and every action of a policy, and nothing that fails leaves unmarked."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from gateway.model.card import Saw
from gateway.model.gate import Action, Check, Decision, Grade, Measured
from gateway.model.match import Range
from gateway.model.policy import Answer, Limits, Policy
from gateway.quality.familiarity import familiarity
from gateway.quality.geometry import ghosting, mirrored
from gateway.quality.meanings import MEANINGS
from gateway.quality.ruling import assess, rule


def measured(**values: float | None) -> list[Measured]:
    """Measure everything as good, but for what is said."""
    found = dict.fromkeys(Check, 0.0) | {Check[name.upper()]: value for name, value in values.items()}
    return [Measured(check=check, value=value, note="no such data") for check, value in found.items()]


def test_every_check_has_a_meaning_and_limits_that_doubt_before_they_fail() -> None:
    assert set(MEANINGS) == set(Check)
    for meaning in MEANINGS.values():
        assert meaning.sentence.endswith(".")
        assert meaning.limits.warn_above <= meaning.limits.fail_above


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        (0.0, Grade.PASS),
        (2.0, Grade.PASS),
        (2.1, Grade.WARN),
        (3.0, Grade.WARN),
        (3.1, Grade.FAIL),
        (math.inf, Grade.FAIL),
        (math.nan, Grade.FAIL),
        (None, Grade.UNCHECKED),
    ],
)
def test_a_value_is_graded_by_its_limits(value: float | None, grade: Grade) -> None:
    found = assess(Measured(check=Check.LINES, value=value), Limits(warn_above=2, fail_above=3))
    assert found.grade is grade
    assert found.value is None or math.isfinite(found.value)


def value_of(check: Check, grade: Grade) -> float | None:
    """Measure what gets a grade."""
    bad = MEANINGS[check].limits.fail_above
    return {Grade.WARN: math.nextafter(bad, 0), Grade.FAIL: math.nextafter(bad, math.inf)}.get(grade)


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("grade", [Grade.WARN, Grade.FAIL, Grade.UNCHECKED])
@pytest.mark.parametrize("check", list(Check))
def test_what_a_policy_says_of_a_check_and_a_grade_is_done_and_said(check: Check, grade: Grade, action: Action) -> None:
    key = Policy.model_fields[check.name.lower()].alias or check.name.lower()
    if (grade, action) == (Grade.FAIL, Action.SEND):
        with pytest.raises(ValidationError):
            Policy.model_validate({key: {grade: action}})
        return
    policy = Policy.model_validate({key: {grade: action}})
    ruling = rule(measured(**{check.name.lower(): value_of(check, grade)}), policy, "p", subject="s")
    (found,) = [each for each in ruling.assessments if each.check is check]
    assert (found.grade, ruling.action) == (grade, action)
    assert bool(ruling.because) is (action is not Action.SEND)
    assert all(str(check) in sentence for sentence in ruling.because)


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.SEND])
def test_what_a_policy_says_of_failure_is_done_and_said(action: Action) -> None:
    policy = Policy(lines=Answer.model_validate({"fail": action}))
    ruling = rule(measured(lines=99.0), policy, "p", subject="s")
    assert ruling.action is action
    assert ruling.warning.startswith("QUALITY GATE: A line of k-space contradicts the image")


def test_images_that_fail_cannot_be_sent_as_if_nothing_was() -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate({"fail": "send"})


def test_the_strictest_answer_counts() -> None:
    policy = Policy(lines=Answer(fail=Action.COMPANION), agreement=Answer(fail=Action.REPLACE))
    assert rule(measured(lines=99, agreement=99), policy, "p", subject="s").action is Action.REPLACE


def test_a_check_that_was_forgotten_counts_as_not_made() -> None:
    ruling = rule([], Policy(), "p", subject="s")
    assert {each.grade for each in ruling.assessments} == {Grade.UNCHECKED}
    assert ruling.action is Action.WARN


def test_a_person_stands_above_the_policy_and_the_warning_stays() -> None:
    bad = measured(consistency=99.0)
    accepted = rule(bad, Policy(), "p", subject="s", decision=Decision.ACCEPT)
    assert (accepted.action, "Accepted by a person" in accepted.warning) == (Action.WARN, True)
    assert rule(bad, Policy(), "p", subject="s", decision=Decision.REPLACE).action is Action.REPLACE


grades = st.sampled_from([0.0, 1e6, None, math.nan])
actions = st.sampled_from(list(Action))


@given(
    values=st.lists(grades, min_size=len(Check), max_size=len(Check)),
    warn=actions,
    fail=actions.filter(lambda action: action is not Action.SEND),
    unchecked=actions,
)
def test_nothing_that_fails_any_check_leaves_without_a_warning(
    values: list[float | None], warn: Action, fail: Action, unchecked: Action
) -> None:
    answer = Answer.model_validate({"warn": warn, "fail": fail, "unchecked": unchecked})
    policy = Policy.model_validate(
        {name: answer for name in Policy.model_fields if name.upper() in Check.__members__ and name != "held_out"}
    )
    found = [Measured(check=check, value=value) for check, value in zip(Check, values, strict=True)]
    ruling = rule(found, policy, "p", subject="s")
    failed = any(value is not None and not value < 1e5 for value in values)
    assert not failed or (ruling.action is not Action.SEND and ruling.warning)


def test_a_scan_outside_of_what_a_model_saw_says_by_how_much() -> None:
    saw = Saw(snr=Range(at_least=20, at_most=80), contrast=Range(at_most=0.5))
    assert familiarity(saw, {"snr": 40, "contrast": 0.4}).value == 1
    found = familiarity(saw, {"snr": 5, "contrast": 0.4})
    assert (found.value, found.note) == (
        4,
        "snr is 5, the model saw 20 to 80; contrast is 0.4, the model saw at most 0.5",
    )
    assert familiarity(saw, {"snr": 40}).value is None
    assert familiarity(Saw(), {}).value is None


def head(n: int = 64) -> npt.NDArray[np.float64]:
    """Draw something without symmetry, in air."""
    y, x = np.mgrid[:n, :n] - n / 2
    shown: npt.NDArray[np.float64] = 1.0 * ((y / 14) ** 2 + (x / 18) ** 2 < 1) + 0.8 * (
        (y + 6) ** 2 + (x - 8) ** 2 < 16
    )
    return shown


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose])
def test_an_image_that_is_mirrored_is_found_and_one_that_is_not_passes(turn: object) -> None:
    assert callable(turn)
    found = mirrored(turn(head()), head())
    assert found is not None
    assert found > MEANINGS[Check.ORIENTATION].limits.fail_above
    straight = mirrored(head(), head())
    assert straight is not None
    assert straight < MEANINGS[Check.ORIENTATION].limits.warn_above


def test_copies_in_the_air_are_found_and_noise_is_none() -> None:
    noise = np.random.default_rng(1).rayleigh(0.01, (64, 64))
    ghostly = head() + 0.15 * np.roll(head(), 32, axis=0)
    assert (ghosting(ghostly) or 0) > MEANINGS[Check.GHOSTING].limits.fail_above
    assert (ghosting(head() + noise) or 0) < MEANINGS[Check.GHOSTING].limits.warn_above
    assert ghosting(np.zeros((8, 8))) is None
