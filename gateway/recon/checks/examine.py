"""All checks of a reconstruction: the scan is sorted once, every frame is looked at, some are reconstructed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gateway.model.errors import BadScan
from gateway.model.gate import Check
from gateway.model.image import ImageSeries, Pixels
from gateway.model.recipes import CgNufftRecipe
from gateway.recon.checks.evidence import ALL_BY_OPERATORS, RERUN, Evidence
from gateway.recon.checks.held_out import predicted
from gateway.recon.checks.looks import look_at
from gateway.recon.checks.points import of_points
from gateway.recon.checks.rerun import Engine
from gateway.recon.checks.response import respond
from gateway.recon.checks.subject import OfLines, Subject, Trial
from gateway.recon.checks.view import RECIPE, View
from gateway.recon.parallel import understand
from gateway.recon.scan import Scan
from gateway.recon.workplace import Workplace

OF_SLABS = (Check.UNCERTAINTY, Check.LINES, Check.COILS, Check.DETAIL, Check.HALVES)
"""What is asked of a slab as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is to be examined.

    Parameters
    ----------
    images
        The magnitudes that are to be checked.
    engine
        The method that made them.
    windowed
        Whether a window was laid over their k-space.
    beside
        The conventional method that images of non-Cartesian scans are held against; None for a Cartesian scan.
    reruns
        ``affordable``, ``always`` or ``never``, as policies say it.
    """

    scan: Scan
    images: ImageSeries
    engine: Engine
    windowed: bool = False
    beside: CgNufftRecipe | None = None
    reruns: str = "affordable"
    seed: int = 0


def examine(asked: Examination, place: Workplace) -> Evidence:
    """Run every check that the scan allows; one that it does not allow says why."""
    evidence = Evidence()
    try:
        with evidence.timed(Check.AGREEMENT):
            subject = _subject(asked)
        _check(asked, subject)
        with torch.inference_mode():
            _look(asked, subject, evidence, place)
    except BadScan as fault:
        evidence.unchecked |= {check: str(fault) for check in ALL_BY_OPERATORS if check not in evidence.values}
    return evidence


def _subject(asked: Examination) -> Subject:
    if asked.beside is not None:
        return of_points(asked.scan, asked.beside)
    return OfLines(scan=asked.scan, found=understand(asked.scan, RECIPE, regular=False))


def _check(asked: Examination, subject: Subject) -> None:
    if len(asked.images.pixels) != subject.n_frames * subject.n_slices:
        raise BadScan("there is not one image for each frame of the scan")
    if asked.windowed:
        raise BadScan("a window was laid over k-space, so that images need not agree with it")


def _look(asked: Examination, subject: Subject, evidence: Evidence, place: Workplace) -> None:
    pixels = asked.images.pixels
    again = _chosen(asked, subject)
    evidence.make_room(pixels.shape)
    evidence.maps |= {check: np.zeros(pixels.shape, np.float32) for check in again}
    few = f"there are {len(pixels)} images, and one more reconstruction would cost too much"
    why = "the policy wants none" if asked.reruns == "never" else few
    evidence.unchecked |= {check: why for check in RERUN if check not in again}
    every, n = iter(subject.views(place)), subject.n_slices
    for number in range(subject.n_frames):
        with evidence.timed(Check.AGREEMENT):
            view = next(every)
        shown = pixels[number * n : (number + 1) * n]
        look_at(view, shown, number * n, evidence)
        _count(subject, number, evidence)
        if again and number == subject.n_frames // 2:
            _make_again(asked, subject, view, number, again, evidence, place)
    if n > 1:
        evidence.notes |= {check: "of the whole slab" for check in OF_SLABS if check in evidence.values}


def _chosen(asked: Examination, subject: Subject) -> tuple[Check, ...]:
    """Choose the checks for which the frame in the middle is reconstructed again, as many as are affordable."""
    if asked.reruns == "never":
        return ()
    return RERUN if asked.reruns == "always" else RERUN[: subject.affordable()]


def _count(subject: Subject, number: int, evidence: Evidence) -> None:
    """Count the lines of a frame."""
    with evidence.timed(Check.SAMPLING):
        missing = subject.missing(number)
    if missing is None:
        evidence.unchecked.setdefault(Check.SAMPLING, "the header does not say how many lines are left out")
        return
    first = number * subject.n_slices
    evidence.found(Check.SAMPLING, missing.times, first)
    if evidence.frames[Check.SAMPLING] == first:
        evidence.notes[Check.SAMPLING] = missing.note


def _make_again(  # noqa: PLR0913, PLR0917 - a frame, and what is asked of it
    asked: Examination,
    subject: Subject,
    view: View,
    number: int,
    checks: tuple[Check, ...],
    evidence: Evidence,
    place: Workplace,
) -> None:
    """Reconstruct a frame, or a piece of it, again for some checks: without some lines, and with details put in."""
    first, n = number * subject.n_slices, subject.n_slices
    try:
        with evidence.timed(*checks):
            trial = subject.trial(number, view, asked.images.pixels[first : first + n], asked.engine, place)
    except BadScan as fault:
        evidence.unchecked |= dict.fromkeys(checks, str(fault))
        return
    for check in checks:
        try:
            with evidence.timed(check):
                value, shown = MADE_AGAIN[check](trial, np.random.default_rng(asked.seed + number))
        except BadScan as fault:
            evidence.unchecked[check] = str(fault)
            continue
        evidence.found(check, value, first + n // 2)
        evidence.maps[check][first : first + n, :, trial.x] = shown
        if trial.note:
            evidence.notes[check] = trial.note


def _held_out(trial: Trial, random: np.random.Generator) -> tuple[float, Pixels]:
    value, error = predicted(trial.view, trial.rerun, random)
    return value, trial.view.shown(error * trial.view.scale)


def _response(trial: Trial, random: np.random.Generator) -> tuple[float, Pixels]:
    trial.rerun.check()
    found = respond(trial.view, trial.rerun, trial.pixels, random)
    if found is None:
        raise BadScan("there is no room in the image for details")
    return found.misfit, trial.view.shown(found.change)


MADE_AGAIN: Mapping[Check, Callable[[Trial, np.random.Generator], tuple[float, Pixels]]] = {
    Check.HELD_OUT: _held_out,
    Check.RESPONSE: _response,
}
"""What is found out by making a frame again: a value, and a map `(z y x)`."""
