"""Commands about the work: jobs and scans, listed, told and changed; no logic lives here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway import operations, show
from gateway.cli_pacs import Accession, Day, PatientId, PatientName
from gateway.inquiry import Wanted
from gateway.model.gate import Decision
from gateway.model.job import JobState
from gateway.model.work import WorkEvent
from gateway.options import Config, Json, Limit, out
from gateway.stations import open_stations

jobs = typer.Typer(no_args_is_help=True, help="Reconstructions: list, story, and what a person may do to them.")
scans = typer.Typer(no_args_is_help=True, help="Scans as they came in.")

JobNumber = Annotated[int, typer.Argument(help="Number of the job.", min=1)]
Reason = Annotated[str, typer.Option(help="Why; it is written into the job's timeline.")]


@jobs.command("list")
def jobs_list(
    config: Config = None,
    limit: Limit = 50,
    state: JobState | None = None,
    as_json: Json = False,
) -> None:
    """List the newest jobs."""
    found = open_stations(config).queries.jobs(limit, state)
    print(show.as_json(found)) if as_json else show.show_jobs(out, found)  # noqa: T201


@jobs.command("show")
def jobs_show(job: JobNumber, config: Config = None, as_json: Json = False) -> None:
    """Tell the story of one job: every step with its time."""
    queries = open_stations(config).queries
    found = queries.job(job)
    timeline = queries.timeline(found)
    candidates, ruling = queries.candidates(found), queries.ruling(job)
    if as_json:
        told = {"job": found, "timeline": timeline, "candidates": show.keyed(candidates), "ruling": ruling}
        print(show.as_json(told))  # noqa: T201
    else:
        show.show_job(out, found, timeline)
        show.show_ruling(out, ruling)
        show.show_candidates(out, found, candidates)


@jobs.command("choose")
def jobs_choose(
    job: JobNumber,
    candidate: Annotated[str, typer.Argument(help="Key of the candidate, or the beginning of it.")],
    config: Config = None,
    reason: Reason = "",
) -> None:
    """Say who the patient of a held job is, and let it run; it counts for later jobs of the scan, too."""
    one = open_stations(config).jobs.choose(job, candidate, who=operations.person(), reason=reason)
    out.print(f"job {job} is QUEUED as {one.key} of {show.clean(one.source)}")


@jobs.command("review")
def jobs_review(
    job: JobNumber,
    decision: Annotated[Decision, typer.Argument(help="Send them, send the conventional ones instead, or nothing.")],
    reason: Annotated[str, typer.Option(help="Why; it goes to the audit trail.")],
    config: Config = None,
) -> None:
    """Say what becomes of images that the quality gate has held."""
    state = open_stations(config).jobs.review(job, decision, who=operations.person(), reason=reason)
    out.print(f"job {job} is {state}")


@jobs.command("candidates")
def jobs_candidates(
    job: JobNumber,
    source: Annotated[str, typer.Argument(help="Whom to ask: a source, or a PACS, by its name in the routes.")],
    patient_id: PatientId = "",
    name: PatientName = "",
    accession: Accession = "",
    date: Day = None,
    config: Config = None,
) -> None:
    """Look for more candidates for a held job, by what a person knows."""
    stations = open_stations(config)
    wanted = Wanted.of(patient_id=patient_id, patient_name=name, accession_number=accession, day=date)
    n_found = stations.inquiry.look_for_candidates(job, source, wanted, who=operations.person())
    out.print(f"{n_found} found")
    view = stations.queries.job(job)
    show.show_candidates(out, view, stations.queries.candidates(view))


def _act(event: WorkEvent, meaning: str) -> None:
    """Add a command by which a person changes a job."""

    def act(job: JobNumber, config: Config = None, reason: Reason = "") -> None:
        state = open_stations(config).jobs.act(job, event, who=operations.person(), reason=reason)
        out.print(f"job {job} is {state}")

    jobs.command(event.name.lower(), help=meaning)(act)


_act(WorkEvent.RETRY, "Run a failed, quarantined or cancelled job again.")
_act(WorkEvent.HOLD, "Keep a waiting job from running.")
_act(WorkEvent.RELEASE, "Let a held job run.")
_act(WorkEvent.CANCEL, "Give a job up.")


@jobs.command("resend")
def jobs_resend(job: JobNumber, config: Config = None, reason: Reason = "") -> None:
    """Send everything of a job again that has arrived: the same bytes, to the same destinations."""
    sent = open_stations(config).control.resend(job, who=operations.person(), reason=reason)
    out.print(f"{len(sent)} deliveries of job {job} begin again")


@scans.command("list")
def scans_list(config: Config = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List the newest scans."""
    found = open_stations(config).queries.scans(limit)
    print(show.as_json(found)) if as_json else show.show_scans(out, found)  # noqa: T201


@scans.command("show")
def scans_show(
    scan: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show one scan and its jobs."""
    queries = open_stations(config).queries
    found = queries.scan(scan)
    made = queries.jobs_of_scan(found.id)
    if as_json:
        print(show.as_json({"scan": found, "jobs": made}))  # noqa: T201
        return
    show.show_scans(out, [found])
    show.show_jobs(out, made)


@scans.command("replay")
def scans_replay(
    scan: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    recipe: Annotated[str, typer.Option(help="Recipe to use; without it, the one that the scanner asked for.")] = "",
    identify: Annotated[
        bool, typer.Option("--identify", help="Forget whom a person said it is of; ask again.")
    ] = False,
    config: Config = None,
) -> None:
    """Reconstruct a scan again from its recording, in a new job."""
    job = open_stations(config).control.replay(scan, recipe=recipe, who=operations.person(), identify=identify)
    out.print(f"job {job} is queued")


@scans.command("export")
def scans_export(
    scan: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    file: Annotated[Path, typer.Argument(help="A file that is not there yet (.mrd).")],
    deidentify: Annotated[str, typer.Option(help="Project of the routes for which the patient is taken out.")] = "",
    config: Config = None,
) -> None:
    """Write the recording of a scan to a file; it is on the audit trail."""
    n_bytes = operations.export(open_stations(config), scan, file, project=deidentify)
    out.print(f"{n_bytes} bytes in {file}", soft_wrap=True)
