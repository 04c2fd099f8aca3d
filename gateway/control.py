"""Joiner 5: what people ask of the stations; the page, the API and the commands call the same functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.dicom.dicomweb import look
from gateway.dicom.store import echo
from gateway.jobs.audit import AuditTrail
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.people import People
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.jobs.sessions import Sessions
from gateway.jobs.sign_on import SignOns
from gateway.jobs.tokens import Tokens
from gateway.model.delivery import DELIVERY_TRANSITIONS
from gateway.model.destinations import DicomPeer, WebPeer
from gateway.model.errors import NothingThere, Overtaken, RoutesFault, WrongCall
from gateway.model.ids import DeliveryId, JobId
from gateway.model.route import Routes
from gateway.model.sign_on import Provider
from gateway.model.work import WorkEvent
from gateway.routing.advice import advice
from gateway.routing.choose import Explanation, explain, named_recipe
from gateway.routing.facts import Facts, facts_told
from gateway.steering import Steering, Turn, turns
from gateway.studies import ReaderStudies

RECENT = 200
"""Scans that new routes are tried on before they are applied."""

_LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with routes."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying routes without applying them."""

    faults: tuple[Fault, ...] = ()
    advice: tuple[str, ...] = ()
    """What they have to no purpose."""
    turns: tuple[Turn, ...] = ()
    """The recent scans that they would send elsewhere."""
    compared: int = 0
    """How many recent scans they were tried on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Everything that may be asked; whoever asks has been let in already."""

    people: People
    sessions: Sessions
    sign_ons: SignOns
    tokens: Tokens
    scans: ScanStore
    jobs: JobQueue
    deliveries: DeliveryQueue
    queries: Queries
    steering: Steering
    audit: AuditTrail
    studies: ReaderStudies
    provider: Provider | None = None
    """Who vouches for people beside our own passwords."""

    @property
    def routes(self) -> Routes:
        """The routes that the next job takes."""
        return self.steering.routes(self.steering.in_force())

    def replay(self, start_of_id: str, *, recipe: str, who: str, identify: bool = False) -> JobId:
        """Make a new job of a recorded scan; with ``identify``, forget whom a person has said it is of.

        Raises
        ------
        WrongCall
            There is no such scan or recipe, or nothing of it to reconstruct.
        """
        if recipe:
            named_recipe(self.routes, recipe)
        scan = self.queries.scan(start_of_id).id
        return self.scans.replay(scan, recipe=recipe, who=who, identify=identify)

    def resend(self, job: int, *, who: str, reason: str) -> list[DeliveryId]:
        """Send everything of a job again that has arrived: the same bytes, to the same destinations.

        Raises
        ------
        NothingThere
            There is no such job.
        Overtaken
            Nothing of it has arrived anywhere.
        """
        there = self.queries.job(job).deliveries
        arrived = [one.id for one in there if (one.state, WorkEvent.RESEND) in DELIVERY_TRANSITIONS]
        if not arrived:
            raise Overtaken(f"nothing of job {job} has arrived anywhere; what failed is retried, not sent again")
        for delivery in arrived:
            self.deliveries.act(delivery, WorkEvent.RESEND, who=who, reason=reason)
        return arrived

    def echo(self, name: str) -> None:
        """Ask a destination or a source whether it is there: a PACS or a worklist by C-ECHO, an archive by a query.

        Raises
        ------
        NothingThere
            There is none of this name in the routes.
        WrongCall
            It is a folder, which nobody can ask.
        SendError
            It does not answer, or rejects us.
        """
        routes = self.routes
        match {**routes.destinations, **routes.sources}.get(name):
            case DicomPeer() as peer:
                echo(peer)
            case WebPeer() as archive:
                look(archive)
            case None:
                known = ", ".join([*routes.destinations, *routes.sources])
                raise NothingThere(f"{name!r} is no destination in the routes; known are: {known}")
            case _:
                raise WrongCall(f"{name!r} is a folder; only a PACS or an archive can be asked")

    def try_routes(self, text: str, *, source: str) -> Trial:
        """Say what is wrong with routes, what they have to no purpose, and which recent scans would go elsewhere."""
        try:
            routes = self.steering.parse(text, source=source)
        except RoutesFault as fault:
            return Trial(faults=tuple(Fault(line=_line_of(each), text=each) for each in fault.faults))
        scans = self._recent()
        turned = turns(scans, self.routes, routes)
        return Trial(advice=tuple(advice(text, routes)), turns=tuple(turned), compared=len(scans))

    def explain(self, start_of_id: str, *, text: str | None = None) -> Explanation:
        """Say what every rule in force, or in ``text``, says to a scan that came in.

        Raises
        ------
        NothingThere
            There is no such scan.
        RoutesFault
            The text says something impossible.
        """
        routes = self.routes if text is None else self.steering.parse(text, source="these routes")
        return explain(routes, facts_told(self.queries.scan(start_of_id).facts))

    def _recent(self) -> list[tuple[str, Facts]]:
        """List the newest scans whose headers were read."""
        return [(scan.id[:12], facts_told(scan.facts)) for scan in self.queries.scans(RECENT) if scan.facts]


def _line_of(fault: str) -> int | None:
    found = _LINE.search(fault)
    return int(found[1]) if found else None
