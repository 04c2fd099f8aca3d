"""What a study is told by as files: CSV (RFC 4180)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from gateway.model.reading import Remark, Score, Study
from gateway.reading.cases import Case, turned

SCORES = ("reader", "scan", "recipe", "image", "repeats", "criterion", "score", "at")
PAIRS = ("reader", "scan", "first", "second", "left", "repeats", "criterion", "preference", "at")
REMARKS = ("reader", "scan", "recipe", "other", "remark", "at")


def score_table(cases: Sequence[Case], scores: Iterable[Score]) -> str:
    """Write scores of images, in the order of the study."""
    known = {one.code: one for one in cases}
    numbers = {one.code: one.first.number for one in cases}
    ordered = sorted((one for one in scores if one.code in known), key=lambda one: (numbers[one.code], one.reader))
    rows = (
        (one.reader, case.scan, case.first.recipe, numbers[one.code], before, one.criterion, one.score, _at(one))
        for one in ordered
        for case in (known[one.code],)
        for before in (numbers.get(case.repeats, ""),)
    )
    return csv_of(SCORES, rows)


def pair_table(study: Study, cases: Sequence[Case], scores: Sequence[Score]) -> str:
    """Write preferences: above zero for the first, below for the second, and which of them stood left."""
    known = {one.code: one for one in cases}
    sides = {reader: turned(study.seed, reader, cases) for reader in {one.reader for one in scores}}
    middle = (study.points + 1) // 2

    def rows() -> Iterator[Sequence[object]]:
        for one in scores:
            case = known[one.code]
            first, second = case.recipes.split("\0")
            left = second if one.code in sides[one.reader] else first
            again = "yes" if case.repeats else ""
            yield one.reader, case.scan, first, second, left, again, one.criterion, middle - one.score, _at(one)

    return csv_of(PAIRS, sorted(rows(), key=lambda row: tuple(map(str, row[:7]))))


def remark_table(cases: Sequence[Case], remarks: Iterable[Remark]) -> str:
    """Write what readers wrote."""
    known = {one.code: one for one in cases}
    rows = (
        (one.reader, case.scan, case.first.recipe, case.second.recipe if case.second else "", one.text, _at(one))
        for one in remarks
        for case in (known[one.code],)
    )
    return csv_of(REMARKS, rows)


def _at(one: Score | Remark) -> str:
    return one.at.isoformat()


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
