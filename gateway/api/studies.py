"""Reader studies: made, followed, sent and counted. They are read on the page, by people, and never by a token."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field

from gateway.api.gate import MayStudy
from gateway.api.words import PLAIN, Body, Name, Number
from gateway.model.ids import RecordingId
from gateway.model.reading import CRITERIA, MOST_CRITERIA, Criterion, Design, Reader, Study, StudyImage, StudyPlan
from gateway.reading.outcome import Outcome
from gateway.studies import ReaderStudies

NOBODY = ""
"""A token reads no study."""
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN)]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class WantedCriterion(Body):
    """What is scored; more is always better."""

    name: Word
    question: Annotated[str, Field(max_length=200, pattern=PLAIN)]
    worst: Annotated[str, Field(max_length=64, pattern=PLAIN)] = "worst"
    best: Annotated[str, Field(max_length=64, pattern=PLAIN)] = "best"


class WantedStudy(Body):
    """A study to make: each of the scans by each of the recipes."""

    name: Name
    """Readers see it: it should not say what is compared."""
    scans: Annotated[list[Annotated[str, Field(pattern="^[0-9a-f]{4,32}$")]], Field(min_length=1, max_length=1_000)]
    """Their ids, or the beginnings of them."""
    recipes: Annotated[list[Word], Field(min_length=2, max_length=32)]
    readers: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)
    criteria: Annotated[list[WantedCriterion], Field(min_length=1, max_length=MOST_CRITERIA)] | None = None
    """Without any: sharpness, noise, artefacts and confidence."""
    design: Design = Design.SCORES
    """One image at a time, or two recipes of the same scan side by side."""
    points: Annotated[int, Field(ge=2, le=9)] = 5
    """Scores go from 1 to this; of pairs 3 or 5."""
    repeats: Annotated[int, Field(ge=0, le=1_000)] = 0
    """So many images, or pairs, are shown once more, so that each reader is held to themselves."""
    project: Annotated[str, Field(max_length=255, pattern=PLAIN)] = ""
    """Of the routes, for which patients are taken out; without it the images cannot be exported."""
    seed: Annotated[str, Field(max_length=64, pattern=PLAIN)] = ""
    """Every order follows from it; without one, it is drawn."""


class MoreReaders(Body):
    """Who reads a study, too."""

    readers: Annotated[list[Name], Field(min_length=1, max_length=100)]


class Why(Body):
    """Why something is done."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]


class Whereto(Body):
    """Where a study is sent."""

    destination: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """A study, how far its readers are, and its images in an order that says nothing of theirs."""

    study: Study
    readers: list[Reader]
    n_cases: int
    """What is put before each reader: images, or pairs."""
    images: list[StudyImage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was queued."""

    deliveries: list[int]


def studies(kept: ReaderStudies) -> APIRouter:
    """Serve studies."""
    router = APIRouter(prefix="/studies", tags=["studies"])

    @router.get("", summary="List every reader study, newest first")
    def studies_list(_caller: MayStudy) -> list[Study]:
        return kept.kept.all()

    @router.post("", summary="Make a reader study; its images are reconstructed and sent nowhere", status_code=201)
    def study_make(caller: MayStudy, wanted: WantedStudy) -> Study:
        return kept.make(_plan(wanted), who=caller.who)

    @router.get("/{number}", summary="Show a study, its images and how far its readers are")
    def study_show(_caller: MayStudy, number: Number) -> StudyView:
        return _view(kept, number)

    @router.post("/{number}/readers", summary="Let more people read a study")
    def study_readers(caller: MayStudy, number: Number, wanted: MoreReaders) -> StudyView:
        kept.add_readers(number, wanted.readers, who=caller.who)
        return _view(kept, number)

    @router.post("/{number}/close", summary="End a study: nobody scores any more")
    def study_close(caller: MayStudy, number: Number) -> Study:
        kept.kept.close(number, who=caller.who)
        return kept.kept.study(number)

    @router.post("/{number}/delete", summary="Forget what was said in a study that was closed", status_code=204)
    def study_delete(caller: MayStudy, number: Number, wanted: Why) -> None:
        kept.kept.delete(number, who=caller.who, reason=wanted.reason)

    @router.post(
        "/{number}/export",
        summary="Send the images of a study, without patients and recipes, to a destination",
        status_code=HTTPStatus.ACCEPTED,
    )
    def study_export(caller: MayStudy, number: Number, wanted: Whereto) -> Sent:
        return Sent(deliveries=[int(one) for one in kept.export(number, wanted.destination, who=caller.who)])

    _found(router, kept)
    return router


def _found(router: APIRouter, kept: ReaderStudies) -> None:
    """Serve what studies found."""

    @router.get("/{number}/outcome", summary="Count what the readers who have finished have said")
    def study_outcome(_caller: MayStudy, number: Number) -> Outcome:
        return kept.outcome(number, asks=NOBODY)

    @router.get("/{number}/scores.csv", summary="Every counted score as CSV", response_class=Response, responses=CSV)
    def study_scores(_caller: MayStudy, number: Number) -> Response:
        return Response(kept.table(number, asks=NOBODY), media_type="text/csv")

    @router.get("/{number}/remarks.csv", summary="What readers wrote, as CSV", response_class=Response, responses=CSV)
    def study_remarks(_caller: MayStudy, number: Number) -> Response:
        return Response(kept.remark_table(number, asks=NOBODY), media_type="text/csv")

    @router.post(
        "/{number}/key.csv",
        summary="Tell which image is which, as CSV; it is on the audit trail",
        response_class=Response,
        responses=CSV,
    )
    def study_key(caller: MayStudy, number: Number) -> Response:
        return Response(kept.key(number, who=caller.who, asks=NOBODY), media_type="text/csv")


def _view(kept: ReaderStudies, number: int) -> StudyView:
    return StudyView(
        study=kept.kept.study(number),
        readers=kept.kept.readers(number),
        n_cases=len(kept.cases(number)),
        images=kept.images(number),
    )


def _plan(wanted: WantedStudy) -> StudyPlan:
    asked = tuple(
        Criterion(name=one.name, question=one.question, worst=one.worst, best=one.best) for one in wanted.criteria or ()
    )
    return StudyPlan(
        name=wanted.name,
        scans=tuple(RecordingId(one) for one in wanted.scans),
        recipes=tuple(wanted.recipes),
        readers=tuple(wanted.readers),
        criteria=asked or CRITERIA,
        design=wanted.design,
        points=wanted.points,
        repeats=wanted.repeats,
        project=wanted.project,
        seed=wanted.seed,
    )
