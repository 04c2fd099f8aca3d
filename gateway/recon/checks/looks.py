"""One frame, looked at by everything that needs no other reconstruction: a slice, or a slab with all its slices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gateway.model.gate import Check
from gateway.model.image import Pixels
from gateway.recon.checks.agreement import agreement_map, difference, uncertainty_map
from gateway.recon.checks.coil_gains import coil_drift, coil_misfit, gain_picture, line_gains
from gateway.recon.checks.consistency import consistency_map, line_misfit, residual, silence, worst_line
from gateway.recon.checks.detail import lacking, lost_detail
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.halves import halves_misfit
from gateway.recon.checks.intake import statistics_of
from gateway.recon.checks.structure import strangeness, strangest
from gateway.recon.checks.view import View, quantile

TOP = 0.999
"""Quantile of a map that is its value: one pixel alone is no structure."""


def look_at(view: View, pixels: Pixels, first: int, evidence: Evidence) -> None:
    """Look at one frame.

    Parameters
    ----------
    pixels
        Its magnitudes. Shape `(z y x)`.
    first
        Number of its first image.
    """
    with evidence.timed(Check.CONSISTENCY, Check.STRUCTURE, Check.LINES, Check.COILS):
        image = view.encoded(pixels)
        seen = view.seen(image)
        left = residual(view, seen)
        back = view.back(left)
        by_place = consistency_map(view, image, back)
        strange = strangeness(view, back)
        lines, samples = line_misfit(view, image, seen, left)
        by_line = max(worst_line(view, lines), silence(view))
        gains = line_gains(view, seen)
        by_coil = max(coil_misfit(view, seen), coil_drift(view, gains))
    with evidence.timed(Check.DETAIL):
        lost, ring = lost_detail(view, seen)
        _picture(evidence, Check.DETAIL, view.shown(lacking(view, back, ring) * view.there * view.scale), first)
    middle = first + len(pixels) // 2
    for check, value in ((Check.LINES, by_line), (Check.COILS, by_coil), (Check.DETAIL, lost)):
        evidence.found(check, value, middle)
    _look_at_halves(view, first, middle, evidence)
    with evidence.timed(Check.CONSISTENCY, Check.STRUCTURE):
        _keep(evidence, Check.CONSISTENCY, view.shown(by_place), first)
        _picture(evidence, Check.STRUCTURE, view.shown(strange), first)
        for number, (places, there) in enumerate(zip(strange, view.there, strict=True)):
            evidence.found(Check.STRUCTURE, strangest(places, there), first + _image(view, number))
    with evidence.timed(Check.LINES, Check.COILS):
        pictures = (Check.LINES, view.encoding.laid_out(samples)), (Check.COILS, gain_picture(view, gains))
        for check, picture in pictures:
            evidence.kspace.setdefault(check, []).extend([picture.cpu().numpy()] * len(pixels))
    _look_at_difference(view, image, first, evidence)


def _look_at_halves(view: View, first: int, middle: int, evidence: Evidence) -> None:
    """Hold the halves of k-space against each other."""
    with evidence.timed(Check.HALVES):
        found = halves_misfit(view)
    if found is None:
        evidence.unchecked.setdefault(Check.HALVES, "the images show too little detail to say")
        return
    value, apart = found
    evidence.found(Check.HALVES, value, middle)
    _picture(evidence, Check.HALVES, view.shown(apart), first)


def _look_at_difference(view: View, image: Tensor, first: int, evidence: Evidence) -> None:
    """Hold an image against the conventional one."""
    with evidence.timed(Check.AGREEMENT):
        apart = difference(view, image)
        _keep(evidence, Check.AGREEMENT, view.shown(agreement_map(view, apart)), first)
    with evidence.timed(Check.UNCERTAINTY):
        unsure = uncertainty_map(view, apart)
        size = image.abs()[view.there]
        share = float((unsure[view.there] / size.clamp_min(1e-30)).median()) if len(size) else 0.0
        shown = view.shown(unsure * view.scale)
        evidence.found(Check.UNCERTAINTY, share, first + len(shown) // 2)
    if evidence.reference is None or evidence.deviation is None:
        raise AssertionError("the conventional image has no place")
    some = slice(first, first + len(shown))
    evidence.maps[Check.UNCERTAINTY][some] = shown
    with evidence.timed(Check.AGREEMENT):
        evidence.reference[some] = view.shown(view.reference.abs() * view.scale)
        evidence.deviation[some] = view.shown(view.deviation * view.scale)
    if some.start <= len(evidence.reference) // 2 < some.stop:
        evidence.statistics = statistics_of(view)


def _keep(evidence: Evidence, check: Check, shown: Pixels, first: int) -> None:
    """Keep a map, and the value of each of its images."""
    _picture(evidence, check, shown, first)
    for number, value in enumerate(_tops(shown), first):
        evidence.found(check, value, number)


def _picture(evidence: Evidence, check: Check, shown: Pixels, first: int) -> None:
    """Keep a map."""
    evidence.maps[check][first : first + len(shown)] = shown


def _tops(shown: Pixels) -> Iterator[float]:
    for places in shown:
        yield float(quantile(torch.from_numpy(np.ascontiguousarray(places)), TOP))


def _image(view: View, number: int) -> int:
    """Find the image in which a slice of the encoded grid lies."""
    n_encoded, n_grid, n_images = view.encoding.shape[0], view.grid.z, view.matrix.z
    at = number * n_grid // n_encoded - n_grid // 2 + n_images // 2
    return min(max(at, 0), n_images - 1)
