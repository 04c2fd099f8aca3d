"""All checks of a reconstruction: the scan is sorted once, every frame is looked at, some are reconstructed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from gateway.model.errors import BadScan
from gateway.model.gate import Check
from gateway.model.image import ImageSeries, Pixels
from gateway.recon.checks.again import Engine, Rerun
from gateway.recon.checks.agreement import agreement_map, difference, uncertainty_map
from gateway.recon.checks.coil_gains import coil_drift, coil_misfit
from gateway.recon.checks.consistency import (
    consistency_map,
    line_misfit,
    residual,
    silence,
    worst_line,
)
from gateway.recon.checks.declared import lines_missing
from gateway.recon.checks.detail import lost_detail
from gateway.recon.checks.halves import halves_misfit
from gateway.recon.checks.held_out import predicted
from gateway.recon.checks.intake import InputStatistics, statistics_of
from gateway.recon.checks.response import respond
from gateway.recon.checks.structure import strangeness, strangest
from gateway.recon.checks.view import RECIPE, View, views
from gateway.recon.parallel import Undersampled, understand
from gateway.recon.scan import Scan
from gateway.recon.workplace import Workplace

AFFORDABLE = 0.25
"""Part of the images that may be reconstructed again for a check."""
TOP = 0.999
"""Quantile of a map that is its value: one pixel alone is no structure."""


RERUN = (Check.RESPONSE, Check.HELD_OUT)
"""What reconstructs an image again, what is worth more first: lines that a method contradicts, others find as well."""
OF_MAPS = (Check.CONSISTENCY, Check.AGREEMENT, Check.UNCERTAINTY)
ALL_BY_OPERATORS = (
    *OF_MAPS,
    Check.STRUCTURE,
    Check.DETAIL,
    Check.LINES,
    Check.COILS,
    Check.HALVES,
    Check.SAMPLING,
    *RERUN,
)


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What the checks found; the worst frame counts.

    Parameters
    ----------
    values
        By check.
    frames
        Of each value: the frame, counted from 0.
    unchecked
        Why there is no value, by check.
    seconds
        What each check cost; the conventional image is counted with agreement.
    maps
        Pictures, by check; zero where a frame was not looked at. Shape `(frame y x)` each.
    reference
        The conventional image, in the units of the images. Shape `(frame y x)`.
    deviation
        Standard deviation of its noise. Shape `(frame y x)`.
    statistics
        Of the frame in the middle.
    """

    values: dict[Check, float] = field(default_factory=dict)
    frames: dict[Check, int] = field(default_factory=dict)
    unchecked: dict[Check, str] = field(default_factory=dict)
    seconds: dict[Check, float] = field(default_factory=dict)
    maps: dict[Check, Pixels] = field(default_factory=dict)
    reference: Pixels | None = None
    deviation: Pixels | None = None
    statistics: InputStatistics | None = None

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Evidence:
        """Begin, with room for the maps of so many images."""
        made = cls()
        made.make_room(shape)
        return made

    def make_room(self, shape: tuple[int, ...]) -> None:
        """Make maps for so many images."""
        self.maps = {check: np.zeros(shape, np.float32) for check in OF_MAPS}
        self.reference, self.deviation = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def found(self, check: Check, value: float, frame: int) -> None:
        """Keep the worst value of a check."""
        if check not in self.values or value > self.values[check]:
            self.values[check], self.frames[check] = value, frame

    @contextmanager
    def timed(self, *checks: Check) -> Iterator[None]:
        """Share the time that a block takes among checks."""
        begun = time.perf_counter()
        yield
        took = (time.perf_counter() - begun) / len(checks)
        for check in checks:
            self.seconds[check] = self.seconds.get(check, 0.0) + took


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is to be examined.

    Parameters
    ----------
    images
        The magnitudes that are to be checked.
    engine
        The method that made them.
    reruns
        ``affordable``, ``always`` or ``never``, as policies say it.
    """

    scan: Scan
    images: ImageSeries
    engine: Engine
    reruns: str = "affordable"
    seed: int = 0


def examine(asked: Examination, place: Workplace) -> Evidence:
    """Run every check that the scan allows; one that it does not allow says why."""
    evidence = Evidence()
    try:
        with evidence.timed(Check.AGREEMENT):
            found = understand(asked.scan, RECIPE, regular=False)
        _check(asked, found)
        with torch.inference_mode():
            _look(asked, found, evidence, place)
    except BadScan as fault:
        evidence.unchecked |= {check: str(fault) for check in ALL_BY_OPERATORS if check not in evidence.values}
    return evidence


def _check(asked: Examination, found: Undersampled) -> None:
    if asked.images.pixels.shape[0] != found.sorter.lines.n_frames:
        raise BadScan("there is not one image for each frame of the scan")
    if found.target.finish.windows:
        raise BadScan("a window was laid over k-space, so that images need not agree with it")


def _look(asked: Examination, found: Undersampled, evidence: Evidence, place: Workplace) -> None:
    pixels = asked.images.pixels
    again = _chosen(asked, len(pixels))
    evidence.make_room(pixels.shape)
    evidence.maps |= {check: np.zeros(pixels.shape, np.float32) for check in again}
    few = f"there are {len(pixels)} images, and one more reconstruction would cost too much"
    why = "the policy wants none" if asked.reruns == "never" else few
    evidence.unchecked |= {check: why for check in RERUN if check not in again}
    every = iter(views(found, place))
    for number in range(len(pixels)):
        with evidence.timed(Check.AGREEMENT):
            view = next(every)
        look_at(view, found, asked.images, number, evidence)
        _count(asked.scan, found, number, evidence)
        if again and number == len(pixels) // 2:
            _reruns_of(
                view,
                Rerun(scan=asked.scan, found=found, reconstruct=asked.engine, frame=number),
                again,
                pixels=pixels[number],
                evidence=evidence,
                random=np.random.default_rng(asked.seed + number),
            )


def _chosen(asked: Examination, n: int) -> tuple[Check, ...]:
    """Choose the checks for which the frame in the middle is reconstructed again, as many as are affordable."""
    if asked.reruns == "never":
        return ()
    return RERUN if asked.reruns == "always" else RERUN[: int(AFFORDABLE * n)]


def look_at(view: View, found: Undersampled, images: ImageSeries, number: int, evidence: Evidence) -> None:
    """Look at one image of a scan, by everything that needs no other reconstruction."""
    matrix, grid = found.target.matrix.y, found.target.grid.y
    if evidence.reference is None or evidence.deviation is None:
        raise AssertionError("the conventional image has no place")
    with evidence.timed(Check.CONSISTENCY, Check.STRUCTURE, Check.LINES, Check.COILS):
        image = view.on_lines(images.pixels[number], matrix, grid)
        seen = view.seen(image)
        left = residual(view, seen)
        by_place = consistency_map(view, image, left)
        strange = strangeness(view, left)
        by_line, by_coil = line_misfit(view, image, seen, left), max(coil_misfit(view, seen), coil_drift(view, seen))
    with evidence.timed(Check.DETAIL):
        evidence.found(Check.DETAIL, lost_detail(view, seen), number)
    with evidence.timed(Check.HALVES):
        apart_halves = halves_misfit(view)
    with evidence.timed(Check.AGREEMENT):
        apart = difference(view, image)
        disagreement = agreement_map(view, apart)
    with evidence.timed(Check.UNCERTAINTY):
        unsure = uncertainty_map(view, apart)
        size = image.abs()[view.there]
        share = float((unsure[view.there] / size.clamp_min(1e-30)).median()) if len(size) else 0.0
    evidence.found(Check.CONSISTENCY, float(by_place.flatten().quantile(TOP)), number)
    evidence.found(Check.STRUCTURE, strangest(strange, view.there), number)
    evidence.found(Check.LINES, max(worst_line(view, by_line), silence(view)), number)
    evidence.found(Check.COILS, by_coil, number)
    if apart_halves is None:
        evidence.unchecked.setdefault(Check.HALVES, "the images show too little detail to say")
    else:
        evidence.found(Check.HALVES, apart_halves, number)
    evidence.found(Check.AGREEMENT, float(disagreement.flatten().quantile(TOP)), number)
    evidence.found(Check.UNCERTAINTY, share, number)
    for check, values, scale in (
        (Check.CONSISTENCY, by_place, 1.0),
        (Check.AGREEMENT, disagreement, 1.0),
        (Check.UNCERTAINTY, unsure, view.scale),
    ):
        evidence.maps[check][number] = view.off_lines(values * scale, matrix, grid)
    evidence.reference[number] = view.off_lines(view.reference.abs() * view.scale, matrix, grid)
    evidence.deviation[number] = view.off_lines(view.deviation * view.scale, matrix, grid)
    if number == len(images.pixels) // 2:
        evidence.statistics = statistics_of(view)


def _count(scan: Scan, found: Undersampled, number: int, evidence: Evidence) -> None:
    """Count the lines of a frame."""
    with evidence.timed(Check.SAMPLING):
        missing = lines_missing(scan.header, found, number)
    if missing is None:
        evidence.unchecked.setdefault(Check.SAMPLING, "the header does not say how many lines are left out")
    else:
        evidence.found(Check.SAMPLING, missing, number)


def _reruns_of(  # noqa: PLR0913 - a frame, and what is asked of it
    view: View,
    rerun: Rerun,
    checks: tuple[Check, ...],
    *,
    pixels: Pixels,
    evidence: Evidence,
    random: np.random.Generator,
) -> None:
    """Reconstruct one frame again for each of some checks: without some lines, and with details put in."""
    target = rerun.found.target
    size = target.matrix.y, target.grid.y

    def held_out() -> None:
        value, error = predicted(view, rerun, target, random)
        evidence.found(Check.HELD_OUT, value, rerun.frame)
        evidence.maps[Check.HELD_OUT][rerun.frame] = view.off_lines(error * view.scale, *size)

    def response() -> None:
        rerun.check()
        found = respond(view, rerun, pixels, target, random)
        if found is None:
            raise BadScan("there is no room in the image for details")
        evidence.found(Check.RESPONSE, found.misfit, rerun.frame)
        evidence.maps[Check.RESPONSE][rerun.frame] = view.off_lines(found.change, *size)

    made: Mapping[Check, Callable[[], None]] = {Check.HELD_OUT: held_out, Check.RESPONSE: response}
    for check in checks:
        try:
            with evidence.timed(check):
                made[check]()
        except BadScan as fault:
            evidence.unchecked[check] = str(fault)
