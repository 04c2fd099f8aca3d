"""The loop that works a queue, and the one place where an error becomes an outcome."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from gateway.jobs.bell import Bell, Pace
from gateway.jobs.joblog import at_job
from gateway.jobs.lease import Lease
from gateway.model.errors import GatewayError, LostLease, StorageFault
from gateway.model.ids import JobId

logger = logging.getLogger(__name__)


class Claimed(Protocol):
    """Work that is ours."""

    @property
    def lease(self) -> Lease:
        """The right to it."""

    @property
    def job(self) -> JobId:
        """The job that it is, or belongs to."""


Work = TypeVar("Work", bound=Claimed)
Work_co = TypeVar("Work_co", bound=Claimed, covariant=True)


class Queue(Protocol[Work_co]):
    """What the loop needs of a queue."""

    def claim(self, owner: str) -> Work_co | None:
        """Claim the next piece of work."""

    def renew(self, lease: Lease) -> None:
        """Keep a lease alive."""

    def postpone(self, lease: Lease, reason: str, *, hold_after_s: float | None = None) -> None:
        """Try again later; hold it, where that is said, after so long."""

    def hold(self, lease: Lease, reason: str) -> None:
        """Wait for a person."""

    def fail(self, lease: Lease, reason: str) -> None:
        """Give up."""


def owner_name(role: str) -> str:
    """Name a worker so that no other ever has the same name."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def work(  # noqa: PLR0913 - what to do, who does it, and when
    queue: Queue[Work],
    run: Callable[[Work], None],
    *,
    owner: str,
    bell: Bell,
    pace: Pace,
    meanwhile: Callable[[], float | None] = lambda: None,
) -> None:
    """Work until stopped; the piece in hand is finished first.

    Parameters
    ----------
    meanwhile
        Does a little of what can be done where there is no work; says after how many seconds to go on with that.
    """
    stop = bell.stop
    while not stop.is_set():
        rung = bell.rung
        try:
            claimed = queue.claim(owner)
        except StorageFault as fault:
            logger.warning("cannot look for work", extra={"owner": owner, "reason": str(fault)})
            stop.wait(pace.trouble_s)
            continue
        if claimed is None:
            with _deadline(pace.attempt_s):
                patience_s = meanwhile()
            bell.wait(rung, patience_s)
        else:
            _attempt(queue, run, claimed, pace)


def _attempt(queue: Queue[Work], run: Callable[[Work], None], claimed: Work, pace: Pace) -> None:
    """Run one attempt under a heartbeat and record how it ended."""
    with at_job(claimed.job):
        try:
            with _Heartbeat(queue, claimed.lease, pace.heartbeat_s), _deadline(pace.attempt_s):
                outcome = _outcome(queue, run, claimed)
            outcome()
        except LostLease as lost:
            logger.warning("work was taken from us", extra={"reason": str(lost)})
        except StorageFault as fault:
            logger.exception("the outcome could not be recorded; the lease will end", extra={"reason": str(fault)})


def _outcome(queue: Queue[Work], run: Callable[[Work], None], claimed: Work) -> Callable[[], None]:
    """Run, and decide from what is raised how the attempt ends."""
    lease = claimed.lease
    begun = time.monotonic()
    logger.info("attempt begins", extra={"row": lease.row, "attempt": lease.attempt, "owner": lease.owner})
    try:
        run(claimed)
    except LostLease:
        raise
    except GatewayError as error:
        end = queue.postpone if error.transient else queue.hold if error.held else queue.fail
        how = {"hold_after_s": error.patience_s} if error.transient and error.held else {}
        reason = str(error)
        logger.warning("attempt ended", extra={"row": lease.row, "end": end.__name__, "reason": reason})
        return lambda: end(lease, reason, **how)
    except Exception as bug:  # a bug: recorded, never retried, and the worker goes on
        logger.exception("a fault of ours", extra={"row": lease.row})
        what = f"a fault of ours ({type(bug).__name__}); the log has the details"
        return lambda: queue.fail(lease, what)
    logger.info("attempt ended", extra={"row": lease.row, "end": "succeed", "s": round(time.monotonic() - begun, 2)})
    return lambda: None


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Have the kernel end this process (SIGALRM) unless the block ends in time."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Heartbeat:
    """Renew a lease from a thread while work goes on; a lost lease shows at the next write."""

    def __init__(self, queue: Queue[Claimed], lease: Lease, every_s: float) -> None:
        self._queue = queue
        self._lease = lease
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{lease.row}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._done.wait(self._every_s):
            try:
                self._queue.renew(self._lease)
            except LostLease:
                return
            except StorageFault as fault:
                logger.warning("a heartbeat failed", extra={"row": self._lease.row, "reason": str(fault)})
