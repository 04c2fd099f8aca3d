"""What commands print: tables and timelines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.jobs.queries import EventView, JobView, ScanView

STYLES = {
    "DONE": "green",
    "STORED": "green",
    "COMMITTED": "green",
    "COMPLETE": "green",
    "RUNNING": "cyan",
    "SENDING": "cyan",
    "RECEIVING": "cyan",
    "HELD": "yellow",
    "WAITING": "yellow",
    "INCOMPLETE": "yellow",
    "FAILED": "red",
    "QUARANTINED": "red",
    "REJECTED": "red",
}


def as_json(value: object) -> str:
    """Write views as JSON, moments in ISO 8601."""

    def plain(one: object) -> object:
        return asdict(one) if is_dataclass(one) and not isinstance(one, type) else str(one)

    return json.dumps(value, default=plain, indent=1)


def clean(text: str) -> str:
    """Make text from outside safe for a terminal."""
    return escape("".join(character if character.isprintable() else "?" for character in text))


def clean_lines(text: str) -> str:
    """Make several lines from outside safe for a terminal."""
    return "\n".join(clean(line) for line in text.splitlines())


def _state(state: str) -> str:
    style = STYLES.get(state, "default")
    return f"[{style}]{state}[/{style}]"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _table(*columns: str) -> Table:
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[-1].overflow = "fold"
    return table


def show_scans(console: Console, scans: Sequence[ScanView]) -> None:
    """List scans."""
    table = _table("scan", "state", "arrived", "from", "readouts", "MB", "protocol", "reason")
    for scan in scans:
        size = f"{scan.n_bytes / 1e6:.1f}"
        protocol = clean(scan.facts.get("protocol", ""))
        cells = (_time(scan.started_at), clean(scan.peer), str(scan.n_acquisitions), size, protocol, clean(scan.reason))
        table.add_row(scan.id[:12], _state(scan.state), *cells)
    console.print(table)


def show_jobs(console: Console, jobs: Sequence[JobView]) -> None:
    """List jobs."""
    table = _table("job", "state", "made", "protocol", "recipe", "deliveries", "reason")
    for job in jobs:
        sent = ", ".join(
            f"{one.destination} {_state(one.state)} {one.n_stored}/{one.n_instances}" for one in job.deliveries
        )
        reason = job.reason or "; ".join(
            one.reason for one in job.deliveries if one.state not in ("STORED", "COMMITTED")
        )
        protocol = clean(job.scan.facts.get("protocol", ""))
        cells = (_time(job.created_at), protocol, job.recipe or "", sent, clean(reason))
        table.add_row(str(job.id), _state(job.state), *cells)
    console.print(table)


def show_job(console: Console, job: JobView, events: Sequence[EventView]) -> None:
    """Tell the story of one job."""
    console.print(f"[bold]job {job.id}[/bold]  {_state(job.state)}  {clean(job.reason)}".rstrip())
    console.print(f"scan {job.scan.id} from {clean(job.scan.peer)}, {job.scan.n_bytes / 1e6:.1f} MB")
    if job.rule:
        console.print(f"rule {clean(job.rule)!r}, recipe {clean(job.recipe or '')!r}")
    for one in job.deliveries:
        counted = f"{one.n_stored} of {one.n_instances} instances"
        console.print(f"{clean(one.destination)}: {_state(one.state)}, {counted}, series {one.series_instance_uid}")
    show_timeline(console, events)


def show_timeline(console: Console, events: Sequence[EventView]) -> None:
    """Print a timeline: when, how long after the first line, who, what."""
    table = _table("time", "after", "by", "what", "")
    for event in events:
        after = (event.at - events[0].at).total_seconds()
        when = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        table.add_row(when, f"{after:.3f} s", clean(event.who.partition("@")[0]), clean(event.what), clean(event.text))
    console.print(table)


def show_destinations(console: Console, destinations: Mapping[str, Mapping[str, object]]) -> None:
    """List destinations by name."""
    table = _table("name", "kind", "where")
    for name, one in destinations.items():
        where = str(one["path"]) if one["kind"] == "folder" else f"{one['ae_title']}@{one['host']}:{one['port']}"
        table.add_row(clean(name), str(one["kind"]), clean(where))
    console.print(table)
