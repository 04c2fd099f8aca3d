"""Recipes side by side: the same scans, the same lines left out, every number of `METRICS`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.evaluation.metrics import METRICS
from gateway.evaluation.retrospective import Bools, line_count, undersampled
from gateway.model.errors import BadScan, GatewayError, UnreadableFile, WrongCall
from gateway.model.header import ScanHeader
from gateway.model.image import ImageKind
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe, Recipe
from gateway.model.training import Pattern
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon import masks
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel

Volume: TypeAlias = npt.NDArray[np.float64]
"""Magnitudes. Shape `(frame y x)`."""

USUAL_CALIBRATION = 24
"""Lines."""

KNOWN = (Pattern.EQUISPACED, Pattern.CENTRE, *masks.DRAWN)
"""Patterns; a learned one belongs to its training."""

SUFFIXES = (".h5", ".mrd")
"""Of files with scans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """Which lines are left out."""

    pattern: Pattern
    acceleration: int
    n_calibration: int
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``PATTERN:ACCELERATION`` or ``PATTERN:ACCELERATION:CALIBRATION``.

        Raises
        ------
        WrongCall
            It is neither.
        """
        pattern, *numbers = text.split(":")
        if pattern not in KNOWN:
            raise WrongCall(f"mask {text!r}: there is no pattern {pattern!r}; known are: {', '.join(KNOWN)}")
        if not 1 <= len(numbers) <= 2 or not all(number.isdecimal() for number in numbers):  # noqa: PLR2004 - see above
            raise WrongCall(f"mask {text!r} is not PATTERN:ACCELERATION or PATTERN:ACCELERATION:CALIBRATION")
        acceleration, n_calibration = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else USUAL_CALIBRATION
        if acceleration < 1:
            raise WrongCall(f"mask {text!r}: the acceleration must be 1 at least")
        return cls(pattern=Pattern(pattern), acceleration=acceleration, n_calibration=n_calibration)

    def __str__(self) -> str:
        return f"{self.pattern}, R = {self.acceleration}, {self.n_calibration} calibration lines"

    def lines(self, n: int) -> Bools:
        """Draw the mask. Shape `(y,)`."""
        if self.pattern is Pattern.EQUISPACED:
            return masks.equispaced(n, step=self.acceleration, n_calibration=self.n_calibration)
        if self.pattern is Pattern.CENTRE:
            return masks.centre_lines(n, acceleration=self.acceleration)
        random = np.random.default_rng(self.seed)
        draw = masks.DRAWN[self.pattern]
        return draw(n, acceleration=self.acceleration, n_calibration=self.n_calibration, random=random)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A scan of every line, and what to call it."""

    name: str
    acquisition: Acquisition
    header: ScanHeader


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one recipe made of one scan."""

    scan: str
    masking: Masking
    recipe: str
    values: Mapping[str, float]
    """By metric, mean over the frames; empty where the recipe refused."""
    seconds: float
    refused: str
    """Why there is no image."""
    image: Volume | None
    truth: Volume


def read_scans(paths: Sequence[Path]) -> list[Scan]:
    """Read scans from files, and from the files of folders.

    Raises
    ------
    WrongCall
        A folder has none.
    UnreadableFile
        A file holds no scan.
    """
    files = [file for path in paths for file in (_files_of(path) if path.is_dir() else [path])]
    return [_read(file) for file in files]


def _files_of(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise WrongCall(f"{folder} has no scans: files that end in {' or '.join(SUFFIXES)}")
    return files


def _read(file: Path) -> Scan:
    scan = read_scan(file)
    if not scan.header_xml:
        raise UnreadableFile(file, "holds no header")
    return Scan(name=file.stem, acquisition=scan.acquisition, header=parse_header(scan.header_xml))


def compare(
    scans: Sequence[Scan],
    recipes: Mapping[str, Recipe | ReadyModel],
    maskings: Sequence[Masking],
    *,
    device: str,
    tell: Callable[[str], None],
) -> Iterator[Trial]:
    """Try every recipe on every scan with every mask; a recipe that refuses a scan is a trial too.

    Raises
    ------
    BadScan
        A scan is not one of every line.
    """
    for scan in scans:
        n_lines = line_count(scan.acquisition, scan.header)
        truth = magnitude(scan.acquisition, scan.header, FftRecipe(), device)
        for masking in maskings:
            measured = masking.lines(n_lines)
            centre = masks.calibration(n_lines, masking.n_calibration)
            step = masking.acceleration
            thinned = undersampled(scan.acquisition, scan.header, measured=measured, calibration=centre, step=step)
            for name, recipe in recipes.items():
                tell(f"{scan.name}: {masking}: {name}")
                yield _try(
                    Scan(name=scan.name, acquisition=thinned[0], header=thinned[1]),
                    truth,
                    masking,
                    (name, recipe),
                    device,
                )


def _try(scan: Scan, truth: Volume, masking: Masking, named: tuple[str, Recipe | ReadyModel], device: str) -> Trial:
    name, recipe = named
    start, image, refused = time.perf_counter(), None, ""
    try:
        image = magnitude(scan.acquisition, scan.header, recipe, device)
    except GatewayError as fault:
        refused = str(fault)
    seconds = time.perf_counter() - start
    values = {} if image is None else _values(image, truth)
    return Trial(
        scan=scan.name,
        masking=masking,
        recipe=name,
        values=values,
        seconds=seconds,
        refused=refused,
        image=image,
        truth=truth,
    )


def magnitude(acquisition: Acquisition, header: ScanHeader, recipe: Recipe | ReadyModel, device: str) -> Volume:
    """Reconstruct magnitudes alone."""
    made = reconstruct(acquisition, header, recipe, device=device, progress=lambda *_: None)
    (series,) = (one for one in made if one.kind is ImageKind.MAGNITUDE)
    if isinstance(recipe, ReadyModel) and series.model is None:
        # Its fallback's image says nothing of the network.
        raise BadScan(" ".join(note for note in series.notes if recipe.card.label in note))
    return np.asarray(series.pixels, np.float64)


def _values(image: Volume, truth: Volume) -> dict[str, float]:
    largest = float(truth.max())
    return {
        name: float(np.mean([metric.measure(one, true, largest) for one, true in zip(image, truth, strict=True)]))
        for name, metric in METRICS.items()
    }
