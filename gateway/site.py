"""Joiner 7: what page, API and figures know of the site beside its lists: handed over as plain questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.jobs.forwarding import ForwardingState
from gateway.jobs.overview import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disk of the recordings."""

    used_percent: int
    free_gb: int
    warn_percent: float
    refuse_percent: float

    @property
    def tone(self) -> str:
        """How it looks."""
        if self.used_percent >= self.refuse_percent:
            return "bad"
        return "person" if self.used_percent >= self.warn_percent else "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Without it the page only lists, and does not follow what happens."""

    overview: Overview
    disk: Callable[[], Disk]
    destinations: Callable[[], Mapping[str, str]]
    """The destinations of the routes in force, by name, and what each is."""
    forwarding: Callable[[], ForwardingState | None] = lambda: None
    """How it stands with the record repository; nothing where there is none."""
    faults: Callable[[], Mapping[str, str]] = dict
    """What keeps the gateway from taking scans, by what was looked at; nothing where it is ready."""
