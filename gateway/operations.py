"""What a person at the command line asks of the stations."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway import __version__
from gateway.export import export_recording
from gateway.jobs.database import open_database, upgrade
from gateway.model.errors import StorageFault, WrongCall
from gateway.model.person import Role
from gateway.model.route import Routes
from gateway.settings import Settings, routes_source
from gateway.stations import Stations, page_address


def person() -> str:
    """Name whoever typed the command."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def on_record(stations: Stations, role: str) -> Iterator[None]:
    """Put on the audit trail that somebody starts a part of the gateway, and that it stops."""
    stations.audit.add(person(), "gateway started", f"{role}, version {__version__}")
    try:
        yield
    finally:
        with suppress(StorageFault):  # it stops all the same
            stations.audit.add(person(), "gateway stopped", role)


def set_up_link(stations: Stations) -> str | None:
    """Make the one-time link by which the first administrator comes in; nothing where somebody has an account."""
    if stations.people.any():
        return None
    return invitation_link(stations, "admin", Role.ADMIN)


def invitation_link(stations: Stations, name: str, role: Role) -> str:
    """Make a one-time link by which a person chooses a password."""
    secret = stations.people.invite(name, role, who=person())
    return f"{page_address(stations.settings.web)}set-up/{secret}"


def export(stations: Stations, start_of_id: str, to: Path, *, project: str) -> int:
    """Write the recording of a scan to a file, without its patient where a project is named; return its length.

    Raises
    ------
    WrongCall
        There is no such scan or project, or the file is there already.
    """
    projects = stations.routes.projects
    if project and project not in projects:
        raise WrongCall(f"there is no project {project!r} in the routes; known are: {', '.join(projects) or 'none'}")
    scan = stations.queries.scan(start_of_id)
    if scan.recording is None or scan.digest is None:
        raise WrongCall(f"scan {scan.id} has no recording")
    recording = stations.spool.open(scan.recording, digest=scan.digest)
    n_bytes = export_recording(recording, to, digest=scan.digest, project=projects.get(project))
    how = f"for project {project}" if project else "with its patient"
    stations.audit.add(person(), f"scans {scan.id} exported", how)
    return n_bytes


def routes_to_try(stations: Stations, file: Path | None) -> Routes:
    """Read the routes in a file, or take those in force."""
    if file is None:
        return stations.routes
    source = routes_source(stations.settings, file)
    return stations.steering.parse(source.text, source=source.name)


def apply_routes(stations: Stations, file: Path | None, comment: str) -> int:
    """Put routes in force: those in ``file``, else those in the file that the settings name."""
    source = routes_source(stations.settings, file)
    return stations.steering.apply(source.text, source=source.name, who=person(), comment=comment)


def upgrade_database(settings: Settings) -> str:
    """Bring the schema up to date and return its version."""
    return upgrade(open_database(settings.database_url.get_secret_value()))
