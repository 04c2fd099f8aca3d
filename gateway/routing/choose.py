"""Choose recipe and destinations for a scan, and say why; pure, no files, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway import __version__
from gateway.model.destinations import Destination
from gateway.model.errors import NoRoute, WrongCall
from gateway.model.header import ScanHeader
from gateway.model.policy import Policy
from gateway.model.projects import Project
from gateway.model.recipes import RouteRecipe
from gateway.model.route import Routes, Rule
from gateway.model.sources import Asked
from gateway.routing.facts import Facts

NO_WISH = frozenset({"", "default"})
"""Configuration names with which a client leaves the choice to the routes."""

LONGEST_QUOTE = 64
"""Characters of a value from the wire that a sentence repeats."""


AS_SHIPPED = Policy()

LONGEST_STORY = 20
"""Rules that the story of a choice tells one by one; `explain` tells all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What will happen to a scan."""

    rule: Rule
    recipe_name: str
    recipe: RouteRecipe
    destinations: Mapping[str, Destination]
    """By name, in the order of the rule."""
    sources: Mapping[str, Asked]
    """Who is asked whose scan it is; by name, in the order of the rule."""
    why: tuple[str, ...]
    """One sentence for each rule looked at, and one where the client's wish counted."""
    project: Project | None = None
    """For which the patient is taken out."""
    policy: Policy = AS_SHIPPED
    """What is done with images of a learned recipe that fail a check."""

    @property
    def fingerprint(self) -> str:
        """Digest of the recipe, its parameters and this software's version; another one makes other series."""
        return hashlib.sha256(f"{__version__} {self.recipe.model_dump_json()}".encode()).hexdigest()

    def series_description(self, header: ScanHeader) -> str:
        """Fill in the rule's text."""
        protocol = header.measurement.protocol_name or "MR"
        return self.rule.series_description.format(protocol=protocol, recipe=self.recipe_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says to a scan."""

    rule: str
    misfits: tuple[str, ...]
    """Why it does not fit, field by field; empty where it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What every rule says to a scan, and what would be done with it."""

    verdicts: tuple[Verdict, ...]
    """Of all rules in their order, those below the one that decides too."""
    choice: Choice | None
    refusal: str
    """Why there is no choice; then the scan is held with these words."""


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
        project=routes.projects[rule.deidentify] if rule.deidentify is not None else None,
        policy=routes.known_policies[rule.policy],
        sources={name: routes.asked[name] for name in rule.sources},
        why=(*why, *reason),
    )


def named_recipe(routes: Routes, name: str) -> RouteRecipe:
    """Take a recipe that a person named.

    Raises
    ------
    WrongCall
        The routes do not know it.
    """
    if name not in routes.recipes:
        known = ", ".join(sorted(routes.recipes))
        raise WrongCall(f"there is no recipe {name!r} in the routes; known are: {known}")
    return routes.recipes[name]


def explain(routes: Routes, facts: Facts) -> Explanation:
    """Ask every rule, and say what `choose` makes of the scan."""
    verdicts = tuple(Verdict(rule=rule.name, misfits=tuple(misfits(rule, facts))) for rule in routes.rules)
    try:
        return Explanation(verdicts=verdicts, choice=choose(routes, facts), refusal="")
    except NoRoute as refusal:
        return Explanation(verdicts=verdicts, choice=None, refusal=str(refusal))


def misfits(rule: Rule, facts: Facts) -> Iterator[str]:
    """Say, field by field, why a rule does not fit a scan; nothing where it does."""
    return _misfits(rule, facts, facts.known())


def _misfits(rule: Rule, facts: Facts, known: Mapping[str, str | float]) -> Iterator[str]:
    for name, condition in rule.match.conditions.items():
        if name not in known or not condition.fits(known[name]):
            yield f"{name} {_said(getattr(facts, name))} does not fit {condition.asked}"


def _said(fact: str | float | None) -> str:
    if isinstance(fact, str):
        return _quote(fact)
    return "(not known)" if fact is None else f"{fact:g}"


def _first_rule(routes: Routes, facts: Facts) -> tuple[Rule, tuple[str, ...]]:
    known = facts.known()
    for number, rule in enumerate(routes.rules):
        if rule.match.takes(known):
            return rule, (*_story(routes.rules[:number], facts), f"rule {rule.name!r}: matched")
    raise NoRoute(f"no rule matches; {'; '.join(_story(routes.rules, facts))}")


def _story(passed: Sequence[Rule], facts: Facts) -> list[str]:
    """Say why the rules above did not fit; of many, only of the first."""
    known = facts.known()
    story = [f"rule {rule.name!r}: {next(_misfits(rule, facts, known))}" for rule in passed[:LONGEST_STORY]]
    return [*story, f"{more} more rules do not fit"] if (more := len(passed) - LONGEST_STORY) > 0 else story


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
