"""From notices to one message: each job, delivery or chart once, as it stands now. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.notice import Notice, NoticeKind

SENTENCES = {
    NoticeKind.HELD: "waits for a person's decision",
    NoticeKind.FAILED: "was given up",
    NoticeKind.RECOVERED: "is done now",
    NoticeKind.ALARM: "has an alarm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told at once."""

    id: str
    """The same for the same notices: whoever gets it twice can tell."""
    page: str
    """Address of the page, with a slash at the end."""
    notices: tuple[Notice, ...]

    @property
    def subject(self) -> str:
        """Say in one line how much of what there is."""
        kinds = Counter(one.kind for one in self.notices)
        return "MRI gateway: " + ", ".join(f"{kinds[kind]} {kind}" for kind in NoticeKind if kinds[kind])

    def link(self, notice: Notice) -> str:
        """Say where a job or a chart is shown."""
        if notice.chart is not None:
            return f"{self.page}charts/{notice.chart}"
        return f"{self.page}jobs/{notice.job}"

    def line(self, notice: Notice) -> str:
        """Say one notice."""
        if notice.chart is not None:
            sentence = "is steady again" if notice.kind is NoticeKind.RECOVERED else SENTENCES[notice.kind]
            return f"{notice.at:%Y-%m-%d %H:%M:%S} UTC: control chart {notice.chart} {sentence}: {self.link(notice)}"
        what = f"job {notice.job}" + (f", delivery to {notice.destination}," if notice.destination else "")
        return f"{notice.at:%Y-%m-%d %H:%M:%S} UTC: {what} {SENTENCES[notice.kind]}: {self.link(notice)}"


def digest(channel: str, notices: Sequence[Notice], *, page: str) -> Message:
    """Put what is due into one message."""
    latest = {(one.chart, one.job if one.chart is None else 0, one.destination): one for one in notices}
    seed = f"{channel} {' '.join(str(one.id) for one in notices)}"
    identity = hashlib.sha256(seed.encode()).hexdigest()[:32]
    return Message(id=identity, page=page, notices=tuple(sorted(latest.values(), key=lambda one: one.id)))
