"""From what was measured to what is done with images: grades by limits, actions by policy, people above both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gateway.model.gate import Action, Assessment, Check, Decision, Grade, Measured, Ruling, strictest
from gateway.model.policy import Limits, Policy
from gateway.quality.meanings import MEANINGS

BY_PERSON: Mapping[Decision, Action] = {Decision.ACCEPT: Action.WARN, Decision.REPLACE: Action.REPLACE}
"""What a person's word leads to; what was rejected is never asked about again."""

WORST = 1e9
"""Stands for a value that is no number."""


def assess(measured: Measured, limits: Limits | None = None) -> Assessment:
    """Grade one value; a value that is no number is bad."""
    meaning = MEANINGS[measured.check]
    limits = limits or meaning.limits
    return Assessment(
        check=measured.check,
        grade=_grade(measured.value, limits),
        value=None if measured.value is None else _written(measured.value),
        warn_above=limits.warn_above,
        fail_above=limits.fail_above,
        meaning=meaning.sentence,
        note=measured.note,
        seconds=measured.seconds,
    )


def rule(
    measured: Sequence[Measured], policy: Policy, name: str, *, subject: str, decision: Decision | None = None
) -> Ruling:
    """Say what is done with images; a check that is missing from what was measured counts as not made.

    Parameters
    ----------
    name
        Of the policy.
    subject
        Digest of what is judged.
    decision
        What a person has said of this very subject.
    """
    there = {each.check for each in measured}
    lacking = [Measured(check=check, note="it was not made") for check in Check if check not in there]
    assessments = tuple(assess(each, policy.thresholds.get(each.check)) for each in (*measured, *lacking))
    action = strictest([policy.answer(each.check).to(each.grade) for each in assessments])
    if decision is not None:
        action = BY_PERSON[decision]
    silent = {each.check for each in assessments if policy.answer(each.check).to(each.grade) is Action.SEND}
    because = tuple(_sentence(each) for each in assessments if each.check not in silent)
    return Ruling(
        action=action, because=because, assessments=assessments, policy=name, subject=subject, decision=decision
    )


def _written(value: float) -> float:
    """Make a number that JSON can hold: what is none, or endless, is as bad as can be."""
    return min(value, WORST) if math.isfinite(value) else WORST


def _grade(value: float | None, limits: Limits) -> Grade:
    if value is None:
        return Grade.UNCHECKED
    if not value <= limits.fail_above:
        return Grade.FAIL
    return Grade.WARN if value > limits.warn_above else Grade.PASS


def _sentence(found: Assessment) -> str:
    if found.grade is Grade.UNCHECKED:
        return f"Check {found.check} was not made: {found.note}."
    limit = found.fail_above if found.grade is Grade.FAIL else found.warn_above
    return f"{MEANINGS[found.check].warning} ({found.check} {found.value:.3g}, limit {limit:g})"
