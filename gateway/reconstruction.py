"""A scan and a route become a checked DICOM series in a folder: the same with a server and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import overload

from gateway.deidentify import Veil, veiled_header, veiled_readouts
from gateway.dicom.identity import settled
from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series, write_series
from gateway.dicom.values import text_ending
from gateway.dicom.wall_clock import as_clocks_stood
from gateway.gate import Passage, Suspect, judge
from gateway.model.errors import BadScan
from gateway.model.form import Form
from gateway.model.gate import Decision, Ruling
from gateway.model.header import ScanHeader
from gateway.model.identity import Identity
from gateway.model.image import Frame, ImageSeries, Vector
from gateway.model.noise import NoiseCovariance
from gateway.model.projects import Option, Project
from gateway.model.reading import BlindImage
from gateway.model.readout import Acquisition
from gateway.model.recipes import GuidedTvRecipe, LearnedRecipe, RouteRecipe
from gateway.model.series import Series
from gateway.quality.sanity import check_images
from gateway.recon.engine import Ready, reconstruct
from gateway.recon.guide import Guide, ReadyGuide
from gateway.recon.memory import room_for
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.preparation import Preparation
from gateway.recon.workplace import Shelf
from gateway.routing.choose import Choice
from gateway.zoo.zoo import Zoo

CONVENTIONAL = "conventional"
"""Ends the description of what a learned recipe sends without its network."""
UNGUIDED = "unguided"
"""Ends the description of what a guided recipe sends without a guide."""
NO_GUIDE = "no other scan was given"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be reconstructed, and how."""

    acquisition: Acquisition
    header: ScanHeader
    choice: Choice
    digest: str
    """Of the session, as bytes on the wire."""
    received_at: datetime
    zoo: Zoo
    """The models that recipes may name."""
    identity: Identity | None = None
    """Who it is of; None is what the header says."""
    noise: NoiseCovariance | None = None
    """An earlier measurement that the scan names."""
    decided: Callable[[str], Decision | None] = lambda _subject: None
    """Looks up what a person has said of these very images."""
    shelf: Shelf | None = None
    """Where images lie that were made while the scan arrived."""
    blind: BlindImage | None = None
    """The image of a reader study that it is for."""
    guide: Guide | None = None
    """Of an earlier scan of the same exam, for a recipe that wants one."""
    guide_lacks: str = NO_GUIDE
    """Why there is none."""

    def ready(self, recipe: RouteRecipe) -> Ready:
        """Give a recipe all that it names; see `ready`."""
        return ready(recipe, self.zoo, self.guide, self.guide_lacks)


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Who wants to know how far the work is."""

    progress: Callable[[float, str], None]
    """Gets a fraction from 0 to 1, and what is going on."""
    note: Callable[[str, str], None]
    """Gets what was done, and what came out of it."""
    checked: Callable[[Work, Sequence[ImageSeries]], None] = lambda _work, _images: None
    """Gets the images that may leave, and the work as it may be told of with them."""
    measurable: Callable[[Sequence[ImageSeries]], None] = lambda _images: None
    """Gets the images as they were made, whatever becomes of them."""
    judged: Callable[[Passage], None] = lambda _passage: None
    """Gets what the gate says of images of a learned recipe, before anything leaves."""

    def memory(self, text: str) -> None:
        """Tell that memory ran out, and what is done about it."""
        self.note("memory", text)


@overload
def ready(recipe: LearnedRecipe, zoo: Zoo) -> ReadyModel: ...


@overload
def ready(recipe: RouteRecipe, zoo: Zoo, guide: Guide | None = None, lacking: str = NO_GUIDE) -> Ready: ...


def ready(recipe: RouteRecipe, zoo: Zoo, guide: Guide | None = None, lacking: str = NO_GUIDE) -> Ready:
    """Find the model that a recipe names, or hand it its guide; the engine takes any other recipe as it is.

    Raises
    ------
    BadModel
        There is no such model, or its card is not good.
    """
    if isinstance(recipe, GuidedTvRecipe):
        return ReadyGuide(recipe=recipe, guide=guide, lacking=lacking)
    if not isinstance(recipe, LearnedRecipe):
        return recipe
    model = zoo.find(recipe.model)
    return ReadyModel(recipe=recipe, card=model.card, weights=model.weights)


def make_series(
    work: Work, *, device: str, memory_bytes: int | None = None, outbox: Path, tell: Teller
) -> list[Series]:
    """Reconstruct, check, and write DICOM; ``memory_bytes`` is what a reconstruction takes at a time."""
    veil = None if work.choice.project is None else veil_of(work, work.choice.project)
    telling = _Telling(work=work, moved_mm=table_offset(work), veil=veil)
    recipe = work.ready(work.choice.recipe)
    room_bytes = room_for(memory_bytes) if isinstance(recipe, ReadyModel) else 0  # the gate asks again
    making = _Making(
        work=work,
        recipe=recipe,
        device=device,
        memory_bytes=memory_bytes,
        preparation=Preparation(work.acquisition, work.header, work.noise, room_bytes=room_bytes),
        tell=tell,
    )
    outputs = making.reconstructed()
    if isinstance(making.recipe, ReadyModel) and any(one.model is not None for one in outputs):
        passage = making.judged(making.recipe, outputs)
        outputs, telling = passage.images, replace(telling, ruling=passage.ruling)
    if veil is not None:
        telling = replace(telling, work=veiled(work, veil))
        outputs = tuple(veiled_images(output, veil) for output in outputs)
        tell.note("de-identified", ", ".join(["basic profile", *veil.project.options]))
    tell.checked(telling.work, outputs)
    parts = enumerate(part for one in outputs for part in one.parts())
    plans = ((output, telling.plan(making.recipe, output, index)) for index, output in parts)
    return [series for output, plan in plans for series in _written(telling, output, plan, outbox=outbox, tell=tell)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """How the images of a work are made, and made again by the gate."""

    work: Work
    recipe: Ready
    device: str
    memory_bytes: int | None
    preparation: Preparation
    tell: Teller

    def reconstructed(self) -> tuple[ImageSeries, ...]:
        """Make the images, and refuse what no image can be."""
        work, tell = self.work, self.tell
        outputs = reconstruct(
            work.acquisition,
            work.header,
            self.recipe,
            device=self.device,
            memory_bytes=self.memory_bytes,
            progress=tell.progress,
            told=tell.memory,
            shelf=work.shelf,
            preparation=self.preparation,
        )
        tell.note("reconstructed", "; ".join(f"{len(one.frames)} images, {one.kind}" for one in outputs))
        tell.note("how", " ".join(dict.fromkeys(note for one in outputs for note in one.notes)))
        for output in outputs:
            check_images(output)
        tell.note("checked", "the images are finite and not empty")
        tell.measurable(outputs)
        return outputs

    def judged(self, recipe: ReadyModel, outputs: Sequence[ImageSeries]) -> Passage:
        """Ask the gate, and tell what it says before anything leaves.

        Raises
        ------
        ReviewWanted
            A person has to look first.
        """
        work, tell = self.work, self.tell
        tell.progress(1.0, "checking the images")
        made_from = (work.digest, work.choice.recipe_name, work.choice.fingerprint)
        passage = judge(
            Suspect(
                acquisition=work.acquisition,
                header=work.header,
                ready=recipe,
                made=outputs,
                policy=work.choice.policy,
                policy_name=work.choice.rule.policy,
                work_digest=" ".join([*made_from, *sorted({one.whitened_by for one in outputs} - {""})]),
                decided=work.decided,
                preparation=self.preparation,
                device=self.device,
                memory_bytes=self.memory_bytes,
                told=tell.memory,
            )
        )
        tell.note("judged", passage.ruling.told)
        tell.judged(passage)
        passage.check()
        return passage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """What series say of a work beside the images; the patient taken out of it where there is a veil."""

    work: Work
    moved_mm: Vector
    veil: Veil | None
    ruling: Ruling | None = None

    def plan(self, recipe: Ready, output: ImageSeries, index: int) -> SeriesPlan:
        """Plan one series."""
        work, veil = self.work, self.veil
        return SeriesPlan(
            recording_digest=work.digest,
            rule=work.choice.rule.name,
            recipe=work.choice.recipe_name,
            recipe_fingerprint=work.choice.fingerprint,
            description=_description(work, recipe, output),
            output_index=index,
            received_at=as_clocks_stood(work.received_at, work.header) if veil is None else work.received_at,
            model=output.model,
            whitened_by=output.whitened_by,
            guided_by=output.guided_by,
            moved_mm=self.moved_mm,
            ruling=self.ruling,
            identity=work.identity,
            deidentified=None if veil is None else veil.project.options,
            mark_unknown_direction=work.choice.rule.unknown_direction == "mark",
        )


def _written(
    telling: _Telling, output: ImageSeries, plan: SeriesPlan, *, outbox: Path, tell: Teller
) -> Iterator[Series]:
    """Write a series in every form that a destination wants."""
    header = telling.work.header.led_by(output.encoding)
    for form, destinations in _forms(telling.work.choice).items():
        datasets = build_series(_moved(output, telling.moved_mm), header, replace(plan, format=form.format))
        written = write_series(datasets, outbox / form.folder, lambda _n, _of: None, form.compression)
        tell.note("series written", f"{len(written.instances)} instances, {written.series_instance_uid}")
        yield replace(written.below(form.folder), destinations=destinations)


def _description(work: Work, recipe: Ready, output: ImageSeries) -> str:
    """Name a series; what a fallback has made says so, as the recipe's name does not."""
    text = work.choice.series_description(work.header)
    if isinstance(recipe, ReadyModel) and output.model is None:
        return text_ending(text, CONVENTIONAL) or text
    if isinstance(recipe, ReadyGuide) and not output.guided_by:
        return text_ending(text, UNGUIDED) or text
    return text


def veil_of(work: Work, project: Project) -> Veil:
    """Find out how to hide whose scan it is."""
    header = work.header if work.identity is None else settled(work.header, work.identity)
    issuer = work.identity.issuer_of_patient_id if work.identity else None
    return Veil.over(project, header, issuer=issuer, scan=work.digest)


def veiled(work: Work, veil: Veil) -> Work:
    """Take the patient out of all that series are made of beside the images."""
    header = work.header if work.identity is None else settled(work.header, work.identity)
    return replace(
        work,
        acquisition=veiled_readouts(work.acquisition, veil),
        header=veiled_header(header, veil),
        identity=None,
        digest=veil.digest(work.digest),
        received_at=veil.moment(work.received_at),
    )


def veiled_images(images: ImageSeries, veil: Veil) -> ImageSeries:
    """Take out what images say of when and how, unless the project may know it."""
    frames = images.frames
    if not veil.has(Option.MODIFIED_DATES):
        frames = tuple(replace(frame, acquisition_time_stamp=0) for frame in frames)
    return replace(images, frames=frames, notes=images.notes if veil.has(Option.CLEAN_DESCRIPTORS) else ())


def table_offset(work: Work) -> Vector:
    """Say by how much the rule moves the images, because the table is not in their positions.

    Raises
    ------
    BadScan
        The header does not say where the table stood.
    """
    if work.choice.rule.table_position == "ignore":
        return (0.0, 0.0, 0.0)
    offset = work.header.measurement.table_mm
    if offset is None:
        raise BadScan("the rule adds the position of the table, and the header has no relativeTablePosition")
    return offset


def _moved(images: ImageSeries, by_mm: Vector) -> ImageSeries:
    def there(frame: Frame) -> Frame:
        x, y, z = (at + by for at, by in zip(frame.position_mm, by_mm, strict=True))
        return replace(frame, position_mm=(x, y, z))

    return replace(images, frames=tuple(map(there, images.frames))) if any(by_mm) else images


def _forms(choice: Choice) -> dict[Form, tuple[str, ...]]:
    """Find the forms that the destinations want, each with the names of those that want it."""
    forms: dict[Form, tuple[str, ...]] = {}
    for name, destination in choice.destinations.items():
        forms[destination.form] = (*forms.get(destination.form, ()), name)
    return forms
