"""The robustness lab: what becomes of a recipe's images as scans get harder, of small structures, and at the worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.evaluation.compare import Scan, magnitude
from gateway.evaluation.metrics import METRICS
from gateway.evaluation.stress import STRESSES, one_slice, thinned
from gateway.evaluation.structures import gain, placed
from gateway.model.card import MadeFor, Purpose
from gateway.model.errors import GatewayError, WrongCall
from gateway.model.recipes import FftRecipe, Recipe
from gateway.recon.checks.bench import Bench, on_bench
from gateway.recon.checks.worst_case import Budget, Search, worst_case
from gateway.recon.engine import Ready
from gateway.recon.guide import ReadyGuide
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.preparation import Preparation

Image: TypeAlias = npt.NDArray[np.float64]
"""Shape `(y x)`."""

AMPLITUDES = (2.0, 4.0, 8.0, 16.0)
"""Of structures, in standard deviations of the noise where they lie."""
SIZES = (0.5, 1.0, 2.0)
"""Of perturbations, over the noise of all samples."""
MEASURED_BY = ("nrmse_object", "ssim_object")
FREED = "The network is tried on everything, within its card or not; in the gateway card and gate stand before it."
KEPT = "Worst cases leave sensitivities and kernels as the unperturbed calibration gives them."
WHOLE = "Worst cases perturb the calibration lines as well. A search by trials finds less than a gradient would."
RANDOM = 4
"""Random perturbations that stand for the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One point of a curve; no values where the recipe refused, and then why."""

    at: float
    values: Mapping[str, float]
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one stress, or one kind of structure, does."""

    name: str
    sentence: str
    unit: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Images side by side, in one window.

    Parameters
    ----------
    images
        By caption. Shape `(y x)` each.
    signed
        Zero is grey.
    """

    caption: str
    images: Mapping[str, Image]
    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessCard:
    """What was found of one recipe on one scan."""

    recipe: str
    scan: str
    curves: tuple[Curve, ...]
    pictures: tuple[Shown, ...]
    notes: tuple[str, ...] = ()
    """What could not be tried, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the lab may cost."""

    steps: int = 10
    """Of the search for the worst perturbation."""
    device: str = "auto"


def stress(
    scans: Sequence[Scan],
    recipes: Mapping[str, Ready],
    effort: Effort,
    tell: Callable[[str], None],
) -> Iterator[RobustnessCard]:
    """Try every recipe on the middle slice of every scan.

    Raises
    ------
    BadScan
        A scan is not one of every line.
    WrongCall
        A recipe wants a guide, which is not made harder as the scan is.
    """
    for whole in scans:
        scan = one_slice(whole)
        truth = _truth(scan, effort)
        for name, recipe in recipes.items():
            tell(f"{scan.name}: {name}")
            yield _card(scan, truth, (name, _freed(name, recipe)), effort)


def _freed(name: str, recipe: Ready) -> Recipe | ReadyModel:
    """Let a network try what its card keeps it from: that is what is asked here."""
    if isinstance(recipe, ReadyGuide):
        raise WrongCall(f"recipe {name!r} wants a guide, which --robustness does not make harder: leave it out")
    if not isinstance(recipe, ReadyModel):
        return recipe
    free = {"purpose": Purpose.PATIENTS, "made_for": MadeFor()}
    return replace(recipe, card=recipe.card.model_copy(update=free))


def _card(scan: Scan, truth: Image, named: tuple[str, Recipe | ReadyModel], effort: Effort) -> RobustnessCard:
    name, recipe = named
    curves: list[Curve] = []
    pictures: list[Shown] = []
    notes = [FREED] if isinstance(recipe, ReadyModel) else []
    for word, one in STRESSES.items():
        dots, images = [], {"every line": truth}
        for at in one.steps:
            try:
                harder = one.apply(scan, at)
                image = magnitude(harder.acquisition, harder.header, recipe, effort.device)[0]
            except GatewayError as fault:
                dots.append(Dot(at=at, values={}, refused=str(fault)))
                continue
            whole = truth if one.whole is None else _truth(one.whole(scan, at), effort)
            image = image * float((image * whole).sum() / max((image * image).sum(), 1e-300))
            dots.append(Dot(at=at, values=_values(image, whole)))
            images[f"{at:g}"] = image
        dots.sort(key=lambda dot: dot.at)
        images = {"every line": truth} | {
            name: images[name] for name in (f"{dot.at:g}" for dot in dots) if name in images
        }
        curves.append(Curve(name=word, sentence=one.sentence, unit=one.unit, dots=tuple(dots)))
        pictures.append(Shown(caption=f"{word} ({one.unit})", images=images))
    try:
        bench = _bench(scan, recipe, effort, notes)
        notes += [f"{why} Structures and perturbations are of its conventional fallback." for why in bench.why]
        for found, shown in (_structures(bench), _worst(bench, effort, notes)):
            curves += found
            pictures += shown
    except GatewayError as fault:
        notes.append(f"Structures and worst cases were not tried: {fault}.")
    return RobustnessCard(
        recipe=name, scan=scan.name, curves=tuple(curves), pictures=tuple(pictures), notes=tuple(notes)
    )


def _truth(scan: Scan, effort: Effort) -> Image:
    whole: Image = magnitude(scan.acquisition, scan.header, FftRecipe(), effort.device)[0]
    return whole


def _values(image: Image, truth: Image) -> dict[str, float]:
    largest = float(truth.max())
    return {name: float(METRICS[name].measure(image, truth, largest)) for name in MEASURED_BY}


def _structures(bench: Bench) -> tuple[list[Curve], list[Shown]]:
    """Put structures into the patient, all at once and apart, and look how much of each comes out."""
    shapes = placed(bench.there)
    dots: dict[str, list[Dot]] = {name: [] for name in shapes}
    images: dict[str, Image] = {}
    for amplitude in AMPLITUDES:
        heights = {name: amplitude * float(np.median(bench.deviation[shape > 0.5])) for name, shape in shapes.items()}  # noqa: PLR2004 - of its height
        added = np.sum([heights[name] * shape for name, shape in shapes.items()], axis=0)
        if not shapes:
            break
        change = bench.with_details(added)
        images |= {f"put in, {amplitude:g} SD": added, f"came out, {amplitude:g} SD": change}
        for name, shape in shapes.items():
            dots[name].append(Dot(at=amplitude, values={"gain": gain(change, shape) / heights[name]}))
    sentence = "How much of it comes out: 1 is all, 0 nothing."
    curves = [
        Curve(name=f"structure: {name}", sentence=sentence, unit="standard deviations", dots=tuple(found))
        for name, found in dots.items()
    ]
    last = dict(list(images.items())[-2:])
    return curves, [Shown(caption="structures", images=last, signed=True)] if images else []


def _bench(scan: Scan, recipe: Recipe | ReadyModel, effort: Effort, notes: list[str]) -> Bench:
    """Thin a scan as usual; a recipe that wants every line gets every line."""
    usual = thinned(scan)
    if isinstance(recipe, FftRecipe):
        notes.append("Structures and worst cases are of the scan of every line.")
        usual = scan
    return on_bench(Preparation(usual.acquisition, usual.header), recipe, device=effort.device)


def _worst(bench: Bench, effort: Effort, notes: list[str]) -> tuple[list[Curve], list[Shown]]:
    """Look for the worst perturbation of k-space and of the patient, and set random ones beside them."""
    curves, pictures = [_random(bench)], []
    for word, of_image in (("k-space", False), ("the patient", True)):
        found = {size: worst_case(bench, Budget(size=size, of_image=of_image), steps=effort.steps) for size in SIZES}
        dots = tuple(Dot(at=size, values={"growth": one.growth}) for size, one in found.items())
        last = found[SIZES[-1]]
        sentence = "How much more the image changes than by a random perturbation of the same size. Looked for {}."
        curves.append(
            Curve(name=f"worst case of {word}", sentence=sentence.format(last.search), unit="of the noise", dots=dots)
        )
        images = {"image": last.before, "with the worst": last.before + last.change, "change": last.change}
        pictures.append(Shown(caption=f"worst case of {word}, {SIZES[-1]:g} of the noise", images=images))
        notes += [note for note in (WHOLE if last.search is Search.TRIALS else KEPT,) if note not in notes]
    return curves, pictures


def _random(bench: Bench) -> Curve:
    """Say how much the image changes by random perturbations, in the noise of the conventional image."""
    there = bench.there
    dots = []
    for size in SIZES:
        changes = [bench.with_noise(size, seed)[there] / bench.deviation[there] for seed in range(RANDOM)]
        dots.append(Dot(at=size, values={"change": float(np.sqrt(np.mean(np.square(changes))))}))
    sentence = "How much the image changes by random perturbations, in standard deviations of the noise."
    return Curve(name="random perturbation of k-space", sentence=sentence, unit="of the noise", dots=tuple(dots))
