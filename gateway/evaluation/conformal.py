"""By what the gate's guess of the uncertainty has to be multiplied so that it holds: found on scans of every line.

An image's score is the factor by which nine of ten pixels of its patient would lie within the guess. The factor that
ships is the score of a rank that leaves room for the next image (split conformal prediction: Vovk 2005; Angelopoulos
and Bates 2023, doi:10.1561/2200000101): of images like those of the calibration so many hold nine of ten of their
pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from gateway.evaluation.compare import Masking, Scan, leave_out, magnitude
from gateway.model.card import Saw
from gateway.model.errors import GatewayError, WrongCall
from gateway.model.gate import Check
from gateway.model.image import ImageKind
from gateway.model.match import Range
from gateway.model.recipes import FftRecipe
from gateway.recon.checks.intake import InputStatistics
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
TINY = 1e-30
NORMAL = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""
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
    saw: Saw
    """Of the scans, as the gate measures them."""

    @property
    def told(self) -> str:
        """Say it as a card does."""
        why = f"{self.held:.0%} of {self.n_images} images hold nine of ten pixels by what the others say"
        return f"uncertainty_factor = {self.factor:.3g}  # {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """On how many images of other scans a factor holds nine of ten pixels."""

    n_held: int
    n_images: int
    pixels: float
    """Mean share of the pixels that it holds."""

    @property
    def told(self) -> str:
        """Say it in a line."""
        low, high = self.interval
        share = f"of the scans {self.n_held} of {self.n_images} images hold nine of ten pixels"
        return f"# {share} ({low:.0%} to {high:.0%} with 95 % confidence); {self.pixels:.0%} of their pixels are held"

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share of all such images lies with 95 % confidence (Wilson 1927, doi:10.2307/2276774).

        Images of one scan are alike, so that it is rather wider.
        """
        n, share = self.n_images, self.n_held / self.n_images
        middle = (share + NORMAL**2 / (2 * n)) / (1 + NORMAL**2 / n)
        reach = NORMAL / (1 + NORMAL**2 / n) * math.sqrt(share * (1 - share) / n + NORMAL**2 / (4 * n * n))
        return middle - reach, middle + reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A scan of every line, and one that shows the truth: the same without noise where that is known, else itself."""

    scan: Scan
    truth: Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one image says of the guess."""

    ratios: npt.NDArray[np.float64]
    """Error over guess, by pixel of the patient."""
    statistics: InputStatistics | None
    """Of its scan."""


def look(
    scans: Sequence[Known],
    model: ReadyModel,
    maskings: Sequence[Masking],
    *,
    device: str,
    tell: Callable[[str], None],
) -> list[Looked]:
    """Hold every image that a model makes of scans of every line against the truth."""
    return list(_images(scans, model, maskings, device, tell))


def calibrate(images: Sequence[Looked]) -> Calibrated:
    """Find the factor of the model that made images.

    Raises
    ------
    WrongCall
        There are too few.
    """
    found = calibrated([score_of(image.ratios) for image in images])
    return replace(found, saw=_saw([asdict(image.statistics) for image in images if image.statistics]))


def held_by(factor: float, images: Sequence[Looked]) -> Held:
    """Count the images of other scans of which a factor holds nine of ten pixels.

    Raises
    ------
    WrongCall
        There are none.
    """
    if not images:
        raise WrongCall("there is no image to check the factor by")
    shares = [float((image.ratios <= factor).mean()) for image in images]
    return Held(n_held=sum(share >= PIXELS for share in shares), n_images=len(shares), pixels=float(np.mean(shares)))


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
    return Calibrated(factor=factor_of(scores), n_images=len(scores), held=float(np.mean(held)), saw=Saw())


def factor_of(scores: Sequence[float], share: float = IMAGES) -> float:
    """Take the score of the rank that holds so many of the next images; the largest where there are few."""
    rank = math.ceil((len(scores) + 1) * share)
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def score_of(ratios: npt.NDArray[np.float64]) -> float:
    """Say by what a guess must be multiplied to hold nine of ten errors, by their ratios to it."""
    return float(np.quantile(ratios, PIXELS))


def _saw(found: Sequence[Mapping[str, float]]) -> Saw:
    """Write what scans were like as a card does."""
    names = found[0] if found else ()
    return Saw(
        **{
            name: Range(
                at_least=float(f"{min(one[name] for one in found):.3g}"),
                at_most=float(f"{max(one[name] for one in found):.3g}"),
            )
            for name in names
        }
    )


def _images(
    scans: Sequence[Known], model: ReadyModel, maskings: Sequence[Masking], device: str, tell: Callable[[str], None]
) -> Iterator[Looked]:
    for known in scans:
        scan = known.scan
        truth = magnitude(known.truth.acquisition, known.truth.header, FftRecipe(), device)
        for masking in maskings:
            tell(f"{scan.name}: {masking}")
            thinned = leave_out(scan, masking)
            try:
                yield from _of_one(Preparation(thinned.acquisition, thinned.header), model, truth, device)
            except GatewayError as fault:
                tell(f"left out: {fault}")


def _of_one(
    preparation: Preparation, model: ReadyModel, truth: npt.NDArray[np.float64], device: str
) -> Iterator[Looked]:
    """Look at every image of a scan; brightness is arbitrary, so each is brought to that of the truth."""
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
    evidence = evidence_of(preparation, model, images, device=device, reruns="never")
    guess = evidence.maps[Check.UNCERTAINTY]
    for image, true, unsure in zip(images.pixels.astype(np.float64), truth, guess, strict=True):
        gain = float((image * true).sum() / max((image * image).sum(), 1e-300))
        there = true > BODY * np.quantile(true, 0.995)
        ratios = np.abs(gain * image - true)[there] / np.maximum(gain * unsure.astype(np.float64)[there], TINY)
        yield Looked(ratios=ratios, statistics=evidence.statistics)
