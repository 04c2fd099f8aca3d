"""What the gate says of images before they leave: what was checked, what came out, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

WARNS = "QUALITY GATE:"
"""Begins the warning in a series."""


class Check(StrEnum):
    """One question that is asked of an image without knowing the truth; ``routes.toml`` calls it by its value."""

    CONSISTENCY = "consistency"
    """What was measured, against what the image would have given there, place by place."""
    STRUCTURE = "structure"
    """One place that contradicts the data far more than noise and the rest of the patient lead to expect."""
    DETAIL = "detail"
    """Fine detail that was measured, and that the image lacks."""
    LINES = "lines"
    """The same, line by line of k-space."""
    COILS = "coils"
    """The same, coil by coil: one whose share of the signal changes during the scan."""
    HALVES = "halves"
    """The one half of k-space, against the other."""
    SAMPLING = "sampling"
    """The lines that were measured, against the header."""
    CLIPPING = "clipping"
    """Samples at the largest value of a receiver, which had overflowed."""
    TOGETHER = "together"
    """What consistency, structure, detail, lines, coils and agreement leave in doubt, added up."""
    HELD_OUT = "held-out"
    """Lines that the method did not get, against what its image says of them."""
    AGREEMENT = "agreement"
    """The conventional image, in units of its noise."""
    RESPONSE = "response"
    """What becomes of small details that are put into k-space."""
    UNCERTAINTY = "uncertainty"
    """How far the image may be from the truth."""
    RANGE = "range"
    """The scan, against what the model learned from."""
    ORIENTATION = "orientation"
    """Left, right, up and down, against the conventional image."""
    GHOSTING = "ghosting"
    """Copies of the patient in the air."""


class Grade(StrEnum):
    """What came out of a check, the best first."""

    PASS = "pass"  # noqa: S105 - no password
    UNCHECKED = "unchecked"
    WARN = "warn"
    FAIL = "fail"


class Action(StrEnum):
    """What is done with images, the mildest first."""

    SEND = "send"
    """As they are."""
    WARN = "warn"
    """With a warning in the series."""
    COMPANION = "companion"
    """With a warning, and with the conventional series beside them."""
    REPLACE = "replace"
    """The conventional series instead of them."""
    HOLD = "hold"
    """Nothing is sent until a person has looked."""


class Decision(StrEnum):
    """What a person has said of images that were held."""

    ACCEPT = "accept"
    REPLACE = "replace"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a check has measured, before anybody says whether that is good."""

    check: Check
    value: float | None = None
    """None where it could not be checked."""
    note: str = ""
    """Why not, or where it was worst."""
    seconds: float = 0.0
    """What it cost."""


WORST = "worst in image "


def worst_in(number: int) -> str:
    """Note where a value was found, images counted from 1 as they are read."""
    return f"{WORST}{number}"


def worst_image(note: str) -> int | None:
    """Read that note; None where it says something else."""
    number = note.removeprefix(WORST)
    return int(number) if note.startswith(WORST) and number.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What one check found."""

    check: Check
    grade: Grade
    value: float | None
    """None where it could not be checked."""
    warn_above: float
    fail_above: float
    meaning: str
    """One sentence."""
    note: str = ""
    """Why it could not be checked, or where it was worst."""
    seconds: float = 0.0
    """What it cost."""

    @property
    def told(self) -> str:
        """Name, number and limits, for a timeline."""
        if self.value is None:
            return f"{self.check} {self.grade}: {self.note}"
        return f"{self.check} {self.grade}: {self.value:.3g} (warn above {self.warn_above:g}, fail {self.fail_above:g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What follows for the images of a job."""

    action: Action
    because: tuple[str, ...]
    """One sentence for each check that did not pass."""
    assessments: tuple[Assessment, ...]
    policy: str
    """Its name."""
    subject: str
    """Digest of what was judged: recording, recipe, weights. Another one is another image."""
    decision: Decision | None = None
    """Of a person; it stands above the policy."""

    @property
    def worst(self) -> Grade:
        """The worst grade."""
        return worst([each.grade for each in self.assessments])

    @property
    def warning(self) -> str:
        """What the reader of the series is told; nothing where everything passed and nobody was asked."""
        by = ("Accepted by a person.",) if self.decision is Decision.ACCEPT else ()
        told = " ".join((*self.because, *by))
        return f"{WARNS} {told}" if told else ""

    @property
    def told(self) -> str:
        """Say what follows, in one line."""
        why = "; ".join(each.told for each in self.assessments if each.grade is not Grade.PASS) or "every check passed"
        return f"{self._headed}: {why}"

    @property
    def sealed(self) -> str:
        """Say what follows, with the numbers of every check and what was judged, for the audit trail."""
        return f"{self._headed}, of {self.subject}: {'; '.join(each.told for each in self.assessments)}"

    @property
    def _headed(self) -> str:
        decided = f", {self.decision} by a person" if self.decision else ""
        return f"{self.action} by policy {self.policy!r}{decided}"


def worst(grades: Sequence[Grade]) -> Grade:
    """Take the worst grade; of nothing, that it is unchecked."""
    return max(grades, key=list(Grade).index, default=Grade.UNCHECKED)


def strictest(actions: Sequence[Action]) -> Action:
    """Take the strictest action; of nothing, the mildest."""
    return max(actions, key=list(Action).index, default=Action.SEND)
