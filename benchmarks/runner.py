"""Time benchmarks and tell the result; knows nothing of what they do."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.registry import BENCHMARKS

Clock = Callable[[], float]
FEWEST, ENOUGH_S = 3, 45.0
"""Rounds that are made however long they take, and time after which no other is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Times of one peer in one benchmark."""

    benchmark: str
    peer: str
    runs_s: tuple[float, ...]
    ratio: float
    """Median over the median of the first peer: above 1 is slower than ours."""


def run(name: str, runs: int, *, clock: Clock) -> list[Result]:
    """Time each peer so often, after one run that warms it up; in turns, so that other work meets all of them alike.

    Slow ones are timed less often, yet three times: a round is begun only while there is time for it.
    """
    with BENCHMARKS[name]() as peers:
        for warm_up in peers.values():
            warm_up()
        rounds: list[dict[str, float]] = []
        begun = clock()
        while len(rounds) < runs and (len(rounds) < FEWEST or clock() - begun < ENOUGH_S):
            rounds.append({peer: _time(work, clock) for peer, work in peers.items()})
        times = {peer: tuple(round_[peer] for round_ in rounds) for peer in peers}
    ours = statistics.median(next(iter(times.values())))
    return [
        Result(benchmark=name, peer=peer, runs_s=each, ratio=statistics.median(each) / ours)
        for peer, each in times.items()
    ]


def _time(work: Callable[[], object], clock: Clock) -> float:
    begin = clock()
    measured = work()
    return measured if isinstance(measured, float) else clock() - begin


def table(results: Iterable[Result]) -> str:
    """Lay the results out for a person, times in milliseconds."""
    head = f"{'benchmark':<20} {'peer':<28} {'min ms':>10} {'median ms':>10} {'max ms':>10} {'ratio':>7}"
    return "\n".join([head, *(_row(result) for result in results)])


def _row(result: Result) -> str:
    figures = (min(result.runs_s), statistics.median(result.runs_s), max(result.runs_s))
    times = " ".join(f"{1000 * each:>10.2f}" for each in figures)
    return f"{result.benchmark:<20} {result.peer:<28} {times} {result.ratio:>7.2f}"


def machine() -> dict[str, str]:
    """Name what the figures were measured on."""
    import torch  # noqa: PLC0415 - takes seconds, and only this needs it

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "cpu": _cpu(Path("/proc/cpuinfo")),
        "cores": str(os.cpu_count()),
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _cpu(cpuinfo: Path) -> str:
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
