"""What the viewer on a page offers: series to show, series to compare them with, and maps beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.model.picture import GATE, Sheet

CONVENTIONAL = f"{GATE}conventional"
"""What a reviewer first sees beside the learned images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A series that can be chosen."""

    value: str
    """Job, first image, how many; of a map also with which image of the series it begins."""
    label: str
    picked: bool = False
    check: str = ""
    """The check of the gate that a map shows."""
    grade: str = ""
    """What came out of it."""
    marks: Sequence[tuple[int, int]] = ()
    """Row and column of the worst place of each picture."""
    placed: bool = True
    """Whether it lies as the images do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """What there is to choose from."""

    series: Sequence[Option]
    compared: Sequence[Option] = ()
    maps: Sequence[Option] = ()
    begins_with_maps: bool = False
    base: str = ""
    """Address of the images, where it is not that of the job: it then says nothing of how they were made."""


def viewer_of(
    job: int,
    sheets: Sequence[Sheet],
    others: Sequence[tuple[int, str, Sequence[Sheet]]],
    *,
    reviewing: bool,
    grades: Mapping[str, str],
) -> Viewer:
    """Offer the images of a job, and those of other jobs of its scan to compare them with.

    Parameters
    ----------
    others
        Number, recipe and series of each job, this one among them.
    reviewing
        Whether a person has to look at them: then conventional images and maps stand beside them at once.
    grades
        What came out of each check.
    """
    maps = [one for one in sheets if one.description.startswith(GATE)]
    return Viewer(
        series=[Option(value=_value(job, one), label=_name(one, n)) for n, one in enumerate(sheets, 1) if one.placed],
        compared=[
            Option(
                value=_value(number, one),
                label=_name(one, n) + ("" if number == job else f" (job {number}, {recipe})"),
                picked=reviewing and number == job and one.description == CONVENTIONAL,
            )
            for number, recipe, theirs in others
            for n, one in enumerate(theirs, 1)
            if one.placed
        ],
        maps=[
            Option(
                value=f"{_value(job, one)}:{one.begins}",
                label=one.description,
                check=one.check,
                grade=grades.get(one.check, ""),
                marks=one.marks,
                placed=one.placed,
            )
            for one in maps
        ],
        begins_with_maps=reviewing,
    )


def _name(sheet: Sheet, number: int) -> str:
    return sheet.description or f"Series {number}"


def _value(job: int, sheet: Sheet) -> str:
    return f"{job}:{sheet.first}:{sheet.count}"
