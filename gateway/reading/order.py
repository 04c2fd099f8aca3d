"""The order in which a reader sees the images: random, and the same whenever it is asked for."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable


def blind_order(seed: str, reader: str, images: Iterable[tuple[str, str]]) -> list[str]:
    """Put images in a random order, another one for each reader.

    It comes in rounds: each has one image of every scan, so that images of the same scan are as far from each other as
    they can be, and a reader remembers little of the one when the other comes. Sorting by keyed digests makes the
    permutation; it is the same in every version of every library.

    Parameters
    ----------
    images
        Code and scan of each.
    """

    def drawn(*what: str) -> str:
        return hashlib.sha256("\0".join((seed, reader, *what)).encode()).hexdigest()

    scans: dict[str, list[str]] = defaultdict(list)
    for code, scan in images:
        scans[scan].append(code)
    placed = [
        (turn, drawn("place", code), code)
        for codes in scans.values()
        for turn, code in enumerate(sorted(codes, key=lambda code: drawn("turn", code)))
    ]
    return [code for _, _, code in sorted(placed)]
