"""Commands by which administrators steer: routes in versions, people, the audit trail; no logic lives here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from gateway import operations, rehearsal, show, show_routes
from gateway.model.person import Right, Role
from gateway.options import Config, Json, Limit, out
from gateway.routing import schema
from gateway.routing.advice import advice
from gateway.routing.choose import explain
from gateway.routing.text import parse_routes
from gateway.settings import load_settings, routes_source
from gateway.stations import open_stations

routes = typer.Typer(no_args_is_help=True, help="Rules, recipes and destinations.")
audit = typer.Typer(no_args_is_help=True, help="Who did what, when: a trail that shows whether it was touched.")

users = typer.Typer(no_args_is_help=True, help="People who may use the page, and what each may do there.")

tokens = typer.Typer(no_args_is_help=True, help="Tokens, by which programs use the API; each with rights of its own.")

RoutesText = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option("--file", help="A routes.toml; without it, the one that gateway.toml names."),
]
RoutesTried = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--file", help="A routes.toml to try; without it, the routes in force."),
]
RoutesVersion = Annotated[int, typer.Argument(help="Number of the version; 0 is before anything was applied.", min=0)]
MaybeVersion = Annotated[Optional[int], typer.Argument(help="Without it, the version in force.", min=0)]  # noqa: UP045
PersonName = Annotated[str, typer.Argument(help="Name of the person, at most 64 characters.")]
Comment = Annotated[str, typer.Option(help="Why; it is kept with the version.")]


@routes.command("schema")
def routes_schema() -> None:
    """Print the JSON Schema of routes.toml, by which editors complete it."""
    print(schema.routes_schema())  # noqa: T201


@routes.command("check")
def routes_check(file: RoutesText = None, config: Config = None) -> None:
    """Say everything that is wrong with routes, and what they have to no purpose, without applying them."""
    source = routes_source(load_settings(config), file)
    found = parse_routes(source.text, source=source.name)
    counted = f"rules: {len(found.rules)}, recipes: {len(found.recipes)}, destinations: {len(found.destinations)}"
    show_routes.show_advice(out, counted, advice(source.text, found))


@routes.command("explain")
def routes_explain(
    scan: Annotated[str, typer.Argument(help="A scan that came in, by its id; or an .h5 or .mrd file.")],
    file: RoutesTried = None,
    source: Annotated[str, typer.Option(help="Address that a file's scan would come from.")] = "",
    recipe: Annotated[str, typer.Option(help="Recipe that a file's scan would ask for.")] = "",
    config: Config = None,
) -> None:
    """Say which rule takes a scan, why the others do not, and what would be done."""
    stations = open_stations(config)
    facts = rehearsal.facts_of_scan(stations.queries, scan, source=source, recipe=recipe)
    show_routes.show_explanation(out, explain(operations.routes_to_try(stations, file), facts))


@routes.command("test")
def routes_test(
    folder: Annotated[Path, typer.Argument(help="Folder of .toml files, each with one expectation.")],
    file: RoutesTried = None,
    config: Config = None,
) -> None:
    """Hold routes against expectations: this scan must take this rule. Exit code 1 where one is not met."""
    found = rehearsal.hold_against(folder, operations.routes_to_try(open_stations(config), file))
    show_routes.show_expectations(out, found)
    raise typer.Exit(1 if any(found.values()) else 0)


@routes.command("apply")
def routes_apply(file: RoutesText = None, config: Config = None, comment: Comment = "") -> None:
    """Check routes and put them in force from the next job on; jobs that wait keep theirs."""
    out.print(f"version {operations.apply_routes(open_stations(config), file, comment)} is in force")


@routes.command("rollback")
def routes_rollback(version: RoutesVersion, config: Config = None, comment: Comment = "") -> None:
    """Put an earlier version in force again, as a new version."""
    number = open_stations(config).steering.roll_back(version, who=operations.person(), comment=comment)
    out.print(f"version {number} is in force")


@routes.command("history")
def routes_history(config: Config = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List the versions that were applied: when, by whom, and why."""
    found = open_stations(config).steering.history(limit)
    print(show.as_json(found)) if as_json else show_routes.show_versions(out, found)  # noqa: T201


@routes.command("diff")
def routes_diff(
    before: RoutesVersion,
    after: MaybeVersion = None,
    config: Config = None,
) -> None:
    """Compare two versions line by line."""
    steering = open_stations(config).steering
    found = steering.difference(before, steering.in_force() if after is None else after)
    show_routes.show_difference(out, found)


@routes.command("export")
def routes_export(
    version: MaybeVersion = None,
    config: Config = None,
) -> None:
    """Print the text of a version."""
    steering = open_stations(config).steering
    sys.stdout.write(steering.toml(steering.in_force() if version is None else version))


@users.command("invite")
def users_invite(
    name: PersonName,
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.VIEWER,
    config: Config = None,
) -> None:
    """Print a one-time link by which a person chooses a password; for somebody known, a new password and role."""
    out.print(operations.invitation_link(open_stations(config), name, role), soft_wrap=True)


@users.command("list")
def users_list(config: Config = None, as_json: Json = False) -> None:
    """List everybody who has an account."""
    found = open_stations(config).people.all()
    print(show.as_json(found)) if as_json else show.show_people(out, found)  # noqa: T201


@users.command("role")
def users_role(name: PersonName, role: Role, config: Config = None) -> None:
    """Give a person another role; it ends their sessions."""
    open_stations(config).people.change(name, role=role, who=operations.person())
    out.print(f"{name} is {role}")


@users.command("disable")
def users_disable(name: PersonName, config: Config = None) -> None:
    """Close an account and end its sessions."""
    open_stations(config).people.change(name, disabled=True, who=operations.person())
    out.print(f"the account of {name} is closed")


@users.command("enable")
def users_enable(name: PersonName, config: Config = None) -> None:
    """Open a closed account again."""
    open_stations(config).people.change(name, disabled=False, who=operations.person())
    out.print(f"the account of {name} is open")


@tokens.command("create")
def tokens_create(
    name: Annotated[str, typer.Argument(help="What it is for, at most 64 characters.")],
    scope: Annotated[list[Right], typer.Option(help="A right that it gives; may be repeated.")],
    days: Annotated[float, typer.Option(help="It is good for so long; 0 is until it is revoked.", min=0)] = 90,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a token and print its secret, this once: nobody can show it again."""
    who = operations.person()
    made = open_stations(config).tokens.create(name[:64], set(scope), who=who, days=days or None)
    print(show.as_json(made) if as_json else made.secret)  # noqa: T201


@tokens.command("list")
def tokens_list(config: Config = None, as_json: Json = False) -> None:
    """List every token that there was, newest first."""
    found = open_stations(config).tokens.all()
    print(show.as_json(found)) if as_json else show.show_tokens(out, found)  # noqa: T201


@tokens.command("revoke")
def tokens_revoke(
    token: Annotated[int, typer.Argument(help="Its number in the list.", min=1)], config: Config = None
) -> None:
    """Let a token open nothing any more."""
    revoked = open_stations(config).tokens.revoke(token, who=operations.person())
    out.print(f"token {revoked.id} ({show.clean(revoked.name)}) is revoked")


@audit.command("list")
def audit_list(config: Config = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List what people did, who was refused, and what went where, newest first."""
    trail = open_stations(config).audit
    trail.read_by(operations.person())
    found = trail.newest(limit)
    print(show.as_json(found)) if as_json else show.show_trail(out, found)  # noqa: T201


@audit.command("verify")
def audit_verify(config: Config = None) -> None:
    """Check that no line of the audit trail was changed, taken out or put in."""
    length, digest = open_stations(config).audit.verify()
    out.print(f"{length} lines, all as they were written; the last digest is {digest}", soft_wrap=True)
