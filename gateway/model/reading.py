"""Blinded reader studies: people score images of several recipes without knowing which recipe made which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.model.ids import JobId, RecordingId

FEWEST_POINTS, MOST_POINTS = 2, 9
MOST_CRITERIA = 12
MOST_IMAGES = 2_000
LONGEST_NAME = 64
LONGEST_REMARK = 2_000
PREFERENCES = (3, 5)
"""Points of a preference: the middle one is none, and the ends may be weak and strong."""


class Design(StrEnum):
    """What is put before a reader at a time."""

    SCORES = "scores"
    """One image, which is scored by each criterion."""
    PAIRS = "pairs"
    """The same scan by two recipes side by side, left and right by chance: which is better by each criterion?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What is scored; more is always better."""

    name: str
    question: str
    worst: str
    """What the lowest score means."""
    best: str
    """What the highest score means."""


CRITERIA = (
    Criterion(name="sharpness", question="How sharp are edges and small structures?", worst="blurred", best="sharp"),
    Criterion(name="noise", question="How little does noise disturb?", worst="not readable", best="no noise"),
    Criterion(name="artefacts", question="How little do artefacts disturb?", worst="not readable", best="none"),
    Criterion(
        name="confidence", question="How confident would a diagnosis from these images be?", worst="not", best="fully"
    ),
)
"""What is asked where nobody asks otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study is made of: each of the scans by each of the recipes, for each of the readers."""

    name: str
    """Readers see it: it should not say what is compared."""
    scans: tuple[RecordingId, ...]
    recipes: tuple[str, ...]
    readers: tuple[str, ...]
    criteria: tuple[Criterion, ...] = CRITERIA
    design: Design = Design.SCORES
    points: int = 5
    """Scores go from 1 to this; of pairs 1 is all for the first, the middle is no difference."""
    repeats: int = 0
    """So many images, or pairs, are shown once more: by these each reader is held to themselves."""
    project: str = ""
    """Of the routes, for which the patients are taken out; without it, the images never leave as DICOM."""
    seed: str
    """Every order follows from it; kept, so that each can be found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study that was made."""

    id: int
    name: str
    criteria: tuple[Criterion, ...]
    design: Design
    points: int
    repeats: int
    project: str
    seed: str
    made_by: str
    made_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyImage:
    """One scan by one recipe; only the code is ever told to a reader."""

    code: str
    """Random; says nothing."""
    number: int
    """Its place in the order of the study, from 1: what it is called in a PACS."""
    scan: RecordingId
    recipe: str
    job: JobId
    state: str
    """Of the job that makes it."""
    reason: str
    """Why that waits or has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How far a reader is."""

    name: str
    n_scored: int
    """Images, or pairs, of which every criterion has a score."""
    began_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a reader says of an image, or of a pair, by one criterion."""

    reader: str
    code: str
    criterion: str
    score: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that a reader says of a case at once."""

    scores: Mapping[str, int]
    """By criterion."""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a reader says of an image, or of a pair, in words of their own."""

    reader: str
    code: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindImage:
    """What a worker has to know of an image that it makes for a study."""

    code: str
    number: int
    project: str
