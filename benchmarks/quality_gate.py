"""Measure the gate: known faults in real heads, with limits that come from other scans than those they are held to.

``python -m benchmarks.quality_gate`` measures, which takes ten minutes of one core, and writes
docs/quality-gate-measured.md and its curves. What was measured is kept in ``--rows`` scan by scan: a second run goes
on where the first was stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.gate_faults import IN_DATA, lesion, mixed, planted, softened, stretched
from benchmarks.gate_heads import (
    LATER_SLICES,
    Head,
    calibration_lines,
    drawn_from,
    later_from,
    noisier,
    patterns,
    real_heads,
    synthetic,
    view_of,
)
from benchmarks.gate_report import report
from benchmarks.gate_rule import HEADS
from gateway.evaluation.retrospective import undersampled
from gateway.model.errors import GatewayError
from gateway.model.gate import Check
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition, Flag
from gateway.model.recipes import L1WaveletRecipe, Recipe, TvRecipe
from gateway.quality.geometry import ghosting, mirrored
from gateway.recon import masks
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.looks import look_at
from gateway.recon.checks.recording import evidence_of
from gateway.recon.engine import reconstruct
from gateway.recon.preparation import Preparation

Image = npt.NDArray[Any]
Scan = tuple[Acquisition, ScanHeader]

RECIPES: Mapping[str, Recipe] = {"l1-wavelet": L1WaveletRecipe(), "tv": TvRecipe(steps=60)}
"""What stands for the learned method."""
AMPLITUDES = (1, 2, 3, 4, 5)
WIDTH_PX = 1.7
"""Of planted structures: four pixels from half height to half height."""
SNRS = (30.0, 60.0)
"""Brightness over noise."""
SEEDS = 2
"""Of the noise that is added to real heads."""
SYNTHETIC = 4
LATER = (1, 2, 3, 4)
"""Lots that were drawn later."""
FAULTY = (2, 3, 4)
"""Those into which faults are planted, beside anatomies that give no limits."""
LATER_SEEDS: Mapping[int, tuple[int, ...]] = {1: (2,), 2: (3,), 3: (4,), 4: (5, 6, 7)}
"""Of the noise that is added to real heads, by lot."""
LATER_SYNTHETIC: Mapping[int, range] = {1: range(4, 8), 2: range(8, 12), 3: range(12, 16), 4: range(16, 26)}
"""Seeds of phantoms, by lot."""
LATER_FAULTS = (
    "equispaced 3/0",
    "equispaced 3/1",
    "equispaced 3/2",
    "variable density 3, draw 1",
    "variable density 3, draw 2",
    "variable density 3, draw 4",
    "variable density 3, draw 6",
)
"""Patterns with which faults are planted into the later lots."""
SPARSER = "more acceleration"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is tried: a head and a recipe.

    Parameters
    ----------
    faults
        Whether faults are planted, too.
    lot
        0 is what checks and limits were chosen on, later ones are those that nobody had looked at then.
    """

    head: Head
    recipe: str
    faults: bool = False
    lot: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: what was planted, and what the checks measured."""

    head: str
    family: str
    recipe: str
    pattern: str
    fault: str
    lot: int = 0
    size: float
    """How many standard deviations the fault changed the image by where it did most; 0 where nothing was planted."""
    own: float
    """How high the largest structure is by which the image differs from that of all lines, nothing planted."""
    values: dict[str, float]
    saw: dict[str, float] = field(default_factory=dict)
    """Of the scan, as cards of models hold it."""
    refused: str = ""
    """What the reconstruction said instead of making an image."""
    gate_s: float = 0.0
    made_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A thinned scan, reconstructed."""

    row: Row
    scan: Scan
    recipe: Recipe
    clean: ImageSeries
    evidence: Evidence
    random: np.random.Generator

    @property
    def noise(self) -> Image:
        """Standard deviation of the noise of the conventional image."""
        if self.evidence.deviation is None:
            raise AssertionError("the scan was not understood")
        deviation: Image = self.evidence.deviation[0]
        return deviation


def cases(unit: Unit) -> Iterator[Row]:
    """Try every pattern of lines, and with each every fault."""
    head, recipe = unit.head, RECIPES[unit.recipe]
    truth = of_every_line(head)
    for pattern in patterns(head.lines, unit.lot):
        centre = masks.calibration(head.lines, calibration_lines(head.lines))
        scan = undersampled(
            head.acquisition, head.header, measured=pattern.measured, calibration=centre, step=pattern.step
        )
        begun = time.process_time()
        clean = made(scan, recipe)
        between = time.process_time()
        evidence = examined(scan, recipe, clean)
        row = Row(
            head=head.name,
            family=head.family,
            recipe=unit.recipe,
            pattern=pattern.name,
            lot=unit.lot,
            fault="",
            size=0.0,
            own=largest_structure(clean.pixels[0], truth, noise_of(scan)),
            values=values_of(evidence, clean.pixels[0]),
            saw=saw_of(evidence),
            made_s=between - begun,
            gate_s=time.process_time() - between,
        )
        yield row
        if unit.faults and (unit.lot == 0 or pattern.name in LATER_FAULTS):
            random = np.random.default_rng(sum(map(ord, head.name + pattern.name)))
            case = Case(row=row, scan=scan, recipe=recipe, clean=clean, evidence=evidence, random=random)
            yield from in_image(case)
            yield from in_data(case)


def in_image(case: Case) -> Iterator[Row]:
    """Add and remove structures, and smooth; the data stay as they are."""
    pixels, reference = case.clean.pixels[0], case.evidence.reference
    if reference is None:
        return
    view = view_of(*case.scan)
    inside = np.argwhere(reference[0] > 0.25 * np.quantile(reference[0], 0.99))
    changed: list[tuple[str, float, Image]] = []
    for amplitude in AMPLITUDES:
        for sign, word in ((1, "added"), (-1, "removed")):
            y, x = inside[case.random.integers(len(inside))]
            change = sign * amplitude * case.noise[y, x] * lesion(pixels.shape, (y, x), WIDTH_PX)
            changed.append((f"structure {word}, {amplitude} SD", amplitude, np.maximum(pixels + change, 0)))
    whole = {
        "over-smoothing, 0.7 px": softened(pixels, 0.7),
        "over-smoothing, 1 px": softened(pixels, 1.0),
        "clipped image": np.minimum(pixels, 0.6 * np.quantile(pixels, 0.995)),
        "wrong field of view, 4 %": stretched(pixels, 1.04),
        "foreign anatomy, 20 %": mixed(pixels, 0.2),
    }
    changed += [(fault, size_of(image, pixels, case.noise), image) for fault, image in whole.items()]
    for fault, size, image in changed:
        shown = replace(case.clean, pixels=image[None].astype(np.float32))
        evidence = Evidence.empty(shown.pixels.shape)
        with torch.inference_mode():
            look_at(view, shown.pixels, 0, evidence)
        of_data = (Check.SAMPLING, Check.CLIPPING)  # the data stay as they are
        evidence.values |= {check: case.evidence.values[check] for check in of_data}
        yield replace(case.row, fault=fault, size=size, values=values_of(evidence, image), saw=saw_of(evidence))


def in_data(case: Case) -> Iterator[Row]:
    """Plant faults into the measured lines, and reconstruct."""
    for fault in (*IN_DATA, SPARSER):
        broken = _broken(case, fault)
        try:
            image = made(broken, case.recipe)
        except GatewayError as refusal:
            yield replace(case.row, fault=fault, size=99.0, values={}, saw={}, refused=str(refusal))
            continue
        found = examined(broken, case.recipe, image)
        size = size_of(image.pixels[0], case.clean.pixels[0], case.noise)
        yield replace(case.row, fault=fault, size=size, values=values_of(found, image.pixels[0]), saw=saw_of(found))


def _broken(case: Case, fault: str) -> Scan:
    """Plant a fault into the data; or leave out every second line beyond the calibration, and tell nobody."""
    if fault != SPARSER:
        return planted(*case.scan, fault, case.random), case.scan[1]
    (run,) = case.scan[0]
    y = run.heads["idx"]["kspace_encode_step_1"].astype(int)
    centre = run.flagged(np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit))
    rank = np.searchsorted(np.unique(y[~centre]), y)
    return [run.select(centre | (rank % 2 == 0))], case.scan[1]


def made(scan: Scan, recipe: Recipe) -> ImageSeries:
    """Reconstruct."""
    (series,) = reconstruct(*scan, recipe, device="cpu", progress=lambda *_: None)
    return series


def examined(scan: Scan, recipe: Recipe, image: ImageSeries) -> Evidence:
    """Run every check."""
    return evidence_of(Preparation(*scan), recipe, image, device="cpu", reruns="never")


def values_of(evidence: Evidence, image: Image) -> dict[str, float]:
    """Collect the values of all checks, by name."""
    found = {check.value: float(value) for check, value in evidence.values.items()}
    if evidence.reference is not None and (turned := mirrored(image, evidence.reference[0])) is not None:
        found[Check.ORIENTATION.value] = turned
    if (ghost := ghosting(image)) is not None:
        found[Check.GHOSTING.value] = ghost
    return found


def saw_of(evidence: Evidence) -> dict[str, float]:
    """Collect the numbers of the scan that cards of models hold."""
    return asdict(evidence.statistics) if evidence.statistics else {}


def size_of(image: Image, clean: Image, noise: Image) -> float:
    """Say by how many standard deviations an image differs where it does most, one pixel in two hundred aside."""
    gain = float((image * clean).sum() / (image * image).sum())
    ratio = np.abs(gain * image - clean) / np.maximum(noise, 1e-3 * noise.max())
    return float(np.quantile(ratio[clean > 0.1 * clean.max()], 0.995))


def of_every_line(head: Head) -> Image:
    """Give the conventional image of all lines."""
    view = view_of(head.acquisition, head.header)
    shown: Image = view.shown(view.reference.abs() * view.scale)[0]
    return shown


def noise_of(scan: Scan) -> Image:
    """Give the standard deviation of the noise of the conventional image."""
    view = view_of(*scan)
    shown: Image = view.shown(view.deviation * view.scale)[0]
    return shown


def largest_structure(image: Image, truth: Image, noise: Image) -> float:
    """Say how high the largest structure is by which images differ: of the shape of those planted, in the noise there.

    Noise alone makes about 1.5.
    """
    gain = float((image * truth).sum() / (image * image).sum())
    centre = (truth.shape[0] // 2, truth.shape[1] // 2)
    shape = lesion(truth.shape, centre, WIDTH_PX)
    transfer = np.fft.fft2(np.fft.ifftshift(shape))
    heights = np.fft.ifft2(np.fft.fft2(gain * image - truth) * transfer).real / np.square(shape).sum()
    inside = truth > 0.25 * np.quantile(truth, 0.99)  # where structures are planted
    return float(np.quantile(np.abs(heights / np.maximum(noise, 1e-3 * noise.max()))[inside], 0.999))


def units(folder: Path) -> Iterator[Unit]:
    """List what is tried: first what limits and checks were chosen on, then what nobody had looked at."""
    for head in real_heads(folder / "mrd"):
        for snr in SNRS:
            for seed in range(SEEDS):
                for name in RECIPES:
                    yield Unit(head=noisier(head, snr, seed), recipe=name)
    for number, head in enumerate(drawn_from(folder / "train")):
        for place, name in enumerate(RECIPES):
            faults = head.family not in HEADS and head.name.endswith(" 0") and place == number % 2
            yield Unit(head=noisier(head, SNRS[(number + place) % 2]), recipe=name, faults=faults)
    for seed in range(SYNTHETIC):
        for name in RECIPES:
            yield Unit(head=noisier(synthetic(seed), SNRS[seed % 2]), recipe=name)
    for lot in LATER:
        yield from later_units(folder, lot)


def later_units(folder: Path, lot: int) -> Iterator[Unit]:
    """List other noise, slices, coils and phantoms; faults in the first of each."""
    for number, head in enumerate(real_heads(folder / "mrd")):
        for snr, seed, (place, name) in product(SNRS, LATER_SEEDS[lot], enumerate(RECIPES)):
            first = snr == SNRS[number] and seed == LATER_SEEDS[lot][0]
            faults = lot in FAULTY and first and place == number
            yield Unit(head=noisier(head, snr, seed), recipe=name, faults=faults, lot=lot)
    for number, head in enumerate(later_from(folder / "train", lot)):
        first = number % len(LATER_SLICES[lot][0]) == 0
        for place, name in enumerate(RECIPES):
            faults = lot in FAULTY and first and place == min(number, 1)
            yield Unit(head=noisier(head, SNRS[(number + place) % 2]), recipe=name, faults=faults, lot=lot)
    for seed in LATER_SYNTHETIC[lot]:
        for name in RECIPES:
            yield Unit(head=noisier(synthetic(seed), SNRS[seed % 2]), recipe=name, lot=lot)


def measure(folder: Path, rows: Path) -> None:
    """Try everything; what is there already is written after each head, and not tried again."""
    found: list[dict[str, Any]] = json.loads(rows.read_text()) if rows.exists() else []
    known = {(row["head"], row["recipe"]) for row in found}
    for unit in units(folder):
        if (unit.head.name, unit.recipe) not in known:
            found += [asdict(row) for row in cases(unit)]
            rows.parent.mkdir(parents=True, exist_ok=True)
            rows.write_text(json.dumps(found))
            print(f"{unit.head.name}, {unit.recipe}: {len(found)} cases", flush=True)


def main() -> None:
    """Measure what is not measured yet, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality_gate", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=Path, default=Path("build/quality-gate.json"))
    parser.add_argument("--out", type=Path, default=Path("docs/quality-gate-measured.md"))
    call = parser.parse_args()
    measure(call.data, call.rows)
    page, curves = report(json.loads(call.rows.read_text()))
    call.out.write_text(page)
    call.out.with_name("quality-gate-roc.svg").write_text(curves)


if __name__ == "__main__":
    main()
