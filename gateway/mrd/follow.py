"""A recording that still grows, read as it does: whole messages only, each of them once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gateway.model.errors import BadStream, UnreadableFile
from gateway.model.readout import Readouts
from gateway.mrd.session import NO_CHOICE
from gateway.mrd.stream import Reading, map_file


class Follower:
    """Reads on where it stopped the last time; nothing that was written changes any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = Reading()

    @property
    def header_xml(self) -> bytes:
        """The header of the scan; empty as long as it has not come."""
        return self._reading.header_xml

    @property
    def recipe_asked(self) -> str:
        """The recipe that the client wants; empty where it leaves the choice to the routes."""
        name = self._reading.recipe_asked.strip()
        return "" if name in NO_CHOICE else name

    def look(self) -> list[Readouts]:
        """Give the readouts that have come whole since the last look.

        Raises
        ------
        UnreadableFile
            The recording has another name now, or is gone.
        """
        try:
            grown = self._path.stat().st_size > self._reading.at
        except OSError as error:
            raise UnreadableFile(self._path, error.strerror or str(error)) from error
        if grown:
            with suppress(BadStream):  # within a message; or nonsense, which whoever receives it refuses
                self._reading.take(map_file(self._path))
        found, self._reading.runs = self._reading.runs, []
        return found
