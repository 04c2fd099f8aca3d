"""Undersampled Cartesian k-space: the image that the coils would have measured, exactly or by steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import CgSenseRecipe, SenseRecipe
from gateway.recon.fourier import fourier
from gateway.recon.hybrid import to_matrix
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Slice, Undersampled, frame_by_frame, series_of, understand
from gateway.recon.sense import Unfolding, solve_by_steps, solve_exactly
from gateway.recon.sensitivities import espirit, low_resolution

DARKEST = 1e-3
"""A pixel is expected to have at least this share of the mean power: calibration does not see small things."""
STEPS_3D = 30
"""Of conjugate gradients, where a system is too large to be factorised."""
ROUNDING = 1e-6
"""Noise that single precision makes by itself, relative to the brightest pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the calibration of a slice shows. Shapes `(set coil z y x)` and `(set z y x)`."""

    maps: Tensor
    prior: Tensor


def reconstruct_sense(
    acquisition: Acquisition, header: ScanHeader, recipe: SenseRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Unfold each readout position exactly, with the brightness that calibration shows as the expectation.

    Raises
    ------
    BadScan
        The scan is not Cartesian, lines of its pattern are missing, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    scan = understand(acquisition, header, recipe=recipe.method, n_virtual=recipe.virtual_coils)

    def unfold(one: Slice, seen: Seen) -> Tensor:
        problem = _problem(scan, one, seen, weight=recipe.noise_weight)
        flat = one.data.shape[1] == 1
        return _magnitude(solve_exactly(problem) if flat else solve_by_steps(problem, steps=STEPS_3D), scan)

    pixels = frame_by_frame(scan, lambda one: see(one, recipe.map_sets), unfold, device=device, progress=progress)
    how = "SENSE by ESPIRiT maps, regularised by the noise and the brightness that calibration shows."
    return (series_of(pixels, scan, (how,)),)


def reconstruct_cg_sense(
    acquisition: Acquisition, header: ScanHeader, recipe: CgSenseRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Unfold by conjugate gradients; all pixels are expected to be alike, which is plain Tikhonov.

    Raises
    ------
    BadScan
        The scan is not Cartesian, lines of its pattern are missing, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    scan = understand(acquisition, header, recipe=recipe.method, n_virtual=recipe.virtual_coils)

    def unfold(one: Slice, seen: Seen) -> Tensor:
        alike = Seen(maps=seen.maps, prior=seen.prior.mean().expand_as(seen.prior))
        problem = _problem(scan, one, alike, weight=recipe.noise_weight)
        return _magnitude(solve_by_steps(problem, steps=recipe.steps, tolerance=recipe.tolerance), scan)

    pixels = frame_by_frame(scan, lambda one: see(one, recipe.map_sets), unfold, device=device, progress=progress)
    return (series_of(pixels, scan, (f"SENSE by ESPIRiT maps, at most {recipe.steps} steps of conjugate gradients.",)),)


def see(one: Slice, n_sets: int) -> Seen:
    """Estimate sensitivities and brightness from calibration; in 3D for each position x on its own."""
    _, n_z, n_y, n_x = one.data.shape
    if n_z == 1:
        flat = _seen(fourier(one.block[:, 0], (-1,)), (n_y, n_x), n_sets)
        return Seen(maps=flat.maps.unsqueeze(2), prior=flat.prior.unsqueeze(1))
    planes = [_seen(one.block[..., x], (n_z, n_y), n_sets) for x in range(n_x)]
    return Seen(
        maps=torch.stack([each.maps for each in planes], dim=-1),
        prior=torch.stack([each.prior for each in planes], dim=-1),
    )


def _seen(block: Tensor, shape: tuple[int, int], n_sets: int) -> Seen:
    found = espirit(block, n_y=shape[0], n_x=shape[1], n_sets=n_sets)
    images = low_resolution(block, n_y=shape[0], n_x=shape[1])
    power = (found.maps.conj() * images).sum(dim=1).abs().square()
    return Seen(maps=found.maps, prior=power + DARKEST * power.mean().clamp_min(torch.finfo(torch.float32).tiny))


def _problem(scan: Undersampled, one: Slice, seen: Seen, *, weight: float) -> Unfolding:
    rounding = ROUNDING * float(seen.prior.max())
    return Unfolding(
        data=one.data,
        filled=one.filled,
        maps=seen.maps,
        prior=seen.prior,
        noise_power=max(weight * scan.noise_power, rounding),
    )


def _magnitude(image: Tensor, scan: Undersampled) -> Tensor:
    """Bring an image of the encoded lines to the matrix; sets join by root sum of squares. Shape `(z y x)`."""
    encoded, target = scan.sorter.lines.encoding.encoded.matrix, scan.target
    if (target.grid.z, target.grid.y) != (encoded.z, encoded.y) or target.grid != target.matrix:
        image = to_matrix(fourier(image, (-3, -2)), target)
    return image.abs().square().sum(dim=0).sqrt()
