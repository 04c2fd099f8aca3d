"""What commands print of routes: destinations, what they say to a scan, versions and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from gateway.jobs.route_versions import RouteVersion
from gateway.routing.choose import Explanation
from gateway.show import clean, table_of, time_of


def show_destinations(console: Console, destinations: Mapping[str, Mapping[str, object]]) -> None:
    """List destinations by name."""
    table = table_of("name", "kind", "where")
    for name, one in destinations.items():
        table.add_row(clean(name), str(one["kind"]), clean(_where(one)))
    console.print(table)


def _where(destination: Mapping[str, object]) -> str:
    """Say where a destination is, and whether what goes there can be read on the way."""
    match destination["kind"]:
        case "folder":
            return str(destination["path"])
        case "stow" | "dicomweb":
            where = str(destination["url"])
        case _:
            where = f"{destination['ae_title']}@{destination['host']}:{destination['port']}"
    return f"{where} ({'in the clear' if destination['plain'] else 'TLS'})"


def show_advice(console: Console, counted: str, advice: Sequence[str]) -> None:
    """Say that routes may be applied, and what they have to no purpose."""
    console.print(f"{counted}; {'may be applied' if advice else 'all well'}")
    for sentence in advice:
        console.print(f"  [yellow]{clean(sentence)}[/yellow]", soft_wrap=True)


def show_explanation(console: Console, explanation: Explanation) -> None:
    """Tell what each rule says to a scan, and what would be done with it."""
    choice = explanation.choice
    table = table_of("rule", "", "why")
    decided = False
    for verdict in explanation.verdicts:
        mark = "" if verdict.misfits else "would fit, too" if decided else "[green]takes it[/green]"
        decided = decided or not verdict.misfits
        table.add_row(clean(verdict.rule), mark, clean("; ".join(verdict.misfits)))
    console.print(table)
    if choice is None:
        console.print(f"[yellow]the scan would be held:[/yellow] {clean(explanation.refusal)}", soft_wrap=True)
        return
    sent = ", ".join(choice.destinations)
    console.print(f"recipe {clean(choice.recipe_name)!r}, to {clean(sent)}; {clean(choice.why[-1])}", soft_wrap=True)


def show_expectations(console: Console, found: Mapping[str, Sequence[str]]) -> None:
    """Tell which expectations are not met, and in which points."""
    unmet = {name: points for name, points in found.items() if points}
    for name, points in unmet.items():
        console.print(f"[red]{clean(name)}[/red]: {clean('; '.join(points))}", soft_wrap=True)
    console.print(f"{len(found) - len(unmet)} of {len(found)} expectations are met")


def show_versions(console: Console, versions: Sequence[RouteVersion]) -> None:
    """List versions of the routes."""
    table = table_of("version", "applied", "by", "comment")
    for one in versions:
        table.add_row(str(one.number), time_of(one.at), clean(one.who), clean(one.comment))
    console.print(table)


def show_difference(console: Console, lines: Sequence[str]) -> None:
    """Print a difference, what came green and what went red."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        console.print(clean(line), style=styles.get(line[:1]), soft_wrap=True, highlight=False)
