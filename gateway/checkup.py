"""The doctor's round: everything that is looked at, in order; what cannot be opened is a finding, and not the end."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url

from gateway.doctor import machine
from gateway.doctor.certificates import certificates, of_peer, own
from gateway.doctor.database import database
from gateway.doctor.destinations import HTTPS_PORT, destination, source
from gateway.doctor.finding import Finding, attempt, bad, doubtful, good
from gateway.doctor.ports import port
from gateway.doctor.proof import away, our_port
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database
from gateway.model.commitment import Commitment
from gateway.model.destinations import PacsDestination
from gateway.model.errors import GatewayError
from gateway.model.route import Routes
from gateway.settings import Settings, Web, load_routes, load_settings
from gateway.stations import Stations, provider_of, stations_of, zoo_of
from gateway.telling import mail_of, syslog_of

ASK_S = 2.0


def examine(config: Path | None) -> Iterator[Finding]:
    """Look the whole site over; nothing is changed, not even the schema.

    Raises
    ------
    SettingsFault
        There is nothing to look over: the settings say something impossible.
    """
    settings, now = load_settings(config), utc_now()
    yield from machine.versions()
    yield from machine.clock()
    yield from machine.gpu(settings.workers.device)
    for what, folder in (("spool", settings.data.spool_folder), ("outbox", settings.data.outbox_folder)):
        yield from machine.disk(what, _there(folder))
    stations, found = _opened(settings)
    yield from found
    if stations is not None:
        yield from _state(stations)
    yield from _ports(settings, stations)
    yield from _own_certificates(settings, now)
    yield from _destinations(settings, stations, now)
    yield from _models(settings)
    yield from _telling(settings, now)
    yield from _provider(settings, now)


def _there(folder: Path) -> Path:
    """Find what there is of a folder that the first start makes."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), folder)


def _opened(settings: Settings) -> tuple[Stations | None, list[Finding]]:
    """Open the database where it is there and of this version."""
    url = settings.database_url.get_secret_value()
    file = make_url(url).database
    if url.startswith("sqlite") and file and not Path(file).exists():
        return None, [good("database", f"{file} is made at the first start")]
    engine = open_database(url)
    found = list(database(engine))
    if not any(one.what == "schema" and one.said.endswith("this version's") for one in found):
        return None, found
    try:
        return stations_of(settings, engine), found
    except GatewayError as fault:
        return None, [*found, bad("routes", str(fault), "gateway routes check says more; gateway routes rollback")]


def _state(stations: Stations) -> Iterator[Finding]:
    """Look at what the database holds."""
    remedy = "somebody changed the database by hand: find out who, and keep a copy"
    yield attempt("audit trail", stations.audit.verify, said="is whole", remedy=remedy)
    if stations.people.any():
        yield good("accounts", "somebody can sign in")
    else:
        yield doubtful("accounts", "nobody can sign in to the page", "gateway users invite NAME --role admin")
    state = stations.forwarding.state() if stations.settings.atna.host else None
    if state is not None and state.reason:
        told, remedy = f"{state.waiting} lines wait: {state.reason}", "they go by themselves when it answers again"
        yield doubtful("audit messages", told, remedy)
    views = stations.overview.destinations([*stations.routes.destinations])
    yield from away({one.name: one.reason for one in views if one.away_since})


def _ports(settings: Settings, stations: Stations | None) -> Iterator[Finding]:
    """Look at the ports that we listen on, or will."""
    at_work = [one for one in stations.presences.all() if not one.silent] if stations else []
    roles = {one.role for one in at_work}
    listener, web, dicom = settings.listener, settings.web, settings.dicom
    yield port("port for scanners", listener.host, listener.port, ours="listener" in roles)
    if web.enabled:
        yield port("port of the page", web.host, web.port, ours=_is_our_page(web))
        if not web.loopback and web.certificate_file is None:
            yield doubtful(
                "page", "is not encrypted itself", "set web.certificate_file, or let a proxy speak TLS before it"
            )
    if dicom.enabled:
        yield port("port for DICOM", dicom.host, dicom.port, ours="dicom" in roles)


def _is_our_page(web: Web) -> bool:
    """Ask whoever answers there; who it is matters, not whether its certificate is good."""
    host = "127.0.0.1" if web.host in ("0.0.0.0", "::") else web.host  # noqa: S104 - asked, not bound
    if web.certificate_file is None:
        connection = http.client.HTTPConnection(host, web.port, timeout=ASK_S)
    else:
        unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(host, web.port, timeout=ASK_S, context=unchecked)
    try:
        connection.request("GET", "/health/live", headers={"Host": f"localhost:{web.port}"})
        return connection.getresponse().read(64) == b'{"status":"live"}'
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _own_certificates(settings: Settings, now: datetime) -> Iterator[Finding]:
    if settings.web.certificate_file is not None:
        yield from own("certificate of the page", settings.web.certificate_file, None, now=now)
    if settings.dicom.enabled and (tls := settings.dicom.tls) is not None:
        yield from own("certificate of the DICOM port", tls.certificate_file, tls.key_file, now=now)
        yield from certificates("callers of the DICOM port", tls.ca_file, now=now)


def _destinations(settings: Settings, stations: Stations | None, now: datetime) -> Iterator[Finding]:
    """Look at destinations and sources: of the routes in force, or of the file where nothing was opened."""
    try:
        routes: Routes = stations.routes if stations else load_routes(settings)
    except GatewayError as fault:
        yield bad("routes", str(fault), "gateway routes check says more")
        return
    yield good("routes", f"rules: {len(routes.rules)}, destinations: {len(routes.destinations)}")
    for name, where in routes.destinations.items():
        yield from destination(name, where, now=now)
    asked = (Commitment.AUTO, Commitment.REQUIRED)
    commits = any(isinstance(one, PacsDestination) and one.commitment in asked for one in routes.destinations.values())
    yield from our_port(enabled=settings.dicom.enabled, plain=settings.dicom.plain, commits=commits)
    for name, whom in routes.sources.items():
        yield from source(name, whom, now=now)


def _models(settings: Settings) -> Iterator[Finding]:
    """Hold the weights of every model against the hash on its card."""
    for model in zoo_of(settings).examine():
        what = f"model {model.name}"
        if model.fault:
            yield bad(what, model.fault, "copy it anew from where it came from; do not use it")
        else:
            yield good(what, f"version {model.version}, its weights are those of its card")


def _telling(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Try the ways by which people are told, without telling anybody anything."""
    for channel, file in (("webhook", settings.webhook.ca_file), ("email", settings.email.ca_file)):
        if file is not None:
            yield from certificates(f"{channel}: ca_file", file, now=now)
    webhook = settings.webhook
    if webhook.url is not None and (url := urlsplit(webhook.url)).scheme == "https":
        try:
            context = ssl.create_default_context(cafile=webhook.ca_file)
        except OSError:
            return
        where = (url.hostname or "", url.port or HTTPS_PORT)
        yield of_peer("webhook: its certificate", where, context, timeout_s=webhook.timeout_s)
    if settings.atna.ca_file is not None:
        yield from certificates("atna: ca_file", settings.atna.ca_file, now=now)
    if (syslog := syslog_of(settings)) is not None:
        what, remedy = "record repository", "check [atna]: host, port and certificates"
        if settings.atna.plain:
            told = "gets patients' data in the clear, by UDP, which nobody confirms"
            yield doubtful(what, told, "use TLS, unless the network is your own")
        else:
            yield attempt(what, syslog.check, said="answers, and is whom we know", remedy=remedy)
    if (mail := mail_of(settings)) is not None:
        remedy = "check [email]: host, security, user, password"
        yield attempt("email", mail.check, said="the server lets us in", remedy=remedy)


def _provider(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Ask the identity provider for everything that signing in needs."""
    if settings.oidc.ca_file is not None:
        yield from certificates("oidc: ca_file", settings.oidc.ca_file, now=now)
    what, remedy = "identity provider", "check [oidc]: issuer, exactly as the provider writes it, ca_file and proxy"
    try:
        provider = provider_of(settings)
    except GatewayError as fault:
        yield bad(what, str(fault), "install the extra, or take [oidc] out")
        return
    if provider is not None:
        yield attempt(what, provider.check, said="answers, and shows its keys", remedy=remedy)
