"""By what the gate's guess of the uncertainty has to be multiplied so that it holds: found on scans of every line.

An image's score is the factor by which nine of ten pixels of its patient would lie within the guess. The factor that
ships is the score of a rank that leaves room for the next image (split conformal prediction: Vovk 2005; Angelopoulos
and Bates 2023, doi:10.1561/2200000101): of images like those of the calibration so many hold nine of ten of their
pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.evaluation.compare import Masking, Scan, magnitude
from gateway.evaluation.retrospective import line_count, undersampled
from gateway.model.errors import GatewayError, WrongCall
from gateway.model.gate import Check
from gateway.model.image import ImageKind
from gateway.model.recipes import FftRecipe
from gateway.model.training import Pattern
from gateway.recon import masks
from gateway.recon.checks.recording import evidence_of
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.preparation import Preparation

PIXELS = 0.9
"""Of the patient, that the uncertainty is to hold; what a card says of its factor."""
IMAGES = 0.9
"""Of the images, in which it does."""
BODY = 0.1
"""Of the brightest parts: darker pixels are no patient."""
FEWEST = 9
"""Images; with fewer none can be left out of one in ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What came out.

    Parameters
    ----------
    held
        Share of the images that hold, each by a factor found from the others alone.
    """

    factor: float
    n_images: int
    held: float


def calibrate(
    scans: Sequence[Scan],
    model: ReadyModel,
    maskings: Sequence[Masking],
    *,
    device: str,
    tell: Callable[[str], None],
) -> Calibrated:
    """Find the factor of a model on scans whose every line was measured.

    Raises
    ------
    WrongCall
        There are too few images, or the model made none of them.
    """
    scores = list(_scores(scans, model, maskings, device, tell))
    return calibrated(scores)


def calibrated(scores: Sequence[float]) -> Calibrated:
    """Find the factor from the scores of images, and what it would have held of each without that image.

    Raises
    ------
    WrongCall
        There are too few.
    """
    if len(scores) < FEWEST:
        raise WrongCall(f"{len(scores)} images are too few to calibrate by; {FEWEST} are the fewest")
    held = [score <= factor_of([*scores[:n], *scores[n + 1 :]]) for n, score in enumerate(scores)]
    return Calibrated(factor=factor_of(scores), n_images=len(scores), held=float(np.mean(held)))


def factor_of(scores: Sequence[float], share: float = IMAGES) -> float:
    """Take the score of the rank that holds so many of the next images; the largest where there are few."""
    rank = math.ceil((len(scores) + 1) * share)
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def score_of(error: npt.NDArray[np.float64], guess: npt.NDArray[np.float64]) -> float:
    """Say by what a guess must be multiplied to hold nine of ten errors."""
    return float(np.quantile(np.abs(error) / np.maximum(guess, 1e-30), PIXELS))


def _scores(
    scans: Sequence[Scan], model: ReadyModel, maskings: Sequence[Masking], device: str, tell: Callable[[str], None]
) -> Iterator[float]:
    for scan in scans:
        n = line_count(scan.acquisition, scan.header)
        truth = magnitude(scan.acquisition, scan.header, FftRecipe(), device)
        for masking in maskings:
            tell(f"{scan.name}: {masking}")
            step = masking.acceleration if masking.pattern is Pattern.EQUISPACED else 1
            centre = masks.calibration(n, masking.n_calibration)
            thinned = undersampled(
                scan.acquisition, scan.header, measured=masking.lines(n), calibration=centre, step=step
            )
            try:
                yield from _of_one(Preparation(*thinned), model, truth, device)
            except GatewayError as fault:
                tell(f"left out: {fault}")


def _of_one(
    preparation: Preparation, model: ReadyModel, truth: npt.NDArray[np.float64], device: str
) -> Iterator[float]:
    """Score every image of a scan; brightness is arbitrary, so each is brought to that of the truth."""
    made = reconstruct(
        preparation.acquisition,
        preparation.header,
        model,
        device=device,
        progress=lambda *_: None,
        preparation=preparation,
    )
    images = next(one for one in made if one.kind is ImageKind.MAGNITUDE)
    if images.model is None:
        raise WrongCall(f"the network did not take part: {' '.join(images.notes)}")
    guess = evidence_of(preparation, model, images, device=device, reruns="never").maps[Check.UNCERTAINTY]
    for image, true, unsure in zip(images.pixels.astype(np.float64), truth, guess, strict=True):
        gain = float((image * true).sum() / max((image * image).sum(), 1e-300))
        there = true > BODY * np.quantile(true, 0.995)
        yield score_of((gain * image - true)[there], gain * unsure.astype(np.float64)[there])
