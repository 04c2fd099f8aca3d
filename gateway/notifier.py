"""Joiner 8: notices in SQL are told by every channel, some at a time, again and again until they are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gateway.jobs.notices import Notices
from gateway.model.errors import NotTold
from gateway.notify.message import Message, digest

logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to tell."""

    name: str
    send: Callable[[Message], None]
    digest_s: float
    """What happens within so long goes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Tells people what needs them."""

    notices: Notices
    channels: tuple[Channel, ...]
    page: str

    def open(self) -> None:
        """Begin to use the channels: what happened before they were set is not told."""
        for channel in self.channels:
            self.notices.open(channel.name)

    def tell(self) -> None:
        """Tell what is due; a channel that does not work keeps no other one waiting."""
        for channel in self.channels:
            self._tell(channel)

    def _tell(self, channel: Channel) -> None:
        due = self.notices.due(channel.name)
        if not due:
            return
        try:
            channel.send(digest(channel.name, due, page=self.page))
        except NotTold as fault:
            state = self.notices.state(channel.name)
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(state.attempt if state else 0, 16))
            self.notices.failed(channel.name, str(fault), wait=timedelta(seconds=wait_s))
            logger.warning("nobody was told", extra={"channel": channel.name, "reason": str(fault)})
        else:
            self.notices.told(channel.name, due, pause=timedelta(seconds=channel.digest_s))
            logger.info("people were told", extra={"channel": channel.name, "notices": len(due)})
