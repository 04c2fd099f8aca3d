"""The benchmarks there are: each sets its peers up, hands them over to be timed, and clears away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

Peers = Mapping[str, Callable[[], object]]
"""What is timed, by name: the first is ours, the others do the same work. A float returned is its own time (s)."""

BENCHMARKS: dict[str, Callable[[], AbstractContextManager[Peers]]] = {}


def benchmark(function: Callable[[], Iterator[Peers]]) -> Callable[[], AbstractContextManager[Peers]]:
    """Register a generator that sets up, yields its peers once, and clears away; its name is the benchmark's."""
    managed = contextmanager(function)
    BENCHMARKS[function.__name__] = managed
    return managed
