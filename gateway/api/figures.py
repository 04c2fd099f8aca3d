"""``/metrics``: figures for Prometheus, read from SQL at each question, so that every process tells the same.

Labels are states, events, roles and the names of destinations, of which there are few: never a scan, never a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.api.gate import MayMeasure
from gateway.jobs.census import Census, Counts
from gateway.jobs.tallies import BOUNDS_S, Tally
from gateway.model.errors import StorageFault
from gateway.site import Site

MOST_DESTINATIONS = 50
"""Names of destinations that are told apart; the others count together, so that no list grows without end."""
OTHERS = "other"

Key = TypeVar("Key", bound=tuple[str, ...])
"""Values of the labels, in their order."""


def measuring(census: Census, site: Site) -> APIRouter:
    """Serve the figures."""
    router = APIRouter()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(census, site))
    ProcessCollector(registry=registry)

    @router.get("/metrics")
    def metrics(_caller: MayMeasure) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


class Figures(Collector):
    """What is counted, as Prometheus wants it."""

    def __init__(self, census: Census, site: Site) -> None:
        self._census = census
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """Count, and tell; where the database does not answer, only what can be told without it."""
        yield _gauge("gateway_info", "Version of the software.", {(__version__,): 1}, ["version"])
        yield from self._disk()
        try:
            counts = self._census.take()
            ready = not self._site.faults()
            forwarding = self._site.forwarding()
        except StorageFault:
            yield _gauge("gateway_database_up", "Whether the database answers.", {(): 0})
            return
        yield _gauge("gateway_database_up", "Whether the database answers.", {(): 1})
        yield _gauge("gateway_ready", "Whether scans can be taken.", {(): int(ready)})
        waiting = {(): forwarding.waiting if forwarding else 0}
        yield _gauge("gateway_audit_lines_waiting", "Lines that the record repository does not have yet.", waiting)
        yield from _now(counts)
        yield from _tallied(counts.tallies)

    def _disk(self) -> Iterator[Metric]:
        disk = self._site.disk()
        yield _gauge(
            "gateway_disk_used_ratio", "How full the disk of the recordings is, of 1.", {(): disk.used_percent / 100}
        )
        yield _gauge("gateway_disk_free_bytes", "What is free of it.", {(): disk.free_gb * 1e9})
        yield _gauge("gateway_disk_refuse_ratio", "How full it may be.", {(): disk.refuse_percent / 100})


def _now(counts: Counts) -> Iterator[Metric]:
    """Tell what is there."""
    names = _known({name for name, _ in counts.deliveries} | counts.away)
    deliveries: dict[tuple[str, ...], float] = defaultdict(float)
    for (name, state), number in counts.deliveries.items():
        deliveries[names[name], state] += number
    jobs = {(state,): float(number) for state, number in counts.jobs.items()}
    waits = {("job",): counts.job_waits_s, ("delivery",): counts.delivery_waits_s}
    away = {(names[name],): 1.0 for name in counts.away}
    processes = {(role,): float(number) for role, number in counts.processes.items()}
    yield _gauge("gateway_jobs", "Jobs with which something is to be done.", jobs, ["state"])
    yield _gauge("gateway_deliveries", "Deliveries on their way.", deliveries, ["destination", "state"])
    yield _gauge("gateway_oldest_wait_seconds", "How long the oldest one waits.", waits, ["what"])
    yield _gauge("gateway_sessions", "Scans that arrive.", {(): counts.sessions})
    yield _gauge("gateway_destination_away", "Destinations that do not answer.", away, ["destination"])
    alarms = {(str(kind),): float(number) for kind, number in counts.alarms.items()}
    yield _gauge("gateway_chart_alarms", "Control charts with an alarm.", alarms, ["alarm"])
    yield _gauge("gateway_processes", "Processes at work.", processes, ["role"])


def _tallied(tallies: Sequence[Tally]) -> Iterator[Metric]:
    """Tell what has happened so far."""
    rows: dict[str, list[Tally]] = defaultdict(list)
    for one in tallies:
        rows[one.metric].append(one)
    for metric, name, told in (
        ("jobs", "gateway_job_events", "What has happened to jobs."),
        ("deliveries", "gateway_delivery_events", "What has happened to deliveries."),
        ("scans", "gateway_scans", "Scans that came, by what became of them."),
    ):
        label = "state" if metric == "scans" else "event"
        counter = CounterMetricFamily(name, told, labels=[label])
        for one in rows[metric]:
            counter.add_metric([one.label], one.count)
        yield counter
    received = sum(one.total for one in rows["scans"])
    yield CounterMetricFamily("gateway_received_bytes", "What scanners have sent.", value=received)
    yield _histogram("gateway_job_seconds", "From the end of a scan to its series.", rows["jobs_seconds"], "recipe")
    told = "From a series to a destination that has all of it."
    yield _histogram("gateway_delivery_seconds", told, rows["deliveries_seconds"], "destination")


def _gauge(name: str, told: str, values: Mapping[Key, float], labels: Sequence[str] = ()) -> Metric:
    gauge = GaugeMetricFamily(name, told, labels=list(labels))
    for key, value in values.items():
        gauge.add_metric(list(key), value)
    return gauge


def _histogram(name: str, told: str, rows: Sequence[Tally], label: str) -> Metric:
    """Tell durations; Prometheus wants each bucket to count all shorter ones, too."""
    histogram = HistogramMetricFamily(name, told, labels=[label])
    known = _known({one.label for one in rows})
    for value in sorted(set(known.values())):
        mine = [one for one in rows if known[one.label] == value]
        counts = [sum(one.count for one in mine if one.bucket <= bucket) for bucket in range(len(BOUNDS_S) + 1)]
        bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
        histogram.add_metric([value], list(zip(bounds, counts, strict=True)), sum_value=sum(one.total for one in mine))
    return histogram


def _known(names: set[str]) -> dict[str, str]:
    """Call each by its name, and what is too many by one name together."""
    return {name: name if place < MOST_DESTINATIONS else OTHERS for place, name in enumerate(sorted(names))}
