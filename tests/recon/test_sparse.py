"""Images that are sparse, smooth or of few changes come out of few lines, at their scale; bad scans are refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.errors import BadScan
from gateway.model.header import Limit, ScanHeader
from gateway.model.readout import Readouts
from gateway.model.recipes import FftRecipe, L1WaveletRecipe, LowRankSparseRecipe, Recipe, SubspaceRecipe, TvRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.recon.scans import encoded, lines_of, slab

Images = npt.NDArray[np.float32]
N = 64
SCAN = PhantomScan(n_slices=1, n_coils=4, matrix=Zyx(z=1, y=N, x=N), noise=0.01, seed=4)
STILL = [L1WaveletRecipe(), TvRecipe()]
MOVING = [SubspaceRecipe(components=6), LowRankSparseRecipe()]


def images_of(run: Readouts, header: ScanHeader, recipe: Recipe) -> Images:
    (series,) = reconstruct((run,), header, recipe, device="cpu", progress=lambda *_: None)
    return series.pixels


def relative(found: Images, truth: Images) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@cache
def head() -> tuple[Readouts, ScanHeader, Images]:
    """The head with noise, and its image without."""
    (run,), header = head_phantom(SCAN)
    (quiet,), _ = head_phantom(replace(SCAN, noise=0.0))
    return run, header, images_of(quiet, header, FftRecipe())


def at_random(run: Readouts) -> Readouts:
    """Keep a third of the lines: sixteen in the middle, the others by chance."""
    random = np.random.default_rng(7)
    keep = np.abs(np.arange(N) - N // 2) < 8
    keep[random.choice(N, N // 4, replace=False)] = True
    return run.select(keep[lines_of(run)])


@pytest.mark.parametrize("recipe", STILL, ids=lambda recipe: recipe.method)
def test_a_third_of_the_lines_is_enough(recipe: Recipe) -> None:
    run, header, truth = head()
    plain = relative(images_of(at_random(run), header, L1WaveletRecipe(noise_weight=0.0, steps=60)), truth)
    assert relative(images_of(at_random(run), header, recipe), truth) < min(0.1, 0.75 * plain)


@pytest.mark.parametrize("recipe", STILL, ids=lambda recipe: recipe.method)
def test_images_scale_as_the_samples_do(recipe: Recipe) -> None:
    """The penalty is in units of the noise, so no vendor's scale matters."""
    run, header, _ = head()
    some = at_random(run)
    scaled = Readouts(some.heads, 1e5 * some.samples, some.trajectory)
    np.testing.assert_allclose(
        images_of(scaled, header, recipe) / 1e5, images_of(some, header, recipe), rtol=1e-2, atol=2e-3
    )


@pytest.mark.parametrize(
    "recipe", [L1WaveletRecipe(noise_weight=0.0), TvRecipe(noise_weight=1e-3)], ids=lambda recipe: recipe.method
)
def test_of_all_lines_and_without_a_penalty_nothing_is_made_up(recipe: Recipe) -> None:
    _, header, truth = head()
    (quiet,), _ = head_phantom(replace(SCAN, noise=0.0))
    assert relative(images_of(quiet, header, recipe), truth) < 0.03


@pytest.mark.parametrize("recipe", STILL, ids=lambda recipe: recipe.method)
def test_three_dimensions_come_out_too(recipe: Recipe) -> None:
    run, header = slab(16, filled=(7, 8))
    truth = images_of(run, header, FftRecipe())
    keep = (np.abs(lines_of(run).astype(int) - 32) < 12) | (lines_of(run) % 2 == 0)
    assert relative(images_of(run.select(keep), header, recipe), truth) < 0.2


def test_two_sets_of_sensitivities_may_be_asked_for() -> None:
    run, header, truth = head()
    found = images_of(at_random(run), header, L1WaveletRecipe(map_sets=2))
    assert relative(found, truth) < 0.15


def test_too_little_calibration_is_refused() -> None:
    run, header, _ = head()
    with pytest.raises(BadScan, match="calibration lines are too few"):
        images_of(run.select(lines_of(run) % 4 == 0), header, L1WaveletRecipe())


def _coils(n: int, n_coils: int) -> npt.NDArray[np.complex128]:
    """Loops around the image. Shape `(coil y x)`."""
    y, x = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    angles = 2 * np.pi * np.arange(n_coils) / n_coils
    away = (x + 1j * y) - 1.3 * np.exp(1j * angles)[:, None, None]
    return np.asarray(np.exp(1j * np.angle(away)) / (1 + np.abs(away) ** 2) ** 1.5)


def moving_scan(images: npt.NDArray[np.float64], *, noise: float = 0.002) -> tuple[Readouts, ScanHeader]:
    """Scan moving images `(frame y x)` with four coils at half their resolution: pixels never are those of the scan."""
    n_frames, n_fine, _ = images.shape
    n = n_fine // 2
    fine = np.fft.ifftshift(images[:, None] * _coils(n_fine, 4), axes=(-2, -1))
    kspace = np.fft.fftshift(np.fft.fft2(fine, norm="ortho"), axes=(-2, -1))
    first = n_fine // 2 - n // 2
    kspace = kspace[..., first : first + n, first : first + n]
    random = np.random.default_rng(2)
    size = noise * np.abs(kspace).max()
    kspace = kspace + size * random.standard_normal((*kspace.shape, 2)).view(np.complex128)[..., 0]
    (template,), header = head_phantom(PhantomScan(n_slices=1, n_coils=4, matrix=Zyx(z=1, y=n, x=n), seed=1))
    heads = np.tile(template.heads, n_frames)
    heads["idx"]["phase"] = np.repeat(np.arange(n_frames), n)
    heads["number_of_samples"], heads["center_sample"] = n, n // 2
    space = header.encodings[0].recon
    limits = {"kspace_encoding_step_1": Limit(minimum=0, maximum=n - 1, center=n // 2)}
    samples = kspace.transpose(0, 2, 1, 3).reshape(len(heads), 4, n).astype(np.complex64)
    run = Readouts(heads, samples, np.zeros((len(heads), n, 0), np.float32))
    return run, encoded(header, encoded=space, recon=space, limits=limits)


def every_frame_another_quarter(run: Readouts) -> Readouts:
    """Keep twelve lines in the middle of each frame, and others by chance, a third in all."""
    n = int(lines_of(run).max()) + 1
    n_frames = len(run) // n
    random = np.random.default_rng(9)
    keep = np.zeros((n_frames, n), np.bool_)
    keep[:, n // 2 - 6 : n // 2 + 6] = True
    for frame in keep:
        frame[random.choice(n, n // 5, replace=False)] = True
    return run.select(keep.ravel())


def beating(n: int = 96, n_frames: int = 12) -> npt.NDArray[np.float64]:
    """A ring whose radius beats inside a still body, from formulas. Shape `(frame y x)`."""
    y, x = np.meshgrid(np.arange(n) - n / 2, np.arange(n) - n / 2, indexing="ij")
    body = 0.6 / (1 + np.exp((np.hypot(x, 1.3 * y) - 0.4 * n) / 1.5))
    radius = 0.14 * n * (1 + 0.25 * np.sin(2 * np.pi * np.arange(n_frames) / n_frames))
    distance = np.hypot(x - 8, y + 5)
    rings = np.exp(-(((distance - radius[:, None, None]) / (0.03 * n)) ** 2))
    return np.asarray(body + rings)


@pytest.mark.parametrize("recipe", MOVING, ids=lambda recipe: recipe.method)
def test_a_beating_ring_is_seen_to_beat(recipe: Recipe) -> None:
    run, header = moving_scan(beating())
    truth = images_of(*moving_scan(beating(), noise=0.0), FftRecipe())
    some = every_frame_another_quarter(run)
    alone = relative(images_of(some, header, L1WaveletRecipe(noise_weight=0.0, steps=60)), truth)
    found = images_of(some, header, recipe)
    assert relative(found, truth) < min(0.1, 0.6 * alone)
    motion, true_motion = (each - each.mean(axis=0) for each in (found, truth))
    assert relative(motion, true_motion) < 0.35


@pytest.mark.parametrize("recipe", MOVING, ids=lambda recipe: recipe.method)
def test_a_real_heart_is_seen_to_beat(recipe: Recipe, shared_data: Path) -> None:
    cine = np.load(shared_data / "train" / "cine_magnitude_30x144x144.npy").astype(np.float64)
    run, header = moving_scan(cine / cine.max(), noise=0.0005)
    truth = images_of(run, header, FftRecipe())
    assert relative(images_of(every_frame_another_quarter(run), header, recipe), truth) < 0.15


def test_frames_that_share_no_line_are_refused() -> None:
    run, header = moving_scan(beating(n_frames=2))
    in_turn = lines_of(run) % 2 == run.heads["idx"]["phase"]
    with pytest.raises(BadScan):
        images_of(run.select(in_turn), header, SubspaceRecipe())


def test_no_total_variation_at_all_is_what_hardly_any_tends_to() -> None:
    run, header, _ = head()
    none, hardly = (images_of(at_random(run), header, TvRecipe(noise_weight=weight)) for weight in (0.0, 1e-4))
    assert relative(none, hardly) < 1e-3
