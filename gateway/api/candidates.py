"""Whose scan it is: who may be meant, for those who may act, and the choice. The only answers that name patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from gateway.api.gate import MayAct
from gateway.api.words import Body, Line, Number
from gateway.control import Control
from gateway.jobs.queries import JobView
from gateway.model.identity import KEY_DIGITS, Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Somebody whom a scan may be of."""

    key: str
    """Made of what it says: whoever chooses by it can only mean what was shown."""
    source: str
    """Name of the source in the routes, or `scanner`."""
    identity: Identity
    differences: list[str]
    """Fields in which it is at odds with what the scanner said."""


class Choice(Body):
    """Whom a scan is of."""

    candidate: Annotated[str, Field(pattern=f"^[0-9a-f]{{{KEY_DIGITS}}}$")]
    """The key of a candidate."""
    reason: Line = ""
    """It is kept in the timeline and on the audit trail."""


def candidates(control: Control) -> APIRouter:
    """Serve the candidates of held jobs."""
    router, queries = APIRouter(prefix="/jobs/{number}/candidates", tags=["jobs"]), control.queries

    @router.get("", summary="List who the scan of a held job may be of; these are patients")
    def candidates_list(_caller: MayAct, number: Number) -> list[Proposed]:
        return [
            Proposed(key=one.key, source=one.source, identity=one.identity, differences=list(one.differences))
            for one in queries.candidates(queries.job(number))
        ]

    @router.post("", summary="Say who the scan of a held job is of, and let the job run")
    def candidate_choose(caller: MayAct, number: Number, choice: Choice) -> JobView:
        control.jobs.choose(number, choice.candidate, who=caller.who, reason=choice.reason)
        return queries.job(number)

    return router
