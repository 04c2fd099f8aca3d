"""The method that fits the scan, chosen by what was measured; the reasons become notes of the series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import (
    AutoRecipe,
    CgNufftRecipe,
    FftRecipe,
    GrappaRecipe,
    L1WaveletRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
)
from gateway.recon.fourier import fourier
from gateway.recon.hybrid import to_hybrid
from gateway.recon.kspace import Progress, sort_cartesian
from gateway.recon.lattice import Lattice, find_lattice, is_irregular, moving_step
from gateway.recon.lines import Lines
from gateway.recon.methods.cg_nufft import reconstruct_cg_nufft
from gateway.recon.methods.fft import reconstruct_fft
from gateway.recon.methods.grappa import reconstruct_grappa
from gateway.recon.methods.l1_wavelet import reconstruct_l1_wavelet
from gateway.recon.methods.sense import reconstruct_sense
from gateway.recon.methods.spirit import reconstruct_spirit
from gateway.recon.parallel import Undersampled, understand
from gateway.recon.scan import Scan
from gateway.recon.sensitivities import espirit
from gateway.recon.smooth import low_resolution
from gateway.recon.space import imaging_encoding, is_cartesian
from gateway.recon.workplace import Workplace

WRAPPED = 0.95
"""A second set of sensitivities that explains so much of the calibration is a second image on the first."""
FEW = 0.02
"""Share of the bright pixels that may look wrapped without being so."""
BRIGHT = 0.1
"""Of the brightest; darker pixels say nothing."""
LOW = 2
"""Up to this acceleration GRAPPA hardly amplifies noise."""

METHODS: Mapping[type, Callable[..., tuple[ImageSeries, ...]]] = MappingProxyType(
    {
        FftRecipe: reconstruct_fft,
        GrappaRecipe: reconstruct_grappa,
        SenseRecipe: reconstruct_sense,
        SpiritRecipe: reconstruct_spirit,
        CgNufftRecipe: reconstruct_cg_nufft,
        L1WaveletRecipe: reconstruct_l1_wavelet,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A recipe, and why it."""

    recipe: Recipe
    why: str


def reconstruct_auto(
    scan: Scan, recipe: AutoRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Pick, and let the method do it.

    Raises
    ------
    BadScan
        No method fits, or the one that does refuses.
    """
    progress(0.0, "looking at how the scan was measured")
    pick = pick_recipe(scan, recipe)
    progress(0.0, f"{pick.recipe.method}: {pick.why}")
    method: Any = METHODS[type(pick.recipe)]
    made = method(scan, pick.recipe, place=place, progress=progress)
    note = f"Recipe {pick.recipe.method} chosen: {pick.why}."
    return tuple(replace(series, notes=(note, *series.notes)) for series in made)


def pick_recipe(scan: Scan, recipe: AutoRecipe) -> Pick:
    """Choose by trajectory, by the lines that are there, and by whether the image fits its field of view.

    What both recipes have stays as it was asked for.

    Raises
    ------
    BadScan
        The trajectory is one that no method knows, or lines of the pattern are missing.
    """
    pick = _picked(scan, recipe)
    shared = set(type(recipe).model_fields) & set(type(pick.recipe).model_fields) - {"method"}
    asked = pick.recipe.model_copy(update={name: getattr(recipe, name) for name in shared})
    return replace(pick, recipe=asked)


def _picked(scan: Scan, recipe: AutoRecipe) -> Pick:
    encoding = imaging_encoding(scan.header)
    if not is_cartesian(encoding):
        return Pick(recipe=CgNufftRecipe(), why=f"the trajectory is {encoding.trajectory.lower()}")
    lines = sort_cartesian(scan.acquisition, scan.header, recipe="auto").lines
    try:
        lattice = find_lattice(lines)
    except IncompleteScan:
        step = moving_step(lines)
        if step > 1 and lines.n_coils > 1:
            return Pick(recipe=SpiritRecipe(), why=f"one line in {step} was measured, others from frame to frame")
        if lines.n_coils == 1 or not is_irregular(lines):
            raise
        share = len(lines.frame) / lines.measured().size
        return Pick(recipe=L1WaveletRecipe(), why=f"{share:.0%} of the lines were measured, in no regular pattern")
    if lattice.acceleration == 1:
        return Pick(recipe=FftRecipe(), why="every line was measured")
    return _pick_by(lattice, scan, lines, recipe)


def _pick_by(lattice: Lattice, scan: Scan, lines: Lines, recipe: AutoRecipe) -> Pick:
    """Choose for a regular pattern."""
    step = f"one line in {lattice.acceleration} was measured"
    if lines.n_coils == 1:
        raise BadScan(f"{step}, and by one coil alone: nothing tells what lies on what")
    if lattice.acceleration <= LOW:
        return Pick(recipe=GrappaRecipe(), why=f"{step}, where GRAPPA loses least and needs no sensitivities")
    if lines.partitions.n == 1:
        return Pick(recipe=SpiritRecipe(), why=f"{step}, where SPIRiT errs least and minds no narrow field of view")
    share = wrapped_share(understand(scan, recipe))
    if share > FEW:
        return Pick(recipe=GrappaRecipe(), why=f"{step}, and {share:.0%} of the image lie outside the field of view")
    return Pick(recipe=SenseRecipe(), why=f"{step}, and the calibration shows an image within the field of view")


def wrapped_share(scan: Undersampled) -> float:
    """Say how much of the middle slice looks like two images on each other: one set of maps cannot unfold that."""
    numbers = sorted(scan.calibration.blocks)
    block = scan.calibration.blocks[numbers[len(numbers) // 2]]
    plane = to_hybrid(block, scan.target)[:, block.shape[1] // 2]
    kspace = fourier(plane, (-1,))
    n_y, n_x = scan.sorter.lines.encoding.encoded.matrix.y, scan.target.matrix.x
    second = espirit(kspace, n_y=n_y, n_x=n_x, n_sets=2).explained[1]
    power = low_resolution(kspace, (n_y, n_x)).abs().square().sum(dim=0)
    bright = power > BRIGHT**2 * power.max()
    return float((second[bright] > WRAPPED).float().mean())
