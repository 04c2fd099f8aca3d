"""A network that took part in a reconstruction; a conventional one has none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedModel:
    """A network that took part in a reconstruction.

    Parameters
    ----------
    weights_sha256
        Of its weights, as hexadecimal digits.
    trained_for
        What it was trained for, in the words of its card.
    """

    name: str
    version: str
    weights_sha256: str
    trained_for: str = ""
