"""Joiner 10: what an idle worker does for a scan that still arrives: slices that are whole become images already.

Nothing follows from it but time (docs/adr/0032): the images lie in a folder of the scan until its job, which is made at
CLOSE like any other, finds them by all that they depend on. The listener knows nothing of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.jobs.scans import Arrived, ScanStore
from gateway.model.errors import BadScan, GatewayError, StorageFault, UnreadableFile
from gateway.model.header import ScanHeader
from gateway.model.ids import RecordingId
from gateway.model.noise import NoiseCovariance
from gateway.model.recipes import GuidedTvRecipe, LearnedRecipe, Recipe
from gateway.model.route import Routes
from gateway.model.scan import ScanState
from gateway.mrd.follow import Follower
from gateway.mrd.header import parse_header
from gateway.recon.engine import reconstruct
from gateway.recon.incoming import Incoming, obstacle
from gateway.routing.choose import choose
from gateway.routing.facts import facts_of
from gateway.spool.headstarts import Headstart, Headstarts
from gateway.spool.spool import Spool

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
"""At a recording that grows."""


@dataclass(kw_only=True)
class _Following:
    """A scan that is followed, once its route was found to say so."""

    scan: Arrived
    follower: Follower
    headstart: Headstart
    recipe: Recipe
    noise: NoiseCovariance | None
    incoming: Incoming


class _TooEarly(Exception):
    """Nothing of an image has come, and the noise that scanners measure first may not have, either."""


@dataclass(kw_only=True)
class Ahead:
    """Called again and again by a worker that has no job; it follows one scan at a time."""

    scans: ScanStore
    spool: Spool
    headstarts: Headstarts
    routes: Callable[[], Routes]
    """Those in force."""
    noise: Callable[[ScanHeader], NoiseCovariance | None]
    """Finds an earlier measurement of a scan's noise."""
    who: str
    device: str
    memory_bytes: int | None = None
    _following: _Following | None = None
    _seen: set[RecordingId] = field(default_factory=set)
    _early: bool = False

    def __call__(self) -> float | None:
        """Do a little of what can be done ahead.

        Returns
        -------
            After how many seconds to ask again; None where nothing is to be done before something happens.
        """
        try:
            self._following = self._following or self._next()
            if self._following is None:
                return LOOK_EVERY_S if self._early else None
            return self._go_on(self._following)
        except StorageFault as fault:
            logger.warning("no images are made ahead", extra={"reason": str(fault)})
        except Exception:  # work that nobody has to wait for must not end a worker
            logger.exception("a fault of ours in images made ahead")
        self._following = None
        return None

    def _next(self) -> _Following | None:
        """Find a scan that arrives, whose route says that it is to be followed, and that nobody follows.

        Why one is not followed its job says, which knows all of it.
        """
        arriving, self._early = self.scans.arriving_now(), False
        self._seen &= {scan.recording for scan in arriving}
        for scan in arriving:
            if scan.recording in self._seen:
                continue
            try:
                found = self._followed(scan)
            except _TooEarly:
                self._early = True
                continue
            except GatewayError as fault:
                logger.info("scan not followed", extra={"scan": scan.recording, "reason": str(fault)})
                found = None
            self._seen.add(scan.recording)
            if found is not None:
                return found
        return None

    def _followed(self, scan: Arrived) -> _Following | None:
        path = self.spool.part_of(scan.recording)
        if path is None:
            return None
        follower = Follower(path)
        runs = follower.look()
        header = parse_header(follower.header_xml)
        choice = choose(self.routes(), facts_of(header, source=scan.peer, recipe_asked=follower.recipe_asked))
        if not choice.rule.stream:
            return None
        noise = self.noise(header)
        incoming = Incoming(header=header, noise_known=noise is not None)
        incoming.take(runs)
        if not incoming.begun:
            raise _TooEarly
        hindrance = obstacle(choice.recipe, header, noise_known=incoming.noise_known)
        if hindrance or isinstance(choice.recipe, (LearnedRecipe, GuidedTvRecipe)):
            logger.info("scan not followed", extra={"scan": scan.recording, "reason": hindrance})
            return None
        headstart = self.headstarts.of(scan.recording)
        if not headstart.claim():
            return None
        text = f"rule {choice.rule.name!r}, recipe {choice.recipe_name}: slices become images as they arrive"
        self.scans.note(scan.recording, who=self.who, what="streaming", text=text)
        return _Following(
            scan=scan, follower=follower, headstart=headstart, recipe=choice.recipe, noise=noise, incoming=incoming
        )

    def _go_on(self, following: _Following) -> float:
        """Make the images of one slice, if one seems whole."""
        state = self.scans.state_of(following.scan.recording)
        if state is not ScanState.RECEIVING:
            self._following = None
            self._leave(following, state)
            return 0
        with suppress(UnreadableFile):  # it got its name, and soon its state
            following.incoming.take(following.follower.look())
        number = following.incoming.worth_trying()
        if number is None:
            return LOOK_EVERY_S
        self._make(following, number)
        return 0

    def _make(self, following: _Following, number: int) -> None:
        following.incoming.tried(number)
        acquisition, header = following.incoming.scan_of(number)
        where = {"scan": following.scan.recording, "slice": number}
        try:
            reconstruct(
                acquisition,
                header,
                following.recipe,
                device=self.device,
                memory_bytes=self.memory_bytes,
                progress=lambda *_: None,
                noise=following.noise,
                shelf=following.headstart,
            )
        except BadScan as fault:  # not whole yet; and where it never will be, the job says so
            logger.info("slice not made ahead", extra={**where, "reason": str(fault)})
        else:
            logger.info("slice made ahead", extra=where)

    def _leave(self, following: _Following, state: ScanState | None) -> None:
        """Leave the images to the job of a whole scan; those of any other are thrown away, and people see it."""
        if state is ScanState.COMPLETE:
            return
        thrown, recording = following.headstart.count(), following.scan.recording
        following.headstart.clear()
        text = f"images of {thrown} slices: the scan is {state or 'gone'}"
        self.scans.note(recording, who=self.who, what="streamed work thrown away", text=text)
