"""The engine: a recipe picks its method, a setting its device; where memory runs out it goes back step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias, overload

import torch

from gateway.model.errors import BadScan, GatewayError, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import Acquisition
from gateway.model.recipes import Recipe
from gateway.recon.guide import ReadyGuide, misguided
from gateway.recon.kspace import Progress
from gateway.recon.methods.conventional import CONVENTIONAL
from gateway.recon.methods.guided_tv import reconstruct_guided_tv
from gateway.recon.methods.learned import reconstruct_learned
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.scope import misused
from gateway.recon.preparation import Preparation
from gateway.recon.scan import Scan
from gateway.recon.spaces import ImagedSpace
from gateway.recon.workplace import Shelf, Workplace, retreating, workplaces

METHODS: Mapping[type, Callable[..., tuple[ImageSeries, ...]]] = MappingProxyType(
    {**CONVENTIONAL, ReadyModel: reconstruct_learned, ReadyGuide: reconstruct_guided_tv}
)
"""By recipe; each takes a scan, its recipe, a workplace and progress."""

Ready: TypeAlias = Recipe | ReadyModel | ReadyGuide
"""A recipe with all that it names."""


def reconstruct(  # noqa: PLR0913 - the whole of what a job knows
    acquisition: Acquisition,
    header: ScanHeader,
    recipe: Ready,
    *,
    device: str = "auto",
    memory_bytes: int | None = None,
    progress: Progress,
    told: Callable[[str], None] = lambda _text: None,
    noise: NoiseCovariance | None = None,
    shelf: Shelf | None = None,
    preparation: Preparation | None = None,
) -> tuple[ImageSeries, ...]:
    """Reconstruct a scan.

    Parameters
    ----------
    device
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    memory_bytes
        How much memory is taken at a time, at the most; None for a part of what is free.
    progress
        Called with a fraction from 0 to 1 and what is going on.
    told
        Called with a sentence whenever memory ran out: the work begins anew with less at a time, after a GPU's memory
        with the CPU's.
    noise
        An earlier measurement, for a scan without noise readouts of its own.
    shelf
        Where conventional images lie that were made while the scan arrived, and where those go that are made now.
    preparation
        Of this very recording and noise, where others will need it, too; without it, it is made and let go.

    Raises
    ------
    BadScan
        The readouts cannot become an image by this recipe.
    TooLittleMemory
        However little is taken at a time, it is too much.
    GatewayError
        The device does not exist.
    """
    preparation = preparation or Preparation(acquisition, header, noise)
    chosen = choose_device(device)

    def made_of(space: ImagedSpace) -> list[ImageSeries]:
        readied = _readied(space, recipe, preparation)
        kept = None if isinstance(readied.recipe, (ReadyModel, ReadyGuide)) else shelf
        places = (replace(place, shelf=kept) for place in workplaces(chosen, memory_bytes))
        back = readied.scan.letting_go(told)
        return list(retreating(lambda place: readied.reconstruct(place, progress), places, back))

    return tuple(_of_all(preparation.spaces, made_of))


def _of_all(spaces: Sequence[ImagedSpace], made_of: Callable[[ImagedSpace], list[ImageSeries]]) -> list[ImageSeries]:
    """Make images of all encoding spaces; only the first must become some."""
    first, *others = spaces
    made = made_of(first)
    for space in others:
        try:
            made += made_of(space)
        except IncompleteScan:
            raise
        except BadScan as fault:  # a field map or the like, which is no image by this recipe: the first one is
            note = f"Encoding space {space.number + 1} was not reconstructed: {fault}."
            made[0] = replace(made[0], notes=(*made[0].notes, note))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readied:
    """One encoding space, white, of our sign and straight, and the recipe that it takes.

    Parameters
    ----------
    why
        What led to the recipe; for the reader of the series.
    notes
        What was done before.
    """

    scan: Scan
    number: int
    recipe: Ready
    why: tuple[str, ...]
    notes: tuple[str, ...]

    def reconstruct(self, place: Workplace, progress: Progress) -> Iterator[ImageSeries]:
        """Let the method do it, with so much memory."""
        method: Any = METHODS[type(self.recipe)]
        with torch.inference_mode():
            made = method(self.scan, self.recipe, place=place, progress=progress)
        return map(self._signed, made)

    def _signed(self, series: ImageSeries) -> ImageSeries:
        """Say of a series what the method does not know."""
        notes = (*self.why, *series.notes, *self.notes)
        return replace(series, encoding=self.number, notes=notes, whitened_by=self.scan.whitened_by)


def _readied(space: ImagedSpace, recipe: Ready, preparation: Preparation) -> _Readied:
    """Prepare one encoding space, and settle the recipe."""
    scan, notes = preparation.of(space)
    with torch.inference_mode():
        settled, why = settled_recipe(scan, recipe)
    notes = (*notes, *([space.note] if space.note else []))
    return _Readied(scan=scan, number=space.number, recipe=settled, why=why, notes=notes)


@overload
def settled_recipe(scan: Scan, recipe: Recipe | ReadyModel) -> tuple[Recipe | ReadyModel, tuple[str, ...]]: ...


@overload
def settled_recipe(scan: Scan, recipe: Ready) -> tuple[Ready, tuple[str, ...]]: ...


def settled_recipe(scan: Scan, recipe: Ready) -> tuple[Ready, tuple[str, ...]]:
    """Take the fallback of a model that was not made for such a scan, or of a guide that does not fit, and say why."""
    match recipe:
        case ReadyModel():
            reasons, what = misused(scan, recipe), f"Network {recipe.card.label} was not used"
        case ReadyGuide():
            reasons, what = misguided(scan, recipe), "No other scan guided the reconstruction"
        case _:
            return recipe, ()
    if not reasons:
        return recipe, ()
    asked = {"output": recipe.recipe.output, "replicas": recipe.recipe.replicas}
    return recipe.recipe.fallback.model_copy(update=asked), (f"{what}: {'; '.join(reasons)}.",)


def choose_device(name: str) -> torch.device:
    """Find the device that a setting names.

    Raises
    ------
    GatewayError
        There is no such GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise GatewayError(f"device {name} does not exist: {torch.cuda.device_count()} GPUs are visible")
    return device


def name_device(name: str) -> str:
    """Say what a setting's device is, for people: ``NVIDIA H100 80GB HBM3 (cuda:0)``, ``CPU, 8 threads``.

    Raises
    ------
    GatewayError
        There is no such GPU.
    """
    device = choose_device(name)
    if device.type == "cuda":
        number = device.index or 0
        return f"{torch.cuda.get_device_name(number)} (cuda:{number})"
    return f"CPU, {torch.get_num_threads()} threads"
