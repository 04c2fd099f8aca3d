"""What commands print: tables and timelines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.dicom.listing import RequestRow, StudyRow
from gateway.doctor.finding import Finding
from gateway.jobs.audit import Sealed
from gateway.jobs.charts import ChartView
from gateway.jobs.people import Person
from gateway.jobs.queries import EventView, JobView, ScanView
from gateway.jobs.rulings import RulingView
from gateway.jobs.tokens import Token
from gateway.model.identity import Candidate, Identity
from gateway.zoo.zoo import Finding as ModelFinding

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
        if isinstance(one, frozenset):
            return sorted(one)
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


def time_of(moment: datetime | None) -> str:
    """Write a moment by this machine's clock."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def table_of(*columns: str) -> Table:
    """Make a table as all commands print them."""
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[-1].overflow = "fold"
    return table


def show_scans(console: Console, scans: Sequence[ScanView]) -> None:
    """List scans."""
    table = table_of("scan", "state", "arrived", "from", "readouts", "MB", "protocol", "reason")
    for scan in scans:
        size = f"{scan.n_bytes / 1e6:.1f}"
        protocol = clean(scan.facts.get("protocol", ""))
        cells = (
            time_of(scan.started_at),
            clean(scan.peer),
            str(scan.n_acquisitions),
            size,
            protocol,
            clean(scan.reason),
        )
        table.add_row(scan.id[:12], _state(scan.state), *cells)
    console.print(table)


def show_jobs(console: Console, jobs: Sequence[JobView]) -> None:
    """List jobs."""
    table = table_of("job", "state", "made", "protocol", "recipe", "deliveries", "reason")
    for job in jobs:
        sent = ", ".join(
            f"{one.destination} {_state(one.state)} {one.n_stored}/{one.n_instances}" for one in job.deliveries
        )
        reason = job.reason or "; ".join(
            one.reason for one in job.deliveries if one.state not in ("STORED", "COMMITTED")
        )
        protocol = clean(job.scan.facts.get("protocol", ""))
        cells = (time_of(job.created_at), protocol, job.recipe or "", sent, clean(reason))
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


def show_ruling(console: Console, view: RulingView | None) -> None:
    """Tell what the quality gate said of a job's images, where it was asked."""
    if view is None:
        return
    styles = {"pass": "green", "fail": "red"}
    table = table_of("check", "grade", "value", "warn above", "fail above", "cost", "")
    for one in view.ruling.assessments:
        style = styles.get(one.grade, "yellow")
        number = "" if one.value is None else f"{one.value:.3g}"
        limits = f"{one.warn_above:g}", f"{one.fail_above:g}"
        table.add_row(
            one.check, f"[{style}]{one.grade}[/{style}]", number, *limits, f"{one.seconds:.2f} s", clean(one.note)
        )
    console.print(table)
    by = (
        f", {view.ruling.decision} by {clean(view.decided_by or '')}: {clean(view.reason)}"
        if view.ruling.decision
        else ""
    )
    console.print(f"{view.ruling.action} by policy {clean(view.ruling.policy)!r}{by}", soft_wrap=True)
    if view.open:
        console.print("gateway jobs review JOB accept|replace|reject --reason WHY says what becomes of them")


def keyed(candidates: Sequence[Candidate]) -> list[dict[str, object]]:
    """Write candidates with the keys by which they are chosen."""
    return [{"key": one.key, **asdict(one)} for one in candidates]


def show_candidates(console: Console, job: JobView, candidates: Sequence[Candidate]) -> None:
    """List who a scan may be of, and say how one of them is chosen."""
    if not candidates:
        return
    table = table_of("candidate", "from", *_WHO, "study", "at odds with the scanner")
    for one in candidates:
        at_odds = f"[yellow]{', '.join(one.differences)}[/yellow]"
        table.add_row(one.key, clean(one.source), *_who(one.identity), _study(one.identity), at_odds)
    console.print(table)
    console.print(f"gateway jobs choose {job.id} CANDIDATE says who it is", soft_wrap=True)


def show_studies(console: Console, rows: Sequence[StudyRow], limit: int) -> None:
    """List studies of a PACS."""
    table = table_of(*_WHO, "modalities", "series", "images", "study")
    for row in rows[:limit]:
        counts = (clean(row.modalities), clean(row.n_series), clean(row.n_instances))
        table.add_row(*_who(row.identity), *counts, _study(row.identity))
    _print_listed(console, table, len(rows), limit)


def show_requests(console: Console, rows: Sequence[RequestRow], limit: int) -> None:
    """List what a worklist has."""
    table = table_of("scheduled", "station", *_WHO, "procedure", "study")
    for row in rows[:limit]:
        when = clean(f"{row.day} {row.time[:4]}")
        who = _who(row.identity)
        table.add_row(when, clean(row.station), *who, clean(row.identity.study_description or ""), _study(row.identity))
    _print_listed(console, table, len(rows), limit)


_WHO = ("patient ID", "name", "born", "sex", "accession")


def _who(identity: Identity) -> tuple[str, ...]:
    given = (identity.patient_id, identity.patient_name, identity.birth_date, identity.sex, identity.accession_number)
    return tuple(clean(text or "") for text in given)


def _study(identity: Identity) -> str:
    given = (identity.study_date, identity.study_description, identity.study_instance_uid or "(of its own)")
    return clean(" ".join(text for text in given if text))


def _print_listed(console: Console, table: Table, n_found: int, limit: int) -> None:
    if not n_found:
        console.print("nothing fits")
        return
    console.print(table)
    if n_found > limit:
        console.print(f"{n_found - limit} more fit; --limit shows them, a narrower question finds them")


def show_timeline(console: Console, events: Sequence[EventView]) -> None:
    """Print a timeline: when, how long after the first line, who, what."""
    table = table_of("time", "after", "by", "what", "")
    for event in events:
        after = (event.at - events[0].at).total_seconds()
        when = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        table.add_row(when, f"{after:.3f} s", clean(event.who.partition("@")[0]), clean(event.what), clean(event.text))
    console.print(table)


def show_models(console: Console, models: Sequence[ModelFinding]) -> None:
    """List learned models."""
    table = table_of("name", "version", "network", "for", "licence", "")
    for one in models:
        table.add_row(*map(clean, (one.name, one.version, one.network, one.purpose, one.licence, one.fault or "whole")))
    console.print(table)


def show_charts(console: Console, charts: Sequence[ChartView]) -> None:
    """List control charts."""
    table = table_of("chart", "quantity", "state", "last", "usual", "of", "protocol", "scanner")
    for one in charts:
        usual = f"{one.baseline.centre:.4g} ± {one.baseline.sigma:.2g}" if one.baseline else ""
        last = "" if one.last_value is None else f"{one.last_value:.4g}"
        state = f"[red]{one.alarm}[/red]" if one.alarm else one.state
        names = map(clean, (one.trend.subject, one.trend.protocol, one.trend.scanner))
        table.add_row(str(one.id), one.quantity, state, last, usual, *names)
    console.print(table)


def show_chart(console: Console, chart: ChartView) -> None:
    """Show a control chart, the newest readings first."""
    since = f" since {time_of(chart.alarm_since)}" if chart.alarm_since else ""
    console.print(f"{clean(chart.name)}: {chart.state}{since}", soft_wrap=True)
    if chart.baseline:
        (low, high), (least, most) = chart.baseline.band, chart.baseline.jumps
        console.print(
            f"usual {chart.baseline.centre:.4g}, average within {low:.4g} to {high:.4g}, "
            f"each within {least:.4g} to {most:.4g}"
        )
    table = table_of("time", "value", "job")
    for point in reversed(chart.points):
        table.add_row(time_of(point.at), f"{point.value:.5g}", str(point.job))
    console.print(table)


def show_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table of whatever can be written; moments and numbers short."""
    table = table_of(*columns)
    for row in rows:
        table.add_row(*(_cell(one) for one in row))
    console.print(table)


def _cell(value: object) -> str:
    match value:
        case datetime():
            return time_of(value)
        case float():
            return f"{value:.3g}"
        case tuple():
            return " ".join(_cell(one) for one in value)
        case None:
            return "-"
        case _:
            return clean(str(value))


def show_people(console: Console, people: Sequence[Person]) -> None:
    """List people."""
    table = table_of("name", "role", "since", "account")
    for one in people:
        account = (
            "closed" if one.disabled else f"locked until {time_of(one.locked_until)}" if one.locked_until else "open"
        )
        table.add_row(clean(one.name), one.role, time_of(one.created_at), account)
    console.print(table)


def show_tokens(console: Console, tokens: Sequence[Token]) -> None:
    """List tokens."""
    table = table_of("token", "name", "rights", "made by", "made", "last used", "good until")
    for one in tokens:
        until = f"revoked {time_of(one.revoked_at)}" if one.revoked_at else time_of(one.expires_at) or "it is revoked"
        cells = (time_of(one.created_at), time_of(one.used_at) or "never", until)
        table.add_row(str(one.id), clean(one.name), ", ".join(sorted(one.rights)), clean(one.made_by), *cells)
    console.print(table)


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Tell what the doctor found, and what to do about it."""
    styles = {"good": "green", "doubtful": "yellow", "bad": "red"}
    table = table_of("what", "", "found", "what to do")
    for one in findings:
        mark = f"[{styles[one.health]}]{one.health}[/{styles[one.health]}]"
        table.add_row(clean(one.what), mark, clean(one.said), clean(one.remedy))
    console.print(table)


def show_trail(console: Console, lines: Sequence[Sealed]) -> None:
    """List lines of the audit trail."""
    table = table_of("line", "time", "who", "what", "")
    for line in lines:
        deed = line.deed
        table.add_row(str(line.number), time_of(deed.at), clean(deed.who), clean(deed.what), clean(deed.text))
    console.print(table)
