"""Examine images together with the recording that they were made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.model.header import ScanHeader
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import Acquisition
from gateway.model.recipes import Recipe
from gateway.recon.checks.again import nothing_said
from gateway.recon.checks.examine import Evidence, Examination, examine
from gateway.recon.engine import METHODS, choose_device, prepared
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.scan import Scan
from gateway.recon.spaces import imaged_spaces
from gateway.recon.workplace import Workplace, retreating, workplaces

ONLY_MAGNITUDE = {"output": (ImageKind.MAGNITUDE,), "replicas": None}


def evidence_of(  # noqa: PLR0913 - the whole of what a job knows
    acquisition: Acquisition,
    header: ScanHeader,
    recipe: Recipe | ReadyModel,
    images: ImageSeries,
    *,
    device: str = "auto",
    noise: NoiseCovariance | None = None,
    reruns: str = "affordable",
) -> Evidence:
    """Run every check on magnitudes that a recipe has made of a recording.

    Raises
    ------
    GatewayError
        The device does not exist.
    """
    space = next(one for one in imaged_spaces(acquisition, header) if one.number == images.encoding)
    scan, _ = prepared(space, noise)
    alone = _only_magnitude(recipe)
    method: Any = METHODS[type(alone)]

    def examined(place: Workplace) -> Evidence:
        def engine(changed: Scan) -> tuple[ImageSeries, ...]:
            made: tuple[ImageSeries, ...] = method(changed, alone, place=place, progress=nothing_said)
            return made

        return examine(Examination(scan=scan, images=images, engine=engine, reruns=reruns), place.device)

    return retreating(examined, workplaces(choose_device(device), None), lambda _text: None)


def _only_magnitude(recipe: Recipe | ReadyModel) -> Recipe | ReadyModel:
    if isinstance(recipe, ReadyModel):
        return replace(recipe, recipe=recipe.recipe.model_copy(update=ONLY_MAGNITUDE))
    return recipe.model_copy(update=ONLY_MAGNITUDE)
