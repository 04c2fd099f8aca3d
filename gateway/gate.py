"""Joiner 7: images of a learned recipe are checked before they leave; policy or a person says what is sent."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from gateway.exhibition import exhibited, order_of
from gateway.model.card import ModelCard
from gateway.model.errors import ReviewWanted
from gateway.model.exhibit import Exhibit
from gateway.model.gate import Action, Check, Decision, Measured, Ruling, worst_in
from gateway.model.header import ScanHeader
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.policy import Policy
from gateway.model.readout import Acquisition
from gateway.quality.doubt import doubt
from gateway.quality.familiarity import familiarity
from gateway.quality.geometry import ghosting, mirrored
from gateway.quality.joint import together
from gateway.quality.ruling import rule
from gateway.quality.sanity import check_images
from gateway.recon.checks.evidence import ALL_BY_OPERATORS, Evidence
from gateway.recon.checks.recording import evidence_of
from gateway.recon.checks.rerun import nothing_said, nothing_told
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.preparation import Preparation

CHECKED = ImageKind.MAGNITUDE
NO_FACTOR = 2.0
"""Multiplies a guess of the uncertainty that nobody has calibrated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Images of a learned recipe, with all that they are judged by.

    Parameters
    ----------
    work_digest
        Of the recording, the recipe and its parameters.
    decided
        Looks up what a person has said of a subject.
    """

    acquisition: Acquisition
    header: ScanHeader
    ready: ReadyModel
    made: Sequence[ImageSeries]
    policy: Policy
    policy_name: str
    work_digest: str
    decided: Callable[[str], Decision | None]
    preparation: Preparation
    """Of the recording."""
    device: str = "auto"
    memory_bytes: int | None = None
    """Taken at a time, at the most; None for a part of what is free."""
    told: Callable[[str], None] = nothing_told
    """Gets a sentence whenever memory ran out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What may leave, and why.

    Parameters
    ----------
    images
        What is sent; nothing where a person has to look first.
    exhibits
        Pictures for that person.
    """

    ruling: Ruling
    images: tuple[ImageSeries, ...]
    exhibits: tuple[Exhibit, ...]
    model: str
    """Its name and version."""

    def check(self) -> None:
        """Stop images that wait for a person.

        Raises
        ------
        ReviewWanted
            The policy says so, and nobody has decided.
        """
        if self.ruling.action is Action.HOLD:
            raise ReviewWanted(f"the images wait for a person: {' '.join(self.ruling.because)}")


def judge(suspect: Suspect) -> Passage:
    """Check images, and decide what becomes of them."""
    images = _magnitudes(suspect)
    evidence = _evidence(suspect, images)
    _take_spread(suspect, images, evidence)
    subject = subject_of(suspect.work_digest, suspect.ready.card)
    measured = list(_measured(evidence, images, suspect.ready.card))
    ruling = rule(
        [*measured, together(measured)],
        suspect.policy,
        suspect.policy_name,
        subject=subject,
        decision=suspect.decided(subject),
    )
    wants_conventional = ruling.action in (Action.COMPANION, Action.REPLACE, Action.HOLD)
    conventional = _conventional(suspect, ruling) if wants_conventional else ()
    sent = _sent(suspect, ruling, conventional, evidence)
    return Passage(
        ruling=ruling,
        images=sent,
        exhibits=_exhibits(suspect, ruling, conventional, evidence),
        model=suspect.ready.card.label,
    )


def _magnitudes(suspect: Suspect) -> ImageSeries | None:
    return next((one for one in suspect.made if one.kind is CHECKED), None)


def subject_of(work_digest: str, card: ModelCard) -> str:
    """Name what is judged, so that a word about it holds for nothing else."""
    return hashlib.sha256(f"{work_digest} {card.weights_sha256}".encode()).hexdigest()


def _evidence(suspect: Suspect, images: ImageSeries | None) -> Evidence:
    if images is None:
        return Evidence(unchecked=dict.fromkeys(ALL_BY_OPERATORS, f"the recipe makes no {CHECKED}"))
    return evidence_of(
        suspect.preparation,
        suspect.ready,
        images,
        device=suspect.device,
        memory_bytes=suspect.memory_bytes,
        told=suspect.told,
        reruns=suspect.policy.reruns,
    )


def _take_spread(suspect: Suspect, images: ImageSeries | None, evidence: Evidence) -> None:
    """Let what a method knows of its own uncertainty stand in the place of a guess from outside."""
    spread = _spread(suspect)
    if images is None or spread is None:
        return
    evidence.values.pop(Check.UNCERTAINTY, None)
    for number, (image, apart) in enumerate(zip(images.pixels, spread.pixels, strict=True)):
        evidence.found(Check.UNCERTAINTY, doubt(image, apart), number)
    evidence.unchecked.pop(Check.UNCERTAINTY, None)
    evidence.maps[Check.UNCERTAINTY] = spread.pixels


def _spread(suspect: Suspect) -> ImageSeries | None:
    return next((one for one in suspect.made if one.kind is ImageKind.UNCERTAINTY), None)


def _measured(evidence: Evidence, images: ImageSeries | None, card: ModelCard) -> Iterator[Measured]:
    order = order_of(images) if images else ()
    for check in ALL_BY_OPERATORS:
        seconds = round(evidence.seconds.get(check, 0.0), 3)
        if check in evidence.values:
            factor = _factor(card) if check is Check.UNCERTAINTY else 1.0
            note = evidence.notes.get(check, worst_in(1 + order.index(evidence.frames[check])))
            yield Measured(check=check, value=factor * evidence.values[check], note=note, seconds=seconds)
        else:
            yield Measured(check=check, note=evidence.unchecked.get(check, "it was not made"), seconds=seconds)
    numbers = asdict(evidence.statistics) if evidence.statistics else {}
    yield familiarity(card.saw, numbers)
    yield _of_images(Check.ORIENTATION, order, _mirrored(images, evidence))
    yield _of_images(Check.GHOSTING, order, _ghosts(images))


def _of_images(check: Check, order: Sequence[int], values: Callable[[], list[float | None]]) -> Measured:
    """Take the worst of all images."""
    begun = time.perf_counter()
    found = [(value, frame) for frame, value in enumerate(values()) if value is not None]
    seconds = round(time.perf_counter() - begun, 3)
    if not found:
        return Measured(check=check, note="the images show too little to say", seconds=seconds)
    value, frame = max(found)
    return Measured(check=check, value=value, note=worst_in(1 + order.index(frame)), seconds=seconds)


def _mirrored(images: ImageSeries | None, evidence: Evidence) -> Callable[[], list[float | None]]:
    if images is None or evidence.reference is None:
        return list
    pairs = zip(images.pixels, evidence.reference, strict=True)
    return lambda: [mirrored(image, conventional) for image, conventional in pairs]


def _ghosts(images: ImageSeries | None) -> Callable[[], list[float | None]]:
    return list if images is None else lambda: [ghosting(image) for image in images.pixels]


def _factor(card: ModelCard) -> float:
    return card.uncertainty_factor or NO_FACTOR


def _conventional(suspect: Suspect, ruling: Ruling) -> tuple[ImageSeries, ...]:
    """Make what the recipe falls back to, of the same kinds."""
    recipe = suspect.ready.recipe
    asked = recipe.fallback.model_copy(update={"output": recipe.output, "replicas": recipe.replicas})
    made = reconstruct(
        suspect.acquisition,
        suspect.header,
        asked,
        device=suspect.device,
        memory_bytes=suspect.memory_bytes,
        progress=nothing_said,
        told=suspect.told,
        preparation=suspect.preparation,
    )
    for one in made:
        check_images(one)
    how = "instead of" if ruling.action is Action.REPLACE else "beside"
    note = f"Conventional reconstruction {how} network {suspect.ready.card.label}."
    return tuple(replace(one, notes=(note, *one.notes)) for one in made)


def _sent(
    suspect: Suspect, ruling: Ruling, conventional: tuple[ImageSeries, ...], evidence: Evidence
) -> tuple[ImageSeries, ...]:
    """Choose what leaves; the learned images come first, so that their UIDs do not depend on what comes beside them."""
    made = tuple(one for one in suspect.made if one.kind is not ImageKind.UNCERTAINTY)
    more = _uncertainty(suspect, evidence)
    sent: Mapping[Action, tuple[ImageSeries, ...]] = {
        Action.SEND: (*made, *more),
        Action.WARN: (*made, *more),
        Action.COMPANION: (*made, *conventional, *more),
        Action.REPLACE: conventional,
        Action.HOLD: (),
    }
    return sent[ruling.action]


def _uncertainty(suspect: Suspect, evidence: Evidence) -> tuple[ImageSeries, ...]:
    like = next((one for one in suspect.made if one.kind is CHECKED), None)
    if like is None or not suspect.policy.uncertainty_series or Check.UNCERTAINTY not in evidence.maps:
        return ()
    factor = _factor(suspect.ready.card)
    by = "calibrated: nine of ten pixels hold it" if suspect.ready.card.uncertainty_factor else "not calibrated"
    how = "" if _spread(suspect) is None else ", from the spread of samples"
    note = f"How far the brightness may be from the truth{how}, {by}."
    pixels = evidence.maps[Check.UNCERTAINTY] * np.float32(factor)
    return (replace(like, pixels=pixels, kind=ImageKind.UNCERTAINTY, notes=(note, *like.notes)),)


def _exhibits(
    suspect: Suspect, ruling: Ruling, conventional: Sequence[ImageSeries], evidence: Evidence
) -> tuple[Exhibit, ...]:
    """Make the pictures that a person looks at."""
    images = _magnitudes(suspect)
    if images is None:
        return ()
    beside = next((one.pixels for one in conventional if one.kind is CHECKED), evidence.reference)
    limits = {one.check: one.fail_above for one in ruling.assessments}
    return exhibited(images, evidence, beside=beside, label=suspect.ready.card.label, limits=limits)
