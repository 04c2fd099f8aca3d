"""What is allowed in routes and yet to be known: parts that nothing uses, and what anybody can read on the way.

Pure: text in, sentences out.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model.destinations import FolderDestination
from gateway.model.route import Routes
from gateway.routing.text import Key, key_places


def advice(text: str, routes: Routes) -> list[str]:
    """Say what the routes read from this text have to no purpose, or send in the clear, each with its line."""
    places = key_places(text)
    found = (*_unused(routes), *_in_the_clear(routes))
    return [f"{places[key]}: {'.'.join(map(str, key))}: {sentence}" for key, sentence in found]


def _in_the_clear(routes: Routes) -> Iterator[tuple[Key, str]]:
    for name, destination in routes.destinations.items():
        if not isinstance(destination, FolderDestination) and destination.plain:
            yield ("destinations", name, "plain"), "patients' data go there in the clear"


def _unused(routes: Routes) -> Iterator[tuple[Key, str]]:
    recipes = {rule.recipe for rule in routes.rules}
    destinations = {name for rule in routes.rules for name in rule.destinations}
    for name in (one for one in routes.recipes if one not in recipes):
        yield ("recipes", name), "no rule names it; a scan gets it only where the scanner asks for it by this name"
    for name in (one for one in routes.destinations if one not in destinations):
        yield ("destinations", name), "no rule sends anything there"
