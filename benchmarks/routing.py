"""Choosing a route among 1,000 rules, of which the last fits."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.registry import Peers, benchmark
from gateway.model.destinations import FolderDestination
from gateway.model.match import Match, Range
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from gateway.routing.choose import choose
from gateway.routing.facts import Facts

N_RULES = 1_000


@benchmark
def routing() -> Iterator[Peers]:
    """Compare one choice among 1,000 rules with a bare loop of fnmatch over the same globs, which explains nothing."""
    rules = [_rule(number) for number in range(N_RULES)]
    folder = FolderDestination(path=Path("series"))
    routes = Routes(recipes={"fft": FftRecipe()}, destinations={"folder": folder}, rules=tuple(rules))
    facts = Facts(vendor="ACME", protocol=f"t2 tse {N_RULES - 1}", field_strength_t=3.0)

    def ours() -> str:
        return choose(routes, facts).rule.name

    def bare() -> str:
        return _first(rules, facts)

    if not ours() == bare() == f"rule {N_RULES - 1}":
        raise AssertionError("they choose different rules")
    yield {"gateway": ours, "fnmatch": bare}


def _rule(number: int) -> Rule:
    match = Match(vendor="acme", protocol=f"t2* {number}", field_strength_t=Range(at_least=2.5, at_most=3.5))
    return Rule(name=f"rule {number}", match=match, recipe="fft", destinations=("folder",))


def _first(rules: list[Rule], facts: Facts) -> str:
    vendor, protocol = str(facts.vendor).lower(), str(facts.protocol).lower()
    for rule in rules:
        if fnmatch(vendor, str(rule.match.vendor)) and fnmatch(protocol, str(rule.match.protocol)):
            return rule.name
    raise LookupError
