"""The order in which a reader sees the images: random, balanced, and the same whenever it is asked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable


def blind_order(seed: str, reader: str, images: Iterable[tuple[str, str, str]]) -> list[str]:
    """Put images in a random order, another one for each reader.

    It comes in rounds. Each has every scan once, so that images of the same scan are far from each other, and a reader
    remembers little of the one when the other comes; and each has all recipes as often as one another, so that none is
    seen by fresher eyes (a Latin square of scans and recipes, whose rows and columns are drawn). What is shown
    once more comes in rounds of its own, after all others and in their order. Sorting by keyed digests draws; it is the
    same in every version of every library.

    Parameters
    ----------
    images
        Code, scan and recipe of each; those of the same scan and recipe repeat the first.
    """
    known = list(images)
    before: Counter[tuple[str, str]] = Counter()

    def drawn(what: str, name: str) -> str:
        return hashlib.sha256(f"{seed}\x00{reader}\x00{what}\x00{name}".encode()).hexdigest()

    def places(what: str, names: Iterable[str]) -> dict[str, int]:
        ordered = sorted(set(names), key=lambda name: drawn(what, name))
        return {name: place for place, name in enumerate(ordered)}

    scans = places("scan", (scan for _, scan, _ in known))
    recipes = places("recipe", (recipe for _, _, recipe in known))
    placed = []
    for code, scan, recipe in known:
        round_ = (scans[scan] + recipes[recipe]) % len(recipes) + len(recipes) * before[scan, recipe]
        placed.append((round_, drawn("place", code), code))
        before[scan, recipe] += 1
    return [code for _, _, code in sorted(placed)]
