"""Live updates: one look at the database for all who watch, and server-sent events with the parts that have changed.

A page says what it has seen; it gets what is different, now and whenever something changes, until it closes, its
session ends or we stop. Whoever is slow gets the newest state and not every one in between. Server-sent events:
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.jobs.overview import Pulse
from gateway.model.errors import GatewayError, StorageFault

LOOK_EVERY_S = 0.5
READ_EVERY_S = 10.0
"""What changes by itself, such as the room on a disk, is read this often."""
HEARTBEAT_S = 15.0
RETRY_MS = 2_000
MOST_WATCHERS = 200


class TooManyWatchers(GatewayError):
    """So many pages are open that another one has to ask by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a page shows: equal keys show the same, to whoever looks."""

    key: tuple[object, ...]
    read: Callable[[], Mapping[str, Any]]
    """Reads the values; equal values are written equally by ``repr``."""
    draw: Callable[[Mapping[str, Any]], Mapping[str, str]]
    """Makes the live parts of the page of them: HTML by the id of the element."""


@dataclass(slots=True, kw_only=True)
class _Room:
    """All who watch one view."""

    view: View
    watchers: int = 0
    seen: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    frames: dict[str, bytes] = field(default_factory=dict)
    """Of the way from an earlier state to this one, by what was seen: most watchers take the same."""
    earlier: dict[str, Mapping[str, str]] = field(default_factory=dict)


class Live:
    """Everybody who watches, and the one look that is taken for them."""

    def __init__(self, feel: Callable[[], Pulse], *, most: int = MOST_WATCHERS) -> None:
        self._feel = feel
        self._most = most
        self._rooms: dict[tuple[object, ...], _Room] = {}
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def watchers(self) -> int:
        """How many watch."""
        return sum(room.watchers for room in self._rooms.values())

    def close(self) -> None:
        """End all streams, from any thread; each says what there is and ends."""
        self._closed = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and everybody with it
                self._loop.call_soon_threadsafe(self._wake)

    def check_room(self) -> None:
        """Refuse one more watcher where there are too many.

        Raises
        ------
        TooManyWatchers
            There are.
        """
        if self.watchers >= self._most:
            raise TooManyWatchers(f"{self._most} pages are open already")

    async def watch(self, view: View, seen: str, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Tell one page what changes; ``allowed`` is asked again and again whether it may still be told."""
        with self._present(view) as room:
            yield f"retry: {RETRY_MS}\n\n".encode()
            told = ""
            while True:
                changed = room.changed
                if room.trouble != told:
                    told = room.trouble
                    yield _event("trouble", told)
                if room.seen and room.seen != seen:
                    yield self._frame(room, seen)
                    seen = room.seen
                if self._closed:
                    return
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
                except TimeoutError:
                    if not await asyncio.to_thread(allowed):
                        yield _event("ended", "")
                        return
                    yield b": still here\n\n"

    @contextmanager
    def _present(self, view: View) -> Any:  # noqa: ANN401 - a generator of one room
        room = self._rooms.setdefault(view.key, _Room(view=view))
        room.watchers += 1
        self._loop = asyncio.get_running_loop()
        if self._looking is None or self._looking.done() or self._looking.get_loop() is not self._loop:
            self._looking = self._loop.create_task(self._look())
        try:
            yield room
        finally:
            room.watchers -= 1
            if not room.watchers:
                self._rooms.pop(view.key, None)

    async def _look(self) -> None:
        """Look again and again while anybody watches."""
        felt: Pulse | None = None
        read_at = 0.0
        while self._rooms and not self._closed:
            now = asyncio.get_running_loop().time()
            try:
                pulse = await asyncio.to_thread(self._feel)
                everything = pulse != felt or now - read_at > READ_EVERY_S
                for room in list(self._rooms.values()):
                    if everything or not room.seen or room.trouble:
                        await self._read(room)
                if everything:
                    felt, read_at = pulse, now
            except StorageFault:
                self._trouble("The database does not answer at the moment. Scans that arrive are not lost.")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _read(self, room: _Room) -> None:
        values = await asyncio.to_thread(room.view.read)
        seen = digest_of(values)
        if seen == room.seen and not room.trouble:
            return
        parts = await asyncio.to_thread(room.view.draw, values)
        room.earlier = {room.seen: room.parts}
        room.seen, room.parts, room.trouble = seen, parts, ""
        room.frames.clear()
        self._announce(room)

    def _frame(self, room: _Room, seen: str) -> bytes:
        """Write what is different for somebody who has seen an earlier state; of one long ago, everything."""
        if seen not in room.frames:
            before = room.earlier.get(seen, {})
            different = {name: html for name, html in room.parts.items() if before.get(name) != html}
            room.frames = {**room.frames, seen: _event("parts", json.dumps(different), room.seen)}
        return room.frames[seen]

    def _trouble(self, sentence: str) -> None:
        for room in self._rooms.values():
            if room.trouble != sentence:
                room.trouble = sentence
                self._announce(room)

    def _announce(self, room: _Room) -> None:
        room.changed.set()
        room.changed = asyncio.Event()

    def _wake(self) -> None:
        for room in self._rooms.values():
            self._announce(room)


def digest_of(values: Mapping[str, Any]) -> str:
    """Name a state of a view."""
    return hashlib.sha256(repr(sorted(values.items())).encode("utf-8", "backslashreplace")).hexdigest()[:20]


def _event(kind: str, data: str, seen: str = "") -> bytes:
    head = f"event: {kind}\n" + (f"id: {seen}\n" if seen else "")
    return f"{head}data: {data}\n\n".encode()
