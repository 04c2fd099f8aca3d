"""Joiner 6: the images of a job, from the outbox to the page; after them the pictures that the gate has made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.dicom.picture import drawn, frames_in, grey_of, png_of
from gateway.jobs.queries import Queries
from gateway.model.ids import JobId
from gateway.model.picture import GATE, Grey, Sheet
from gateway.spool.exhibits import Exhibits


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPictures:
    """What the outbox has to show; of a series of which files are gone, what is left."""

    queries: Queries
    outbox: Path
    exhibits: Exhibits

    def sheets(self, job: JobId) -> list[Sheet]:
        """List the series of a job that can be shown."""
        found, first = [], 1
        for description, images in self._series(job):
            if images:
                found.append(Sheet(description=description, first=first, count=len(images)))
            first += len(images)
        for shelf in self.exhibits.shelves(job):
            told = {name: getattr(shelf, name) for name in ("count", "begins", "check", "marks", "placed")}
            found.append(Sheet(description=f"{GATE}{shelf.title}", first=first, **told))
            first += shelf.count
        return found

    def png(self, job: JobId, image: int) -> bytes | None:
        """Draw an image, counted from 1 over all series; None where there is none."""
        found = self._find(job, image)
        if found:
            return png_of(*found)
        exhibit = self._exhibit(job, image)
        return drawn(exhibit) if exhibit else None

    def grey(self, job: JobId, image: int) -> Grey | None:
        """Read an image, counted from 1 over all series; None where there is none."""
        found = self._find(job, image)
        return grey_of(*found) if found else self._exhibit(job, image)

    def _exhibit(self, job: JobId, image: int) -> Grey | None:
        """Find a picture of the gate; they are counted after the images of all series."""
        left = image - 1 - sum(len(images) for _, images in self._series(job))
        for number, shelf in enumerate(self.exhibits.shelves(job)):
            if 0 <= left < shelf.count:
                return self.exhibits.grey(job, number, left)
            left -= shelf.count
        return None

    def _find(self, job: JobId, image: int) -> tuple[Path, int] | None:
        images = [one for _, series in self._series(job) for one in series]
        return images[image - 1] if 1 <= image <= len(images) else None

    def _series(self, job: JobId) -> Iterator[tuple[str, list[tuple[Path, int]]]]:
        """List file and frame of every image; instances of one series have equally many frames."""
        for description, paths in self.queries.series_paths(job):
            files = [file for path in paths if (file := self.outbox / path).is_file()]
            n_frames = frames_in(files[0]) if files else 0
            yield description, [(file, frame) for file in files for frame in range(n_frames)]
