"""Pictures for whoever reviews images, one folder for each job: written whole by a worker, read by the page.

They show patients, as the outbox does, and lie under the same rights. They are no product: reconstructing again makes
them again.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gateway.model.errors import StorageFault
from gateway.model.exhibit import Exhibit
from gateway.model.ids import JobId
from gateway.model.picture import Grey
from gateway.whole import whole_folder, write_synced

INDEX = "index.json"
FULL = 32_000
"""The largest magnitude fills so much of 16 signed bits."""
BRIGHTEST = 0.995
"""Quantile at which a picture is white at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One exhibit as it lies on the disk."""

    title: str
    count: int
    rows: int
    columns: int
    aspect: float
    signed: bool
    center: float
    width: float
    begins: int = 1
    pixel_mm: float = 0.0
    facing: tuple[tuple[str, str], ...] = ()
    """Of each picture, rows and columns."""
    check: str = ""
    marks: tuple[tuple[int, int], ...] = ()
    placed: bool = True


class Exhibits:
    """One folder for each job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, job: JobId, exhibits: Sequence[Exhibit]) -> None:
        """Put pictures in the place of those that were there, whole or not at all.

        Raises
        ------
        StorageFault
            There is no room for them.
        """
        try:
            with whole_folder(self.folder / str(job)) as part:
                shelves = [_put(part / f"{number}.i16", one) for number, one in enumerate(exhibits)]
                write_synced(part / INDEX, json.dumps([asdict(one) for one in shelves]).encode())
        except OSError as error:
            raise StorageFault(f"the pictures of job {job} cannot be kept: {error.strerror}") from error

    def shelves(self, job: JobId) -> list[Shelf]:
        """List the exhibits of a job; nothing where there are none, or they are not whole."""
        try:
            index = json.loads((self.folder / str(job) / INDEX).read_bytes())
            return [Shelf(**one) for one in index]
        except (OSError, ValueError, TypeError):
            return []

    def grey(self, job: JobId, exhibit: int, image: int) -> Grey | None:
        """Read one picture, both counted from 0; None where there is none."""
        shelves = self.shelves(job)
        if not (0 <= exhibit < len(shelves) and 0 <= image < shelves[exhibit].count):
            return None
        one = shelves[exhibit]
        n_bytes = 2 * one.rows * one.columns
        try:
            with (self.folder / str(job) / f"{exhibit}.i16").open("rb") as file:
                file.seek(image * n_bytes)
                pixels = file.read(n_bytes)
        except OSError:
            return None
        if len(pixels) < n_bytes:
            return None
        right, down = one.facing[image] if one.facing else ("", "")
        return Grey(
            rows=one.rows,
            columns=one.columns,
            aspect=one.aspect,
            center=one.center,
            width=one.width,
            signed=True,
            pixel_mm=one.pixel_mm,
            right=right,
            down=down,
            pixels=pixels,
        )

    def clear(self, job: JobId) -> None:
        """Delete the pictures of a job."""
        shutil.rmtree(self.folder / str(job), ignore_errors=True)

    def old(self, older_than_s: float) -> list[JobId]:
        """List the jobs whose pictures were made so long ago."""
        until = time.time() - older_than_s
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        return [JobId(int(one.name)) for one in folders if one.name.isdecimal() and one.stat().st_mtime <= until]


def _put(path: Path, one: Exhibit) -> Shelf:
    pixels = np.nan_to_num(np.asarray(one.pixels, np.float64))
    n, rows, columns = pixels.shape
    largest = float(np.abs(pixels).max()) or 1.0
    values = np.round(pixels * (FULL / largest)).astype("<i2")
    write_synced(path, values.tobytes())
    signed = bool((values < 0).any())
    bright = one.white * FULL / largest or float(np.quantile(np.abs(values), BRIGHTEST)) or 1.0
    return Shelf(
        title=one.title,
        count=n,
        rows=rows,
        columns=columns,
        aspect=one.aspect,
        signed=signed,
        center=0.0 if signed else bright / 2,
        width=max(1.0, 2 * bright if signed else bright),
        begins=one.begins,
        pixel_mm=one.pixel_mm,
        facing=one.facing,
        check=one.check,
        marks=one.marks,
        placed=one.placed,
    )
