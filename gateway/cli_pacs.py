"""Commands about destinations, and about who knows whose scan it is; no logic lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Optional

import typer

from gateway import operations, show, show_routes
from gateway.inquiry import Wanted
from gateway.options import Config, Json, Limit, out
from gateway.stations import open_stations

pacs = typer.Typer(no_args_is_help=True, help="Destinations, and what PACS and worklists say.")

Peer = Annotated[str, typer.Argument(help="Its name in the routes.")]
PatientId = Annotated[str, typer.Option(help="Patient ID, whole.")]
PatientName = Annotated[str, typer.Option("--name", help="Family name first; * stands for anything.")]
Accession = Annotated[str, typer.Option(help="Accession number, whole.")]
Day = Annotated[Optional[datetime], typer.Option("--date", formats=["%Y-%m-%d"], help="The day.")]  # noqa: UP045
Until = Annotated[Optional[datetime], typer.Option("--until", formats=["%Y-%m-%d"], help="The last day.")]  # noqa: UP045


@pacs.command("list")
def pacs_list(config: Config = None, as_json: Json = False) -> None:
    """List the destinations, and the sources that are only asked."""
    routes = open_stations(config).routes
    found = {name: one.model_dump(mode="json") for name, one in {**routes.destinations, **routes.sources}.items()}
    print(show.as_json(found)) if as_json else show_routes.show_destinations(out, found)  # noqa: T201


@pacs.command("echo")
def pacs_echo(destination: Peer, config: Config = None) -> None:
    """Ask a PACS or a worklist whether it is there and knows us (C-ECHO), or an archive whether it answers."""
    open_stations(config).control.echo(destination)
    out.print(f"{destination} answers")


@pacs.command("studies")
def pacs_studies(
    source: Peer,
    patient_id: PatientId = "",
    name: PatientName = "",
    accession: Accession = "",
    date: Day = None,
    until: Until = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List studies that a PACS or an archive has, the newest first. Shows patients."""
    wanted = Wanted.of(patient_id=patient_id, patient_name=name, accession_number=accession, day=date, until=until)
    found = open_stations(config).inquiry.studies(source, wanted, who=operations.person())
    print(show.as_json(found[:limit])) if as_json else show.show_studies(out, found, limit)  # noqa: T201


@pacs.command("worklist")
def pacs_worklist(
    source: Peer,
    patient_id: PatientId = "",
    name: PatientName = "",
    accession: Accession = "",
    date: Day = None,
    until: Until = None,
    station: Annotated[str, typer.Option(help="AE title of the scanner; without it, that of the routes.")] = "",
    limit: Limit = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List MR procedures that a worklist has, the earliest first. Shows patients."""
    wanted = Wanted.of(patient_id=patient_id, patient_name=name, accession_number=accession, day=date, until=until)
    found = open_stations(config).inquiry.requests(source, wanted, who=operations.person(), station=station)
    print(show.as_json(found[:limit])) if as_json else show.show_requests(out, found, limit)  # noqa: T201
