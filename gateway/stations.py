"""The settings as stations: everything that roles are made of, opened and brought up to date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from gateway.control import Control
from gateway.dicom.session import Gate, ServiceLimits
from gateway.dicom.tls import server_context
from gateway.inquiry import Inquiry
from gateway.jobs.audit import AuditTrail
from gateway.jobs.bell import Pace
from gateway.jobs.census import Census
from gateway.jobs.clock import clock_of, utc_now
from gateway.jobs.credentials import Terms as SessionTerms
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.forwarding import Forwarding
from gateway.jobs.lease import Terms
from gateway.jobs.notices import Notices
from gateway.jobs.overview import Overview
from gateway.jobs.people import People
from gateway.jobs.presence import Presences
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.route_versions import RouteVersions
from gateway.jobs.scans import ScanStore
from gateway.jobs.sessions import Sessions
from gateway.jobs.sign_on import SignOns
from gateway.jobs.studies import Studies
from gateway.jobs.tokens import Tokens
from gateway.logs import configure_logs
from gateway.model.callers import Caller, ServerTls
from gateway.model.errors import GatewayError
from gateway.model.person import Role
from gateway.model.route import Routes
from gateway.model.sign_on import Provider
from gateway.mrd.framing import Limits
from gateway.mrd.listener import SessionLimits
from gateway.oidc.claims import Reading
from gateway.oidc.fetch import Fetcher
from gateway.settings import Settings, Web, load_routes, load_settings, routes_folder, routes_source
from gateway.spool.exhibits import Exhibits
from gateway.spool.headstarts import Headstarts
from gateway.spool.recording import SyncPolicy
from gateway.spool.replies import Replies
from gateway.spool.room import Room
from gateway.spool.spool import Spool
from gateway.steering import UNAPPLIED, Steering
from gateway.studies import ReaderStudies
from gateway.zoo.zoo import SHIPPED, Zoo


@dataclass(frozen=True, kw_only=True)
class Stations:
    """Everything that roles are made of."""

    settings: Settings
    steering: Steering
    spool: Spool
    replies: Replies
    headstarts: Headstarts
    exhibits: Exhibits
    scans: ScanStore
    jobs: JobQueue
    deliveries: DeliveryQueue
    queries: Queries
    overview: Overview
    census: Census
    notices: Notices
    presences: Presences
    audit: AuditTrail
    forwarding: Forwarding
    kept_studies: Studies
    people: People
    tokens: Tokens
    sessions: Sessions
    sign_ons: SignOns
    provider: Provider | None

    @property
    def inquiry(self) -> Inquiry:
        """What people may ask PACS and worklists."""
        return Inquiry(routes=self.routes, queries=self.queries, jobs=self.jobs, spool=self.spool, audit=self.audit)

    @property
    def control(self) -> Control:
        """What people ask of them."""
        return Control(
            people=self.people,
            sessions=self.sessions,
            sign_ons=self.sign_ons,
            provider=self.provider,
            tokens=self.tokens,
            scans=self.scans,
            jobs=self.jobs,
            deliveries=self.deliveries,
            queries=self.queries,
            steering=self.steering,
            audit=self.audit,
            studies=self.studies,
        )

    @property
    def studies(self) -> ReaderStudies:
        """Blinded reader studies."""
        return ReaderStudies(
            kept=self.kept_studies, queries=self.queries, people=self.people, in_force=lambda: self.routes
        )

    @property
    def routes(self) -> Routes:
        """The routes that the next job takes."""
        return self.steering.routes(self.steering.in_force())


def open_stations(config: Path | None) -> Stations:
    """Read the settings and open what they name; the schema is brought up to date.

    Raises
    ------
    GatewayError
        Settings, routes, folders or database do not allow it.
    """
    settings = load_settings(config)
    configure_logs(settings.log.level, settings.log.format)
    for folder in (settings.data.folder, settings.data.spool_folder, settings.data.outbox_folder):
        make_folder(folder)
    engine = open_database(settings.database_url.get_secret_value())
    upgrade(engine)
    return stations_of(settings, engine)


def stations_of(settings: Settings, engine: Engine) -> Stations:
    """Make stations over a database whose schema is this version's.

    Raises
    ------
    GatewayError
        The routes in force cannot be used.
    """
    clock = clock_of(engine)
    steering = _steering(settings, engine)
    terms = _terms(settings)
    policy = SyncPolicy(every_bytes=settings.listener.sync_every_bytes, every_s=settings.listener.sync_every_s)
    room = Room(warn_percent=settings.recordings.warn_percent, refuse_percent=settings.recordings.refuse_percent)
    return Stations(
        settings=settings,
        steering=steering,
        spool=Spool(settings.data.spool_folder, policy, room),
        replies=Replies(settings.data.replies_folder),
        headstarts=Headstarts(settings.data.headstarts_folder),
        exhibits=Exhibits(settings.data.exhibits_folder),
        scans=ScanStore(engine, clock),
        jobs=JobQueue(engine, clock, terms),
        deliveries=DeliveryQueue(engine, clock, terms),
        queries=Queries(engine),
        overview=Overview(engine, clock),
        census=Census(engine, clock),
        notices=Notices(engine, utc_now),
        presences=Presences(engine, clock),
        audit=AuditTrail(engine, utc_now),
        forwarding=Forwarding(engine, utc_now),
        kept_studies=Studies(engine, utc_now),
        people=People(engine, utc_now, SessionTerms()),
        tokens=Tokens(engine, utc_now),
        sessions=Sessions(engine, utc_now, SessionTerms()),
        sign_ons=SignOns(engine, utc_now, SessionTerms()),
        provider=provider_of(settings),
    )


def _terms(settings: Settings) -> Terms:
    queue = settings.queue
    return Terms(
        lease_s=queue.lease_s,
        max_crashes=queue.max_crashes,
        retry_first_s=queue.retry_first_s,
        retry_longest_s=queue.retry_longest_s,
        give_up_after_s=queue.give_up_after_s,
    )


def _steering(settings: Settings, engine: Engine) -> Steering:
    """Open the routes; those that the next job would take have to be good."""
    steering = Steering(
        versions=RouteVersions(engine, utc_now),
        folder=routes_folder(settings),
        unapplied=lambda: routes_source(settings).text,
    )
    number = steering.in_force()
    if number == UNAPPLIED:
        load_routes(settings)
    steering.routes(number)
    return steering


def provider_of(settings: Settings) -> Provider | None:
    """Open the identity provider that the settings name; nothing where they name none. It is not asked yet.

    Raises
    ------
    GatewayError
        What speaks to one is not installed.
    """
    oidc = settings.oidc
    if oidc.issuer is None:
        return None
    try:
        from gateway.oidc.provider import Client, OidcProvider  # noqa: PLC0415 - an extra
    except ImportError as fault:
        raise GatewayError("[oidc] needs an extra: pip install 'mri-gateway[oidc]'") from fault
    client = Client(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=oidc.client_secret.get_secret_value(),
        redirect_uri=f"{page_address(settings.web)}sign-in/provider/back",
        scopes=oidc.scopes,
        label=oidc.label,
    )
    roles = {role: frozenset(getattr(oidc.roles, role)) for role in Role}
    reading = Reading(
        name=oidc.name_claim, groups=oidc.groups_claim, roles={one: got for one, got in roles.items() if got}
    )
    return OidcProvider(client, reading, Fetcher(ca_file=oidc.ca_file, proxy=oidc.proxy, timeout_s=oidc.timeout_s))


def page_address(web: Web) -> str:
    """Say where the page is, with a slash at the end."""
    if web.address is not None:
        return f"{web.address.rstrip('/')}/"
    return f"{'https' if web.certificate_file else 'http'}://{web.host}:{web.port}/"


def zoo_of(settings: Settings) -> Zoo:
    """Find the models of the site, and below them those that ship."""
    return Zoo((settings.models_folder, SHIPPED))


def make_folder(folder: Path) -> None:
    """Make a folder that can be written.

    Raises
    ------
    GatewayError
        It cannot.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise GatewayError(f"folder {folder} cannot be written: {error.strerror}") from error


def session_limits(settings: Settings) -> SessionLimits:
    """Translate the listener's settings."""
    listener = settings.listener
    return SessionLimits(
        sessions=listener.max_sessions,
        sessions_per_address=listener.max_sessions_per_address,
        first_message_s=listener.first_message_timeout_s,
        message_s=listener.message_timeout_s,
        idle_s=listener.idle_timeout_s,
        gone_s=listener.gone_timeout_s,
        session_s=listener.session_timeout_s,
        messages=Limits(
            header_bytes=listener.max_header_bytes,
            text_bytes=listener.max_text_bytes,
            acquisition_bytes=listener.max_acquisition_bytes,
            waveform_bytes=listener.max_waveform_bytes,
        ),
    )


def our_gate(settings: Settings) -> Gate:
    """Translate who may call our DICOM port.

    Raises
    ------
    SettingsFault
        A certificate cannot be read.
    """
    dicom = settings.dicom
    tls = None
    if dicom.tls is not None:
        files = dicom.tls
        tls = server_context(
            ServerTls(certificate_file=files.certificate_file, key_file=files.key_file, ca_file=files.ca_file)
        )
    callers = [Caller(ae_title=one.ae_title.strip(), networks=one.addresses) for one in dicom.callers]
    return Gate(ae_title=dicom.ae_title.strip(), callers=callers, tls=tls)


def our_limits(settings: Settings) -> ServiceLimits:
    """Translate how much our DICOM port takes."""
    dicom = settings.dicom
    return ServiceLimits(
        associations=dicom.max_associations,
        associations_per_address=dicom.max_associations_per_address,
        request_s=dicom.request_timeout_s,
        message_s=dicom.message_timeout_s,
        idle_s=dicom.idle_timeout_s,
    )


def pace_of(settings: Settings) -> Pace:
    """Translate the queue's settings."""
    return Pace(poll_s=settings.queue.poll_s, heartbeat_s=settings.queue.heartbeat_s)
