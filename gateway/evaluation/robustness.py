"""The robustness lab: what becomes of a recipe's images as scans get harder, of small structures, and at the worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.evaluation.compare import Scan, magnitude
from gateway.evaluation.metrics import METRICS
from gateway.evaluation.retrospective import encoded_shape
from gateway.evaluation.stress import STRESSES, one_slice, thinned
from gateway.evaluation.structures import SHAPES, gain, placed
from gateway.model.card import Encoded, MadeFor, Purpose
from gateway.model.errors import GatewayError, WrongCall
from gateway.model.networks import UnetNetwork, VarnetNetwork
from gateway.model.recipes import FftRecipe, Recipe
from gateway.recon.checks.bench import Bench, on_bench
from gateway.recon.checks.worst_case import Budget, Search, worst_case
from gateway.recon.engine import Ready
from gateway.recon.guide import ReadyGuide
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.preparation import Preparation
from gateway.recon.space import target_of

Image: TypeAlias = npt.NDArray[np.float64]
"""Shape `(y x)`."""
Volume: TypeAlias = npt.NDArray[np.float64]
"""The images of one frame. Shape `(z y x)`, z of length 1 for slices."""

AMPLITUDES = (2.0, 4.0, 8.0, 16.0)
"""Of structures, in standard deviations of the noise where they lie."""
SIZES = (0.5, 1.0, 2.0)
"""Of perturbations, over the noise of all samples."""
MEASURED_BY = ("nrmse_object", "ssim_object")
FREED = "The network is tried on everything, within its card or not; in the gateway card and gate stand before it."
KEPT = "Worst cases leave sensitivities and kernels as the unperturbed calibration gives them."
WHOLE = "Worst cases perturb the calibration lines as well. A search by trials finds less than a gradient would."
OF_SLABS = (
    "This is a slab: what is left out are points of lines and partitions, every so-many-th of all, and a shifted mask "
    "begins elsewhere in both directions. Numbers are means over the planes that show something. Images show the "
    "middle plane; structures and changes are shown where they are largest along the slab. The patient moves along "
    "the lines, all partitions of which are measured together; motion through the slab is not tried."
)
CUT = "Worst cases are of {} of {} positions along the readouts, which is what gradients have memory for."
NO_ROOM = "The patient has no room for: {}."
PLANE_SHARE = 0.1
"""A plane shows something where its bright pixels have this share of those of the brightest plane."""
BRIGHT = 0.98
MOST_BYTES = 32 << 20
"""Of coil images whose worst case is looked for: what each step of a method keeps for its gradient is as large."""
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
    """Try every recipe on the middle slice of every scan, or on its slab.

    Raises
    ------
    BadScan
        A scan is not one of every line.
    WrongCall
        A recipe wants a guide, which is not made harder as the scan is.
    """
    for whole in scans:
        encoded_shape(whole.acquisition, whole.header)  # refuses what is no truth
        scan = one_slice(whole)
        truth = _truth(scan, effort)
        for name, recipe in recipes.items():
            tell(f"{scan.name}: {name}")
            yield _card(scan, truth, (name, _freed(name, recipe)), effort)


def _freed(name: str, recipe: Ready) -> Recipe | ReadyModel:
    """Let a network try what its card keeps it from: that is what is asked here. fastMRI's know nothing but slices."""
    if isinstance(recipe, ReadyGuide):
        raise WrongCall(f"recipe {name!r} wants a guide, which --robustness does not make harder: leave it out")
    if not isinstance(recipe, ReadyModel):
        return recipe
    published = isinstance(recipe.card.network, UnetNetwork | VarnetNetwork)
    encoded = recipe.card.made_for.encoded if published else tuple(Encoded)
    free = {"purpose": Purpose.PATIENTS, "made_for": MadeFor(encoded=encoded)}
    return replace(recipe, card=recipe.card.model_copy(update=free))


def _card(scan: Scan, truth: Volume, named: tuple[str, Recipe | ReadyModel], effort: Effort) -> RobustnessCard:
    name, recipe = named
    curves: list[Curve] = []
    pictures: list[Shown] = []
    notes = [OF_SLABS] if len(truth) > 1 else []
    notes += [FREED] if isinstance(recipe, ReadyModel) else []
    for word, one in STRESSES.items():
        dots, images = [], {"every line": _middle(truth)}
        for at in one.steps:
            try:
                harder = one.apply(scan, at)
                image = _made(harder, recipe, effort)
            except GatewayError as fault:
                dots.append(Dot(at=at, values={}, refused=str(fault)))
                continue
            whole = truth if one.whole is None else _truth(one.whole(scan, at), effort)
            image = image * float((image * whole).sum() / max((image * image).sum(), 1e-300))
            dots.append(Dot(at=at, values=_values(image, whole)))
            images[f"{at:g}"] = _middle(image)
        dots.sort(key=lambda dot: dot.at)
        images = {"every line": _middle(truth)} | {
            name: images[name] for name in (f"{dot.at:g}" for dot in dots) if name in images
        }
        curves.append(Curve(name=word, sentence=one.sentence, unit=one.unit, dots=tuple(dots)))
        pictures.append(Shown(caption=f"{word} ({one.unit})", images=images))
    try:
        usual = _usual(scan, recipe, notes)
        bench = on_bench(usual, recipe, device=effort.device)
        notes += [f"{why} Structures and perturbations are of its conventional fallback." for why in bench.why]
        for found, shown in (_structures(bench, notes), ([_random(bench)], [])):
            curves += found
            pictures += shown
        piece = on_bench(usual, recipe, device=effort.device, most_bytes=MOST_BYTES)
        notes += _cut(bench, piece)
        found, shown = _worst(piece, effort, notes)
        curves += found
        pictures += shown
    except GatewayError as fault:
        notes.append(f"Structures and worst cases were not tried: {fault}.")
    return RobustnessCard(
        recipe=name, scan=scan.name, curves=tuple(curves), pictures=tuple(pictures), notes=tuple(notes)
    )


def _truth(scan: Scan, effort: Effort) -> Volume:
    return _made(scan, FftRecipe(), effort)


def _made(scan: Scan, recipe: Recipe | ReadyModel, effort: Effort) -> Volume:
    """Reconstruct, and keep the first frame."""
    return magnitude(scan.acquisition, scan.header, recipe, effort.device)[
        : target_of(scan.header.encodings[0]).matrix.z
    ]


def _values(image: Volume, truth: Volume) -> dict[str, float]:
    """Average over the planes that show something."""
    largest, bright = float(truth.max()), np.quantile(truth, BRIGHT, axis=(1, 2))
    some = np.flatnonzero(bright >= PLANE_SHARE * bright.max())
    return {
        name: float(np.mean([METRICS[name].measure(image[z], truth[z], largest) for z in some])) for name in MEASURED_BY
    }


def _middle(volume: Volume) -> Image:
    return np.asarray(volume[len(volume) // 2])


def _largest(volume: Volume) -> Image:
    """Show of each pixel what is largest along the slab, with its sign."""
    at = np.abs(volume).argmax(axis=0)
    return np.asarray(np.take_along_axis(volume, at[None], axis=0)[0])


def _cut(whole: Bench, piece: Bench) -> list[str]:
    """Say what part of a slab worst cases are of."""
    n, n_whole = piece.there.shape[-1], whole.there.shape[-1]
    return [] if n == n_whole else [CUT.format(n, n_whole)]


def _structures(bench: Bench, notes: list[str]) -> tuple[list[Curve], list[Shown]]:
    """Put structures into the patient, all at once and apart, and look how much of each comes out."""
    shapes = placed(bench.there)
    if without := [name for name in SHAPES if name not in shapes]:
        notes.append(NO_ROOM.format("; ".join(without)))
    dots: dict[str, list[Dot]] = {name: [] for name in shapes}
    images: dict[str, Image] = {}
    for amplitude in AMPLITUDES:
        heights = {name: amplitude * float(np.median(bench.deviation[shape > 0.5])) for name, shape in shapes.items()}  # noqa: PLR2004 - of its height
        added = np.sum([heights[name] * shape for name, shape in shapes.items()], axis=0)
        if not shapes:
            break
        change = bench.with_details(added)
        images |= {f"put in, {amplitude:g} SD": _largest(added), f"came out, {amplitude:g} SD": _largest(change)}
        for name, shape in shapes.items():
            dots[name].append(Dot(at=amplitude, values={"gain": gain(change, shape) / heights[name]}))
    sentence = "How much of it comes out: 1 is all, 0 nothing."
    curves = [
        Curve(name=f"structure: {name}", sentence=sentence, unit="standard deviations", dots=tuple(found))
        for name, found in dots.items()
    ]
    last = dict(list(images.items())[-2:])
    return curves, [Shown(caption="structures", images=last, signed=True)] if images else []


def _usual(scan: Scan, recipe: Recipe | ReadyModel, notes: list[str]) -> Preparation:
    """Thin a scan as usual; a recipe that wants every line gets every line."""
    usual = thinned(scan)
    if isinstance(recipe, FftRecipe):
        notes.append("Structures and worst cases are of the scan of every line.")
        usual = scan
    return Preparation(usual.acquisition, usual.header)


def _worst(bench: Bench, effort: Effort, notes: list[str]) -> tuple[list[Curve], list[Shown]]:
    """Look for the worst perturbation of k-space and of the patient, and set random ones beside them."""
    curves, pictures = [], []
    for word, of_image in (("k-space", False), ("the patient", True)):
        found = {size: worst_case(bench, Budget(size=size, of_image=of_image), steps=effort.steps) for size in SIZES}
        dots = tuple(Dot(at=size, values={"growth": one.growth}) for size, one in found.items())
        last = found[SIZES[-1]]
        sentence = "How much more the image changes than by a random perturbation of the same size. Looked for {}."
        curves.append(
            Curve(name=f"worst case of {word}", sentence=sentence.format(last.search), unit="of the noise", dots=dots)
        )
        images = {
            "image": _middle(last.before),
            "with the worst": _middle(last.before + last.change),
            "change": _largest(last.change),
        }
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
