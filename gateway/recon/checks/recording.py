"""Examine images together with the recording that they were made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.model.gate import Check
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import Cartesian, CgNufftRecipe, Recipe, Scattered
from gateway.recon.checks.clipping import clipped_samples
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.examine import Examination, examine
from gateway.recon.checks.rerun import nothing_said, nothing_told
from gateway.recon.engine import METHODS, choose_device
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.preparation import Preparation
from gateway.recon.scan import Scan
from gateway.recon.space import imaging_encoding, is_cartesian
from gateway.recon.workplace import Workplace, retreating, workplaces

ONLY_MAGNITUDE = {"output": (ImageKind.MAGNITUDE,), "replicas": None}


def evidence_of(  # noqa: PLR0913 - the whole of what a job knows
    preparation: Preparation,
    recipe: Recipe | ReadyModel,
    images: ImageSeries,
    *,
    device: str = "auto",
    memory_bytes: int | None = None,
    told: Callable[[str], None] = nothing_told,
    reruns: str = "affordable",
) -> Evidence:
    """Run every check on magnitudes that a recipe has made of a recording.

    Parameters
    ----------
    memory_bytes
        How much memory is taken at a time, at the most; None for a part of what is free.
    told
        Called with a sentence whenever memory ran out.

    Raises
    ------
    GatewayError
        The device does not exist.
    """
    space = next(one for one in preparation.spaces if one.number == images.encoding)
    scan, _ = preparation.of(space)
    alone = _only_magnitude(recipe)
    method: Any = METHODS[type(alone)]

    def examined(place: Workplace) -> Evidence:
        def engine(changed: Scan) -> tuple[ImageSeries, ...]:
            made: tuple[ImageSeries, ...] = method(changed, alone, place=place, progress=nothing_said)
            return made

        asked = Examination(
            scan=scan,
            images=images,
            engine=engine,
            windowed=windowed(recipe),
            beside=beside_scattered(scan, recipe),
            reruns=reruns,
        )
        return examine(asked, place)

    evidence = retreating(examined, workplaces(choose_device(device), memory_bytes), scan.letting_go(told))
    _look_for_walls(space.acquisition, evidence)
    return evidence


def _look_for_walls(acquisition: Acquisition, evidence: Evidence) -> None:
    """Look at the readouts as they came, whatever became of the other checks."""
    with evidence.timed(Check.CLIPPING):
        found = clipped_samples(acquisition)
    if found is None:
        evidence.unchecked[Check.CLIPPING] = "no coil has any signal"
        return
    value, coil = found
    evidence.found(Check.CLIPPING, value, 0)
    evidence.unchecked.pop(Check.CLIPPING, None)
    evidence.notes[Check.CLIPPING] = f"most of them in coil {coil + 1}"


def windowed(recipe: Recipe | ReadyModel) -> bool:
    """Say whether a recipe lays a window over k-space; a network that knows the image alone comes after none."""
    if isinstance(recipe, ReadyModel):
        return recipe.refines is None and recipe.recipe.window != "none"
    return isinstance(recipe, Cartesian) and recipe.window != "none"


def beside_scattered(scan: Scan, recipe: Recipe | ReadyModel) -> CgNufftRecipe | None:
    """Choose what images of a non-Cartesian scan are held against, of the same frames; None for a Cartesian scan."""
    first = recipe.refines if isinstance(recipe, ReadyModel) else recipe
    if isinstance(first, CgNufftRecipe) and first.map_sets == 1:
        return first
    if isinstance(first, Scattered):
        return CgNufftRecipe(spokes_per_frame=first.spokes_per_frame)
    return None if is_cartesian(imaging_encoding(scan.header)) else CgNufftRecipe()


def _only_magnitude(recipe: Recipe | ReadyModel) -> Recipe | ReadyModel:
    """Ask for one magnitude of each frame, and for one frame of all readouts."""
    if not isinstance(recipe, ReadyModel):
        return recipe.model_copy(update=ONLY_MAGNITUDE | _of_one_frame(recipe))
    more = {} if recipe.recipe.after is None else {"after": _alone(recipe.recipe.after)}
    return replace(recipe, recipe=recipe.recipe.model_copy(update=ONLY_MAGNITUDE | more))


def _alone(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update=_of_one_frame(recipe))


def _of_one_frame(recipe: Recipe) -> dict[str, object]:
    return {"spokes_per_frame": None} if isinstance(recipe, Scattered) else {}
