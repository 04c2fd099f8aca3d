"""An earlier scan says where edges may be: it helps where it lies on the image, and adds nothing of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from gateway.model.image import Frame, ImageSeries
from gateway.model.recipes import GuidedTvRecipe, L1WaveletRecipe, TvRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.guide import Guide, ReadyGuide, edge_directions, misguided
from gateway.recon.methods.guided_tv import directional
from gateway.recon.methods.tv import total_variation
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.regrid import Lattice, stack_of
from gateway.recon.scan import Scan
from tests.recon.exam import AFTER, BEFORE, LESION, N, fast, guide_from, images_of, relative, turned, whole

RECIPE = GuidedTvRecipe()
CPU = torch.device("cpu")


def guided(guide: Guide, scan: PhantomScan = AFTER) -> ImageSeries:
    ready = ReadyGuide(recipe=RECIPE, guide=guide)
    (series,) = reconstruct(*fast(scan), ready, device="cpu", progress=lambda *_: None)
    return series


@cache
def without() -> float:
    """The smaller error of the two methods that know no other scan, on the same lines."""
    recipes = (L1WaveletRecipe(), TvRecipe(noise_weight=RECIPE.noise_weight))
    return min(relative(images_of(*fast(AFTER), recipe), whole(AFTER)) for recipe in recipes)


def test_another_contrast_of_the_same_head_helps() -> None:
    series = guided(guide_from(BEFORE))
    assert relative(series.pixels, whole(AFTER)) < 0.6 * without()
    assert series.guided_by == "blake3:t1"
    assert "'t1'" in series.notes[0]


@pytest.mark.parametrize(
    "scan",
    [
        replace(BEFORE, fov_mm=256.0, matrix=Zyx(z=1, y=128, x=120)),
        turned(BEFORE, turn_deg=3.0, x_mm=4.0, y_mm=-5.0),
    ],
    ids=["another field of view", "moved in between"],
)
def test_a_guide_on_another_grid_or_moved_helps_too(scan: PhantomScan) -> None:
    assert relative(guided(guide_from(scan)).pixels, whole(AFTER)) < 0.8 * without()


def test_a_guide_whose_field_of_view_was_turned_about_the_patient_helps_too() -> None:
    """Anatomy turns with the axes of the phantom, so it is turned back: in the patient it stays."""
    guide = guide_from(turned(BEFORE, turn_deg=-30.0, x_mm=0.0, y_mm=0.0))
    (frame,) = guide.images.frames
    read, phase = np.array(frame.read_dir), np.array(frame.phase_dir)
    cos, sin = np.cos(np.radians(30)), np.sin(np.radians(30))
    there = replace(
        frame, read_dir=tuple((cos * read + sin * phase).tolist()), phase_dir=tuple((cos * phase - sin * read).tolist())
    )
    series = guided(replace(guide, images=replace(guide.images, frames=(there,))))
    assert relative(series.pixels, whole(AFTER)) < 0.8 * without()
    assert "It was moved by up to 0.0 mm and 0.0 degrees in the plane to fit." in series.notes


def test_an_oblique_stack_is_read_off_where_the_other_scan_lies() -> None:
    """Of a smooth formula in the patient: what is read off is the formula there, wherever pixels lie."""
    oblique, lattice = _turned_about(20.0, -10.0), _turned_about(-5.0, 8.0)
    places_mm = np.arange(40) * 2.0 - 39.0
    centre = np.array([4.0, -3.0, 10.0])
    frames = tuple(
        Frame(position_mm=tuple((centre + at * oblique[2]).tolist()), **_directions(oblique)) for at in places_mm
    )
    y, x = np.meshgrid((np.arange(90) - 45) * 1.5, (np.arange(100) - 50) * 1.4, indexing="ij")
    plane = x[..., None] * oblique[0] + y[..., None] * oblique[1]
    pixels = np.stack([_formula(centre + plane + at * oblique[2]) for at in places_mm]).astype(np.float32)
    images = ImageSeries(pixels=pixels[::-1], frames=frames[::-1], spacing_mm=Zyx(z=2.0, y=1.5, x=1.4))
    there = Lattice(
        centre=torch.tensor([0.0, 2.0, 7.0]),
        axes=torch.tensor(lattice, dtype=torch.float32),
        step_mm=Zyx(z=2.0, y=1.3, x=1.7),
        matrix=Zyx(z=3, y=60, x=50),
    )
    values, inside = stack_of(images, CPU).over(there)
    assert inside.float().mean() > 0.8
    truth = _formula(there.points().numpy().astype(np.float64))
    found = inside.numpy()
    assert np.abs(values.numpy() - truth)[found].max() < 0.02


def _turned_about(x_deg: float, z_deg: float) -> np.ndarray:
    """Axes of a scan, in the patient. Shape `(axis xyz)`."""
    (cx, sx), (cz, sz) = ((np.cos(turn), np.sin(turn)) for turn in np.radians([x_deg, z_deg]))
    tilt = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    return np.asarray(tilt @ np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]]))


def _directions(axes: np.ndarray) -> dict[str, Any]:
    names = ("read_dir", "phase_dir", "slice_dir")
    return {name: tuple(axis.tolist()) for name, axis in zip(names, axes, strict=True)}


def _formula(points: np.ndarray) -> np.ndarray:
    """Blobs of different size. From `(... xyz)`."""
    blobs = ((1.0, (10, 5, 12), 14.0), (-0.7, (-15, 0, 5), 10.0), (0.5, (5, -20, 14), 12.0))
    return np.asarray(
        1 + sum(size * np.exp(-((points - np.array(at)) ** 2).sum(-1) / 2 / width**2) for size, at, width in blobs)
    )


def test_a_lesion_that_only_the_guide_has_does_not_come_into_the_image() -> None:
    clean, planted = (
        guided(guide_from(replace(BEFORE, anatomy=anatomy))).pixels[0]
        for anatomy in (BEFORE.anatomy, (*BEFORE.anatomy, LESION))
    )
    assert _contrast(planted) - _contrast(clean) == pytest.approx(0, abs=0.08 * LESION.adds)


def test_a_lesion_that_the_guide_lacks_stays_in_the_image() -> None:
    """As much of it as without a guide."""
    scan, alone = replace(AFTER, anatomy=(*AFTER.anatomy, LESION)), TvRecipe(noise_weight=RECIPE.noise_weight)
    seen = _contrast(guided(guide_from(BEFORE), scan).pixels[0]) - _contrast(guided(guide_from(BEFORE)).pixels[0])
    usual, without_it = (_contrast(images_of(*fast(one), alone)[0]) for one in (scan, AFTER))
    assert seen > 0.9 * (usual - without_it) > 0.05


def _contrast(image: np.ndarray) -> float:
    """Mean over the place of the lesion, less that of a ring around it."""
    step = AFTER.fov_mm / N
    y, x = np.meshgrid(*[(np.arange(N) - N // 2) * step] * 2, indexing="ij")
    away = np.hypot(x - LESION.center_mm[0], y - LESION.center_mm[1])
    return float(image[away < 5].mean() - image[(away > 9) & (away < 14)].mean())


def test_a_guide_that_does_not_lie_on_the_image_is_left_out() -> None:
    """Whoever has moved too far to be followed, or is somebody else for all that the header says."""
    series = guided(guide_from(turned(BEFORE, turn_deg=60.0, x_mm=20.0, y_mm=15.0)))
    alone = TvRecipe(noise_weight=RECIPE.noise_weight)
    np.testing.assert_allclose(series.pixels, images_of(*fast(AFTER), alone), atol=1e-4)
    assert "1 of 1 slices are without it: edges of the guide do not lie on those of the image." in series.notes


def test_the_brightness_of_a_guide_does_not_matter() -> None:
    guide = guide_from(BEFORE)
    bright = replace(guide, images=replace(guide.images, pixels=1e5 * guide.images.pixels))
    np.testing.assert_allclose(guided(bright).pixels, guided(guide).pixels, atol=2e-3)


@pytest.mark.parametrize(
    ("scan", "why"),
    [
        (replace(BEFORE, center_mm=(3.0, -12.0, 300.0)), "does not reach there"),
        (replace(BEFORE, tilt_deg=75.0, n_slices=30, thickness_mm=12.0), "mm wide in the plane"),
    ],
)
def test_a_guide_that_does_not_fit_leaves_the_work_to_the_fallback(scan: PhantomScan, why: str) -> None:
    acquisition, header = head_phantom(AFTER)
    ready = ReadyGuide(recipe=RECIPE, guide=guide_from(scan))
    (series,) = reconstruct(acquisition, header, ready, device="cpu", progress=lambda *_: None)
    assert series.guided_by == ""
    assert why in series.notes[0]
    assert series.notes[0].startswith("No other scan guided the reconstruction")


def test_without_a_guide_the_reason_is_told() -> None:
    acquisition, header = head_phantom(AFTER)
    ready = ReadyGuide(recipe=RECIPE, guide=None, lacking="nobody named one")
    assert misguided(Scan(acquisition=acquisition, header=header), ready) == ["nobody named one"]


def test_the_penalty_has_its_adjoint_and_its_bound() -> None:
    random = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, 8, 1, 9, dtype=torch.complex64, generator=random)
    guide = torch.rand(8, 1, 9, generator=random)
    directions = edge_directions(guide, torch.ones_like(guide, dtype=torch.bool), edge=0.03)
    penalty = directional(total_variation(image, 1.0), image, directions)
    there = penalty.operator.apply(image)
    force = torch.randn(there.shape, dtype=torch.complex64, generator=random)
    left, right = (
        torch.vdot(there.flatten(), force.flatten()),
        torch.vdot(image.flatten(), penalty.operator.adjoint(force).flatten()),
    )
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)
    assert there.norm() ** 2 <= penalty.norm_squared * image.norm() ** 2
