"""Joiner: an image of a reader study becomes a series that says nothing of how it was made, nor, in a project, of whom.

The gate is not asked: a study is there to find out how good a recipe is, and its images go nowhere by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series, write_series
from gateway.dicom.wall_clock import as_clocks_stood
from gateway.model.errors import ImageRefused, NoRoute
from gateway.model.header import ScanHeader
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.reading import BlindImage
from gateway.model.route import Routes
from gateway.model.series import Series
from gateway.quality.sanity import check_images
from gateway.recon.engine import reconstruct
from gateway.recon.guide import ReadyGuide
from gateway.recon.networks.ready import ReadyModel
from gateway.reconstruction import Teller, Work, veil_of, veiled, veiled_images
from gateway.routing.choose import Choice

SHOWN = ImageKind.MAGNITUDE
NOT_FOR_DIAGNOSIS = (
    "Image of a blinded reader study: for research, not for diagnosis. How it was made is kept from its readers; "
    "a neural network may have taken part."
)
"""All images of a study say the same; it stands in the place of what each would say."""


def blind_choice(choice: Choice, blind: BlindImage, routes: Routes) -> Choice:
    """Take the recipe that was asked for, and no destination; the patient is taken out for the project of the study.

    Raises
    ------
    NoRoute
        The routes have no such project any more.
    """
    if blind.project and blind.project not in routes.projects:
        raise NoRoute(f"the study is of project {blind.project!r}, which the routes do not know")
    project = routes.projects[blind.project] if blind.project else None
    return replace(choice, destinations={}, sources=choice.sources if project else {}, project=project)


def make_blind_series(
    work: Work, *, device: str, memory_bytes: int | None = None, outbox: Path, tell: Teller
) -> list[Series]:
    """Reconstruct one image series of a study, and write it under its number alone; see `make_series`.

    Raises
    ------
    ImageRefused
        The recipe makes no magnitude, or its network was not used: it would be compared with itself.
    """
    choice, blind = work.choice, work.blind
    assert blind is not None, "what is of no study is made by make_series"  # noqa: S101
    images = _images(work, device=device, memory_bytes=memory_bytes, tell=tell)
    tell.note("how", " ".join(images.notes))
    veil = veil_of(work, choice.project) if choice.project else None
    if veil is not None:
        work, images = veiled(work, veil), veiled_images(images, veil)
        tell.note("de-identified", ", ".join(["basic profile", *veil.project.options]))
    images = replace(images, model=None, notes=(NOT_FOR_DIAGNOSIS,))
    tell.note("blinded", f"as image {blind.number} of a reader study; it is sent nowhere, and the gate is not asked")
    plan = SeriesPlan(
        recording_digest=work.digest,
        rule="reader study",
        recipe=blind.code,
        recipe_fingerprint=blind.code,
        description=f"Reading {blind.number:04d}, not for diagnosis",
        received_at=as_clocks_stood(work.received_at, work.header) if veil is None else work.received_at,
        deidentified=None if veil is None else veil.project.options,
        mark_unknown_direction=choice.rule.unknown_direction == "mark",
    )
    datasets = build_series(images, _numbered(work.header, blind).led_by(images.encoding), plan)
    written = write_series(datasets, outbox, lambda _n, _of: None)
    tell.note("series written", f"{len(written.instances)} instances, {written.series_instance_uid}")
    return [written]


def _images(work: Work, *, device: str, memory_bytes: int | None, tell: Teller) -> ImageSeries:
    """Reconstruct what readers see."""
    recipe = work.ready(work.choice.recipe.model_copy(update={"output": (SHOWN,)}))
    outputs = reconstruct(
        work.acquisition,
        work.header,
        recipe,
        device=device,
        memory_bytes=memory_bytes,
        progress=tell.progress,
        told=lambda text: tell.note("memory", text),
        noise=work.noise,
    )
    if isinstance(recipe, ReadyGuide) and not any(one.guided_by for one in outputs):
        raise ImageRefused(
            f"a study of {work.choice.recipe_name!r} would show what no scan guided: {outputs[0].notes[0]}"
        )
    return _shown(outputs, work.choice.recipe_name, learned=isinstance(recipe, ReadyModel))


def _shown(outputs: Sequence[ImageSeries], name: str, *, learned: bool) -> ImageSeries:
    images = next((one for one in outputs if one.kind is SHOWN), None)
    if images is None:
        raise ImageRefused(f"recipe {name!r} makes no {SHOWN}, and readers see nothing else")
    if learned and images.model is None:
        raise ImageRefused(f"a study of {name!r} would show the conventional image: {' '.join(images.notes)}")
    check_images(images)
    return images


def _numbered(header: ScanHeader, blind: BlindImage) -> ScanHeader:
    """Let the place in the order of the study be the number of the series."""
    return replace(header, measurement=replace(header.measurement, initial_series_number=blind.number))
