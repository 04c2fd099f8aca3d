"""Undersampled Cartesian k-space: the image that the coils would have measured, exactly or by steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import CgSenseRecipe, SenseRecipe
from gateway.recon.cartesian_problem import cartesian_problem, resampled_map, to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Group, Undersampled, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.sense import Unfolding, deviation, solve_by_steps, solve_exactly
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.solvers import Stop
from gateway.recon.workplace import Workplace

IN_3D = Stop(steps=50, tolerance=1e-3)
"""Of conjugate gradients, where a system is too large to be factorised."""
ROUNDING = 1e-6
"""Noise that single precision makes by itself, relative to the brightest pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What calibration shows of a slice, and how far the data are trusted against it."""

    seen: Seen
    noise_power: float

    def at(self, some: slice, device: torch.device) -> Expected:
        """Take some positions x to a device."""
        return replace(self, seen=self.seen.at(some, device))


def reconstruct_sense(
    scan: Scan, recipe: SenseRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Unfold each readout position exactly, with the brightness that calibration shows as the expectation.

    Raises
    ------
    BadScan
        The scan is not Cartesian, lines of its pattern are missing, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe)
    album = slice_by_slice(found, sense(found, recipe), recipe, place=place, progress=progress)
    how = "SENSE by {} maps, regularised by the noise and the brightness that calibration shows."
    return series_of(album, found, (how.format(recipe.estimator),))


def sense(found: Undersampled, recipe: SenseRecipe) -> Method[Expected]:
    """Say how frames are unfolded: exactly, or those of slabs by steps."""
    flat = found.sorter.lines.partitions.n == 1

    def learn(group: Group) -> Expected:
        seen = group.see(recipe)
        return Expected(seen=seen, noise_power=_noise(group, seen, recipe))

    def unfold(group: Group, known: Expected) -> Tensor:
        if not flat:
            return _by_steps(found, group, known, IN_3D)
        solved = solve_exactly(_problem(group, known)).movedim(-1, -3)
        return to_target(solved[None], known.seen.maps, found.target)

    def noise(group: Group, known: Expected) -> Tensor:
        problem = _problem(group, known)
        return resampled_map(deviation(problem, solve_exactly(problem), group.noise_power)[None], found.target)

    return Method(learn=learn, unfold=unfold, deviation=noise if flat else None, at=Expected.at)


def reconstruct_cg_sense(
    scan: Scan, recipe: CgSenseRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Unfold by conjugate gradients; what calibration shows is expected to be alike, what it shows dark to be dark.

    Raises
    ------
    BadScan
        The scan is not Cartesian, lines of its pattern are missing, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe)
    album = slice_by_slice(found, cg_sense(found, recipe), recipe, place=place, progress=progress)
    how = f"SENSE by {recipe.estimator} maps, at most {recipe.steps} steps of conjugate gradients."
    return series_of(album, found, (how,))


def cg_sense(found: Undersampled, recipe: CgSenseRecipe) -> Method[Expected]:
    """Say how frames are unfolded by steps."""
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)

    def learn(group: Group) -> Expected:
        seen = group.see(recipe)
        alike = Seen(maps=seen.maps, prior=alike_where_bright(seen.prior))
        return Expected(seen=alike, noise_power=_noise(group, seen, recipe))

    return Method(learn=learn, unfold=lambda group, known: _by_steps(found, group, known, stop), at=Expected.at)


def alike_where_bright(power: Tensor) -> Tensor:
    """Expect as much of all pixels that are at least as bright as the mean; little is unfolded to where it is dark.

    Steps go where the signal is, so that 12 err less than 30 that expect all pixels to be alike.
    """
    return power.clamp_max(power.mean())


def _noise(group: Group, seen: Seen, recipe: SenseRecipe | CgSenseRecipe) -> float:
    return max(recipe.noise_weight * group.noise_power, ROUNDING * float(seen.prior.max()))


def _by_steps(scan: Undersampled, group: Group, known: Expected, stop: Stop) -> Tensor:
    maps, prior = known.seen.maps, known.seen.prior
    problem = cartesian_problem(group.data, group.filled, maps)
    images = solve_by_steps(problem, prior.movedim(-1, -3), known.noise_power, stop)
    return to_target(images, maps, scan.target)


def _problem(group: Group, known: Expected) -> Unfolding:
    return Unfolding(
        data=group.data[0],
        filled=group.filled[0],
        maps=known.seen.maps,
        prior=known.seen.prior,
        noise_power=known.noise_power,
    )
