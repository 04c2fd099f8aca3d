"""Is a scan like those that a model learned from? Numbers of the scan against the ranges of the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.model.card import Saw
from gateway.model.gate import Check, Measured
from gateway.model.match import Range

TINY = 1e-9


def familiarity(saw: Saw, numbers: Mapping[str, float]) -> Measured:
    """Say how far a scan lies outside what a model saw: the largest factor by which a number misses its range.

    Parameters
    ----------
    numbers
        By the names of the card.
    """
    asked = {name: getattr(saw, name) for name in type(saw).model_fields if getattr(saw, name) is not None}
    if not asked:
        return Measured(check=Check.RANGE, note="the card of the model does not say what it learned from")
    if missing := sorted(asked.keys() - numbers.keys()):
        return Measured(check=Check.RANGE, note=f"{', '.join(missing)} could not be measured")
    factors = {name: max(_factors(wanted, numbers[name])) for name, wanted in asked.items()}
    ordered = sorted(asked, key=lambda name: -factors[name])
    told = [f"{name} is {numbers[name]:.3g}, the model saw {asked[name]}" for name in ordered]
    return Measured(check=Check.RANGE, value=factors[ordered[0]], note="; ".join(told))


def _factors(wanted: Range, number: float) -> Iterator[float]:
    yield 1.0
    if wanted.at_least is not None:
        yield wanted.at_least / max(number, TINY)
    if wanted.at_most is not None:
        yield number / max(wanted.at_most, TINY)
