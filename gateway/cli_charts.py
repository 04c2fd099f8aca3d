"""Commands for control charts: what checks and phantoms measure over time; no logic lives here."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import operations, show
from gateway.options import Config, Json, out
from gateway.stations import open_stations

charts = typer.Typer(no_args_is_help=True, help="Control charts: what checks and phantoms measure over time.")
ChartNumber = Annotated[int, typer.Argument(help="Number of the chart.", min=1)]


@charts.command("list")
def charts_list(config: Config = None, as_json: Json = False) -> None:
    """List every chart, those with an alarm first. Exit code 1 where one has an alarm."""
    found = open_stations(config).jobs.charts.all()
    print(show.as_json(found)) if as_json else show.show_charts(out, found)  # noqa: T201
    raise typer.Exit(1 if any(one.alarm for one in found) else 0)


@charts.command("show")
def charts_show(chart: ChartNumber, config: Config = None, as_json: Json = False) -> None:
    """Show a chart and its newest readings."""
    found = open_stations(config).jobs.charts.one(chart)
    print(show.as_json(found)) if as_json else show.show_chart(out, found)  # noqa: T201


@charts.command("restart")
def charts_restart(
    chart: ChartNumber,
    reason: Annotated[str, typer.Option(help="Why; it goes to the audit trail.")],
    config: Config = None,
) -> None:
    """Begin a new baseline: the next 30 readings say what is usual from now on."""
    open_stations(config).jobs.charts.restart(chart, who=operations.person(), reason=reason)
    out.print(f"chart {chart} begins anew")
