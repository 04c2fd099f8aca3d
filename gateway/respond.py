"""Images go back to whoever sent the scan: what a listener says between its receipt and its CLOSE.

The scan is stored and its job is committed before any of this begins, and nothing here is waited for without an end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.jobs.queries import JobView, Queries
from gateway.model.errors import GatewayError
from gateway.model.ids import JobId
from gateway.model.job import JobState
from gateway.model.route import Routes
from gateway.mrd import messages
from gateway.spool.replies import Replies

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Responder:
    """Waits for the images of a job where its rule says that they go back."""

    queries: Queries
    replies: Replies
    routes: Callable[[int], Routes]
    """Gets the number of their version."""
    patience_s: float
    poll_s: float = 0.1

    def __call__(self, job: JobId, stopping: threading.Event) -> Iterator[bytes]:
        """Give what goes back, in pieces: images and a sentence, or a sentence alone, or nothing at all."""
        try:
            yield from self._reply(job, stopping)
        except GatewayError as fault:
            logger.warning("images not returned", extra={"job": job, "reason": str(fault)})
            yield messages.text(f"no images here: {fault}; they will be in the series of job {job}")

    def _reply(self, job: JobId, stopping: threading.Event) -> Iterator[bytes]:
        until = time.monotonic() + self.patience_s
        while self._may_respond(view := self.queries.job(job)):
            if view.state is JobState.DONE:
                yield from self.replies.take(job)
                return
            if view.state not in (JobState.QUEUED, JobState.RUNNING):
                yield messages.text(f"no images: job {job} is {view.state}: {view.reason}")
                return
            if time.monotonic() > until or stopping.wait(self.poll_s):
                why = "the gateway is being stopped" if stopping.is_set() else f"not within {self.patience_s:g} s"
                yield messages.text(f"no images here ({why}): they will be in the series of job {job}")
                return

    def _may_respond(self, view: JobView) -> bool:
        """Whether the rule of a job wants images to go back; before the job has its rule, whether any does."""
        rules = self.routes(view.routes_version).rules
        return any(rule.respond == "images" for rule in rules if view.rule in (None, rule.name))
