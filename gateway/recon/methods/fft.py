"""Recipe fft: fully sampled Cartesian k-space, inverse Fourier transform, coils combined."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import FftRecipe
from gateway.model.zyx import Zyx
from gateway.recon.calibration import middle
from gateway.recon.coil_maps import maps_for
from gateway.recon.coils import combine, root_sum_of_squares
from gateway.recon.contradictions import check_heads
from gateway.recon.coverage import finished_target
from gateway.recon.fourier import resize, to_image
from gateway.recon.hybrid import middle_of, to_hybrid, to_matrix
from gateway.recon.kspace import Progress, sort_cartesian
from gateway.recon.lattice import need_every_line
from gateway.recon.pictures import Album, Noise, Picture
from gateway.recon.replicas import DEFAULT, deviation_by_replicas, white_noise
from gateway.recon.sample_noise import ideal_deviation, noise_power_of, spread_of
from gateway.recon.scan import Scan
from gateway.recon.series import cartesian_series
from gateway.recon.silence import check_coils
from gateway.recon.space import Target
from gateway.recon.workplace import Workplace

WORK = 6
"""Memory that transforming coils takes, in multiples of their k-space."""


def reconstruct_fft(scan: Scan, recipe: FftRecipe, *, place: Workplace, progress: Progress) -> tuple[ImageSeries, ...]:
    """Reconstruct every frame.

    Raises
    ------
    BadScan
        K-space is not Cartesian, lines are missing, or the scan does not say where it was measured.
    """
    progress(0.0, "sorting readouts into k-space")
    sorter = sort_cartesian(scan.acquisition, scan.header, recipe=recipe.method)
    lines = sorter.lines
    need_every_line(lines, recipe.method)
    check_coils(sorter)
    check_heads(sorter)
    target = finished_target(recipe, sorter, sorter.middle_frame)
    album = Album(recipe, lines.n_frames, target, progress)
    power = noise_power_of(scan, sorter, target) if album.wants_noise else 0.0
    for number, sorted_ in enumerate(frame for batch in sorter.batches() for frame in batch.samples):
        samples = sorted_.to(place.home(WORK * sorted_.nbytes))
        maps = maps_for(to_hybrid(middle(samples), target), target, recipe)
        image_of = partial(combined, maps=maps, target=target, place=place)
        noise = None
        if album.wants_noise:
            spread = power**0.5 * spread_of(lines, number, samples)
            noise = noise_of(samples, spread, image_of, target=target, recipe=recipe)
        album.keep(number, Picture(image=image_of(samples), noise=noise))
    return cartesian_series(album, sorter, target, (recipe.combination,))


def combined(samples: Tensor, *, maps: Tensor | None, target: Target, place: Workplace) -> Tensor:
    """Transform one frame `(coil z y x)`, some coils at a time, and combine them. Shape `(z y x)`."""
    pieces = place.pieces(len(samples), WORK * samples[0].nbytes)
    some = (samples[at].to(place.device) for at in pieces)
    if not target.finish.idle:
        return combine((image for coils in some for image in to_matrix(to_hybrid(coils, target), target)), maps)
    if maps is None:
        return _placed(root_sum_of_squares(image for coils in some for image in _turned(coils, target)), target)
    whole = (to_image(coils, grid=target.grid, matrix=target.matrix) for coils in some)
    return combine((image for coils in whole for image in coils), maps)


def noise_of(
    samples: Tensor, spread: Tensor, image_of: Callable[[Tensor], Tensor], *, target: Target, recipe: FftRecipe
) -> Noise:
    """Know the noise of one frame: every pixel has the same.

    Parameters
    ----------
    spread
        Standard deviation of the noise of each sample. Shape `(1 z y x)`.
    image_of
        Makes the image of a frame `(coil z y x)`.
    """
    ideal = ideal_deviation(1.0, spread, target)
    if recipe.replicas is not None or not target.finish.idle:
        deviation = deviation_by_replicas(
            image_of(samples),
            lambda random: image_of(samples + spread * white_noise(samples, 1.0, random)),
            recipe.replicas or DEFAULT,
        )
        return Noise(deviation=deviation, ideal=ideal)
    shown = resized(spread[0], target.grid)
    level = float(shown.square().mean() / 2) ** 0.5
    return Noise(deviation=resized(torch.full_like(shown, level), target.matrix), ideal=ideal)


def resized(values: Tensor, matrix: Zyx[int]) -> Tensor:
    """Crop, or fill with zeros, along z, y and x."""
    for axis, n in zip((-3, -2, -1), matrix.as_tuple(), strict=True):
        values = resize(values, axis, n)
    return values


def _turned(samples: Tensor, target: Target) -> Tensor:
    """Transform coils, and leave all shifts to the sum of their squares: in k-space they turn phases only.

    An axis that is cut loses its margin before the next one is transformed.
    """
    waiting: list[int] = []
    for axis, (n_grid, n_matrix) in _sizes(target).items():
        samples = resize(samples, axis, n_grid)
        if n_matrix < n_grid:
            samples = middle_of(torch.fft.ifft(samples, dim=axis, norm="ortho"), axis, n_matrix)
        elif n_grid > 1:
            waiting.append(axis)
    return torch.fft.ifftn(samples, dim=waiting, norm="ortho") if waiting else samples


def _placed(image: Tensor, target: Target) -> Tensor:
    """Bring the centre of an image that `_turned` has left at index 0 to its place. Shape `(z y x)`."""
    for axis, (n_grid, n_matrix) in _sizes(target).items():
        image = resize(image.roll(n_grid // 2, axis) if n_matrix >= n_grid > 1 else image, axis, n_matrix)
    return image


def _sizes(target: Target) -> dict[int, tuple[int, int]]:
    """Give the points of grid and matrix, by axis, in the order in which they are transformed."""
    grid, matrix = target.grid, target.matrix
    return {-1: (grid.x, matrix.x), -2: (grid.y, matrix.y), -3: (grid.z, matrix.z)}
