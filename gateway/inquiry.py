"""Joiner: what people ask PACS and worklists, to look something up or to find out whose scan it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from gateway.dicom.identity import identity_of_header
from gateway.dicom.listing import RequestRow, StudyRow, list_requests, list_studies
from gateway.dicom.lookup import Question
from gateway.identify import search
from gateway.jobs.audit import AuditTrail
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.model.destinations import WebPeer
from gateway.model.errors import NothingThere, WrongCall
from gateway.model.route import Routes
from gateway.model.sources import Asked, WorklistSource
from gateway.mrd.header import parse_header
from gateway.mrd.stream import read_session
from gateway.spool.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person asks for."""

    keys: Mapping[str, str]
    """By field of an identity."""
    day: str
    """A day or a range of days, as DICOM writes it; empty is any."""

    @classmethod
    def of(cls, *, day: date | None = None, until: date | None = None, **keys: str) -> Wanted:
        """Read what was typed.

        Raises
        ------
        WrongCall
            It asks for everything.
        """
        last = f"-{until:%Y%m%d}" if until else ""
        days = f"{day:%Y%m%d}{last}" if day else last
        given = {field: text.strip() for field, text in keys.items() if text.strip(" *?")}
        if not given and not days:
            raise WrongCall("this asks for everything that is there: say whom or what, or which day")
        return cls(keys=given, day=days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """Whom to ask, and where what is found goes. What comes back are patients: for eyes that may see them."""

    routes: Routes
    queries: Queries
    jobs: JobQueue
    spool: Spool
    audit: AuditTrail

    def studies(self, name: str, wanted: Wanted, *, who: str) -> list[StudyRow]:
        """Ask a PACS or an archive for studies.

        Raises
        ------
        WrongCall
            It is a worklist.
        """
        source = self._asked(name)
        if isinstance(source, WorklistSource):
            raise WrongCall(f"{name!r} is a worklist, which knows no studies; gateway pacs worklist asks it")
        self._write_down(name, wanted, who)
        return list_studies(source, wanted.keys, wanted.day)

    def requests(self, name: str, wanted: Wanted, *, who: str, station: str = "") -> list[RequestRow]:
        """Ask a worklist for what is scheduled; a PACS may have one under the same name.

        Raises
        ------
        WrongCall
            It is an archive on the web.
        """
        source = self._asked(name)
        if isinstance(source, WebPeer):
            raise WrongCall(f"{name!r} is an archive on the web, which has no worklist")
        scheduled_for = station or (source.station_ae_title if isinstance(source, WorklistSource) else None)
        self._write_down(name, wanted, who)
        return list_requests(source, wanted.keys, wanted.day, scheduled_for or "")

    def look_for_candidates(self, job: int, name: str, wanted: Wanted, *, who: str) -> int:
        """Find more of whom a job's scan may be of; return how many."""
        scan = self.queries.job(job).scan
        question = Question(by="a person", keys=wanted.keys, day=wanted.day)
        session = read_session(self.spool.open(scan.recording or "", digest=scan.digest or ""), cut=True)
        said = identity_of_header(parse_header(session.header_xml))
        source = self._asked(name)
        self._write_down(name, wanted, who)
        found = search({name: source}, question, said)
        self.jobs.offer(job, found, who=who)
        return len(found)

    def _write_down(self, name: str, wanted: Wanted, who: str) -> None:
        """Put on the audit trail that patients were asked for: by what, and never by which values."""
        self.audit.add(who, "query", f"{name}: {', '.join([*wanted.keys, *(['study_date'] if wanted.day else [])])}")

    def _asked(self, name: str) -> Asked:
        """Find somebody who can be asked.

        Raises
        ------
        NothingThere
            There is none of this name in the routes.
        """
        asked = self.routes.asked
        if name not in asked:
            raise NothingThere(
                f"{name!r} is no PACS, archive or worklist in the routes; known are: {', '.join(asked) or 'none'}"
            )
        return asked[name]
