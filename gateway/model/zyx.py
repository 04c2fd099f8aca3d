"""Triples along the three axes of an image, so that nobody has to guess their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zyx(Generic[T]):
    """One value for each axis: partition (z), phase encoding (y), readout (x)."""

    z: T
    y: T
    x: T

    def map(self, function: Callable[[T], U]) -> Zyx[U]:
        """Apply a function to each axis."""
        return Zyx(z=function(self.z), y=function(self.y), x=function(self.x))

    def as_tuple(self) -> tuple[T, T, T]:
        """Order as array shapes have it: ``(z, y, x)``."""
        return (self.z, self.y, self.x)
