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
from gateway.evaluation.retrospective import Bools, encoded_shape, undersampled
from gateway.model.errors import BadScan, GatewayError, UnreadableFile, WrongCall
from gateway.model.header import ScanHeader
from gateway.model.image import ImageKind
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe
from gateway.model.training import Pattern
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon import masks
from gateway.recon.engine import Ready, reconstruct
from gateway.recon.guide import ReadyGuide
from gateway.recon.lattice import Lattice
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
    """Which lines are left out; of slabs, which points of lines and partitions."""

    pattern: Pattern
    acceleration: int
    n_calibration: int
    seed: int = 0
    offset: int = 0
    """How many places further on a regular pattern begins than where the centre is one of them."""

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

    def points(self, shape: tuple[int, int]) -> Bools:
        """Draw the mask of lines and partitions; of slices, which have one, of lines alone. Shape `(z y)`."""
        if shape[0] == 1:
            return self.lines(shape[1])[None]
        if self.pattern is Pattern.EQUISPACED:
            return self._lattice(shape).points(*shape) | self.middle(shape)
        if self.pattern is Pattern.CENTRE:
            return masks.centre_block(*shape, acceleration=self.acceleration)
        random = np.random.default_rng(self.seed)
        draw = masks.POINTS[self.pattern]
        return draw(*shape, acceleration=self.acceleration, n_calibration=self.n_calibration, random=random)

    def middle(self, shape: tuple[int, int]) -> Bools:
        """Say where calibration lies. Shape `(z y)`."""
        z, y = (masks.calibration(n, self.n_calibration) for n in shape)
        return y[None] if len(z) == 1 else z[:, None] & y

    def step(self, shape: tuple[int, int]) -> Zyx[float]:
        """Say what a header says of the mask; the middle alone is a whole scan of less resolution."""
        if self.pattern is Pattern.CENTRE:
            return Zyx(z=1.0, y=1.0, x=1.0)
        if shape[0] == 1 or self.pattern is not Pattern.EQUISPACED:
            return Zyx(z=1.0, y=float(self.acceleration), x=1.0)
        lattice = self._lattice(shape)
        return Zyx(z=float(lattice.step_z), y=float(lattice.step_y), x=1.0)

    def _lattice(self, shape: tuple[int, int]) -> Lattice:
        """Share the acceleration between both directions as evenly as can be, each partition half a step on."""
        n = self.acceleration
        step_z = max(step for step in range(1, n + 1) if n % step == 0 and step * step <= n)
        step_y = n // step_z
        on_z, on_y = divmod(self.offset, step_y)
        first_z, first_y = (shape[0] // 2 + on_z) % step_z, (shape[1] // 2 + on_y) % step_y
        turns = (shape[0] // 2 - first_z) // step_z
        shift = step_y // 2 if step_z > 1 else 0
        return Lattice(
            step_z=step_z, step_y=step_y, shift=shift, first_z=first_z, first_y=(first_y - turns * shift) % step_y
        )

    def lines(self, n: int) -> Bools:
        """Draw the mask. Shape `(y,)`."""
        if self.pattern is Pattern.EQUISPACED:
            first = n // 2 + self.offset
            return masks.equispaced(n, step=self.acceleration, n_calibration=self.n_calibration, offset=first)
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


def leave_out(scan: Scan, masking: Masking) -> Scan:
    """Leave out of a scan of every line what a mask does not keep: lines of slices, points of slabs.

    Raises
    ------
    BadScan
        The scan is not one of every line.
    """
    shape = encoded_shape(scan.acquisition, scan.header)
    acquisition, header = undersampled(
        scan.acquisition,
        scan.header,
        measured=masking.points(shape),
        calibration=masking.middle(shape),
        step=masking.step(shape),
    )
    return Scan(name=scan.name, acquisition=acquisition, header=header)


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
    recipes: Mapping[str, Ready],
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
        encoded_shape(scan.acquisition, scan.header)  # refuses what is no truth
        truth = magnitude(scan.acquisition, scan.header, FftRecipe(), device)
        for masking in maskings:
            thinned = leave_out(scan, masking)
            for name, recipe in recipes.items():
                tell(f"{scan.name}: {masking}: {name}")
                yield _try(thinned, truth, masking, (name, recipe), device)


def _try(scan: Scan, truth: Volume, masking: Masking, named: tuple[str, Ready], device: str) -> Trial:
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


def magnitude(acquisition: Acquisition, header: ScanHeader, recipe: Ready, device: str) -> Volume:
    """Reconstruct magnitudes alone."""
    made = reconstruct(acquisition, header, recipe, device=device, progress=lambda *_: None)
    (series,) = (one for one in made if one.kind is ImageKind.MAGNITUDE)
    if isinstance(recipe, ReadyModel) and series.model is None:
        # Its fallback's image says nothing of the network.
        raise BadScan(" ".join(note for note in series.notes if recipe.card.label in note))
    if isinstance(recipe, ReadyGuide) and not series.guided_by:
        raise BadScan(series.notes[0])
    return np.asarray(series.pixels, np.float64)


def _values(image: Volume, truth: Volume) -> dict[str, float]:
    largest = float(truth.max())
    return {
        name: float(np.mean([metric.measure(one, true, largest) for one, true in zip(image, truth, strict=True)]))
        for name, metric in METRICS.items()
    }
