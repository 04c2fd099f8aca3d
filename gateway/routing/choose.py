"""Choose recipe and destinations for a scan, and say why; pure, no files, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.model.errors import NoRoute
from gateway.model.header import ScanHeader
from gateway.model.route import Destination, Match, Recipe, Routes, Rule

NO_WISH = frozenset({"", "default"})
"""Configuration names with which a client leaves the choice to the routes."""

LONGEST_QUOTE = 64
"""Characters of a value from the wire that a sentence repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a scan before it is reconstructed, field by field as rules can match it; None is not known."""

    vendor: str | None = None
    model: str | None = None
    station: str | None = None
    institution: str | None = None
    protocol: str | None = None
    sequence: str | None = None
    trajectory: str | None = None
    body_part: str | None = None
    patient_position: str | None = None
    study_description: str | None = None
    source: str | None = None
    recipe_asked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What will happen to a scan."""

    rule: Rule
    recipe_name: str
    recipe: Recipe
    destinations: Mapping[str, Destination]
    """By name, in the order of the rule."""
    why: tuple[str, ...]
    """One sentence for each rule looked at, and one where the client's wish counted."""

    @property
    def fingerprint(self) -> str:
        """Digest of the recipe with all its parameters; another one makes other series."""
        return hashlib.sha256(self.recipe.model_dump_json().encode()).hexdigest()

    def series_description(self, header: ScanHeader) -> str:
        """Fill in the rule's text."""
        protocol = header.measurement.protocol_name or "MR"
        return self.rule.series_description.format(protocol=protocol, recipe=self.recipe_name)


def facts_of(header: ScanHeader, *, source: str, recipe_asked: str) -> Facts:
    """Collect what rules can match; empty text counts as not known.

    Parameters
    ----------
    source
        Address the scan came from, without its port.
    recipe_asked
        Configuration name that the client sent.
    """
    measurement, system, study = header.measurement, header.system, header.study
    return Facts(
        vendor=system.vendor or None,
        model=system.model or None,
        station=system.station_name or None,
        institution=system.institution_name or None,
        protocol=measurement.protocol_name or None,
        sequence=measurement.sequence_name or header.sequence.sequence_type or None,
        trajectory=(header.encodings[0].trajectory or None) if header.encodings else None,
        body_part=study.body_part or None,
        patient_position=measurement.patient_position or None,
        study_description=study.description or None,
        source=source or None,
        recipe_asked=recipe_asked or None,
    )


def choose(routes: Routes, facts: Facts) -> Choice:
    """Take the first rule that fits, and the recipe that the client asked for if the routes know it.

    Raises
    ------
    NoRoute
        No rule fits, or nobody knows the recipe; the message says why.
    """
    rule, why = _first_rule(routes, facts)
    recipe_name, reason = _recipe_name(routes, rule, facts.recipe_asked or "")
    return Choice(
        rule=rule,
        recipe_name=recipe_name,
        recipe=routes.recipes[recipe_name],
        destinations={name: routes.destinations[name] for name in rule.destinations},
        why=(*why, *reason),
    )


def _first_rule(routes: Routes, facts: Facts) -> tuple[Rule, list[str]]:
    why: list[str] = []
    for rule in routes.rules:
        misfit = _misfit(rule.match, facts)
        why.append(f"rule {rule.name!r}: {misfit or 'matched'}")
        if misfit is None:
            return rule, why
    raise NoRoute(f"no rule matches; {'; '.join(why)}")


def _misfit(match: Match, facts: Facts) -> str | None:
    """Say which field does not fit; None where all do."""
    for field in Match.model_fields:
        pattern, fact = getattr(match, field), getattr(facts, field)
        if not _fits(pattern, fact):
            said = "(not known)" if fact is None else _quote(fact)
            return f"{field} {said} does not fit {pattern!r}"
    return None


def _fits(pattern: str | None, fact: str | None) -> bool:
    if pattern is None or pattern == "*":
        return True
    return fact is not None and fnmatchcase(fact.lower(), pattern.lower())


def _recipe_name(routes: Routes, rule: Rule, asked: str) -> tuple[str, tuple[str, ...]]:
    if asked in NO_WISH:
        return rule.recipe, ()
    if asked in routes.recipes:
        return asked, (f"the client asked for recipe {asked!r}",)
    if rule.match.recipe_asked is not None:
        return rule.recipe, (f"rule {rule.name!r} takes {_quote(asked)} to mean recipe {rule.recipe!r}",)
    known = ", ".join(sorted(routes.recipes))
    raise NoRoute(f"the client asked for recipe {_quote(asked)}, which nobody knows; known are: {known}")


def _quote(text: str) -> str:
    """Repeat text from the wire, short and without control characters."""
    return repr(text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "...")
