"""Three dimensions, end to end, by every method: slabs from the formula of an ellipsoid, undersampled along y and z."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.recipes import (
    CgNufftRecipe,
    CgSenseRecipe,
    FftRecipe,
    GrappaRecipe,
    L1SpiritRecipe,
    L1WaveletRecipe,
    LowRankSparseRecipe,
    NufftRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
    SubspaceRecipe,
    TvRecipe,
)
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from tests.recon.scans import encoded
from tests.recon.slabs import MATRIX, header_of, slab, stack_of_stars
from tests.recon.undersampled import error

Images = npt.NDArray[np.float32]
NOISE = 0.002
"""Of the real part of a sample; where the scalp is 1."""
Z, Y = np.meshgrid(np.arange(MATRIX.z) - MATRIX.z // 2, np.arange(MATRIX.y) - MATRIX.y // 2, indexing="ij")
CALIBRATION = (abs(Z + 0.5) < 6) & (abs(Y + 0.5) < 10)
EVERY_OTHER = ((Z % 2 == 0) & (Y % 2 == 0)) | CALIBRATION
AT_RANDOM = (np.random.default_rng(6).random(Z.shape) < 0.35) | CALIBRATION

STILL: tuple[Recipe, ...] = (
    GrappaRecipe(kernel_lines=2, kernel_samples=3),
    SenseRecipe(),
    CgSenseRecipe(),
    SpiritRecipe(kernel_lines=3, kernel_samples=3),
    L1SpiritRecipe(kernel_lines=3, kernel_samples=3, steps=20),
    L1WaveletRecipe(),
    TvRecipe(),
)
FREE = tuple(recipe for recipe in STILL if recipe.method not in ("grappa", "sense", "cg-sense"))
MOVING: tuple[Recipe, ...] = (SubspaceRecipe(components=2), LowRankSparseRecipe())


def images_of(run: object, recipe: Recipe, *, accelerated: bool = False, trajectory: str = "cartesian") -> Images:
    header = header_of(trajectory)
    if accelerated:
        header = encoded(header, acceleration=Zyx(z=2.0, y=2.0, x=1.0))
    (series,) = reconstruct((run,), header, recipe, device="cpu", progress=lambda *_: None)  # type: ignore[arg-type]
    return np.asarray(series.pixels)


@cache
def truth() -> Images:
    return images_of(slab(np.ones_like(CALIBRATION)), FftRecipe())


def by_name(recipe: Recipe) -> str:
    return recipe.method


def zeros_left(keep: npt.NDArray[np.bool_]) -> float:
    """Measure what leaving lines empty costs."""
    alone = images_of(slab(keep, noise=NOISE), L1WaveletRecipe(noise_weight=0.0, steps=1))
    return error(alone, truth())


@pytest.mark.parametrize("recipe", STILL, ids=by_name)
def test_a_slab_of_every_other_line_and_partition_is_unfolded(recipe: Recipe) -> None:
    """Noise alone, of all lines, is the measure: a quarter of them may double it, and coils again as much (g = 2)."""
    noise = error(images_of(slab(np.ones_like(CALIBRATION), noise=NOISE), FftRecipe()), truth())
    found = error(images_of(slab(EVERY_OTHER, noise=NOISE), recipe, accelerated=True), truth())
    assert found < min(4 * noise + 0.03, 0.5 * zeros_left(EVERY_OTHER))


@pytest.mark.parametrize("recipe", FREE, ids=by_name)
def test_a_slab_of_lines_at_random_is_filled(recipe: Recipe) -> None:
    assert error(images_of(slab(AT_RANDOM, noise=NOISE), recipe), truth()) < 0.5 * zeros_left(AT_RANDOM)


@pytest.mark.parametrize("recipe", MOVING, ids=by_name)
def test_slabs_that_fade_share_what_they_measure(recipe: Recipe) -> None:
    random = np.random.default_rng(8)
    keep = np.stack([(random.random(Z.shape) < 0.3) | CALIBRATION for _ in range(4)])
    found = images_of(slab(keep, noise=NOISE, frames=4, fading=0.2), recipe).reshape(4, *truth().shape)
    for number, frame in enumerate(found):
        assert error(frame, truth() * 0.8**number) < 0.1


@pytest.mark.parametrize("recipe", [NufftRecipe(), CgNufftRecipe()], ids=by_name)
def test_a_stack_of_stars_is_the_slab(recipe: Recipe) -> None:
    """Spokes leave the corners of k-space out; what they hold is the tolerance, from the grid itself."""
    found = images_of(stack_of_stars(50), recipe, trajectory="radial")
    disc = np.hypot(*np.meshgrid(np.arange(32) - 16, np.arange(32) - 16, indexing="ij")) < 16
    volume = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(truth(), axes=(1, 2)), axes=(1, 2)), axes=(1, 2))
    corners = np.linalg.norm(volume * ~disc) / np.linalg.norm(volume)
    assert error(found, truth()) < corners + 0.05
