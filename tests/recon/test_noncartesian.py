"""The head and a real phantom, scanned along spokes and spirals, come out as they are and where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Readouts
from gateway.model.recipes import CgNufftRecipe, NufftRecipe, Recipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import head_phantom
from tests.recon.scans import encoded, fft
from tests.recon.scattered import FEW_SPOKES, HEAD, SPIRAL, SPOKES, N, scattered_head, truth
from tests.recon.trajectories import golden


def image_of(run: Readouts, header: ScanHeader, recipe: Recipe) -> ImageSeries:
    (series,) = reconstruct((run,), header, recipe, device="cpu", progress=lambda *_: None)
    return series


def error_of(pixels: npt.NDArray[np.float32]) -> float:
    """Compare flat regions with the truth, so that neither Gibbs ringing nor partial volume counts."""
    images, flat = truth()
    return float(np.linalg.norm((pixels - images)[flat]) / np.linalg.norm(images[flat]))


@pytest.mark.parametrize("recipe", [NufftRecipe(), CgNufftRecipe()], ids=["nufft", "cg-nufft"])
@pytest.mark.parametrize("points", [SPOKES, SPIRAL], ids=["radial", "spiral"])
def test_the_head_comes_out_at_its_scale(points: Tensor, recipe: Recipe) -> None:
    assert error_of(image_of(*scattered_head(points), recipe).pixels) < 0.04


def test_iterations_undo_what_too_few_spokes_do() -> None:
    whole = image_of(*scattered_head(SPOKES), CgNufftRecipe()).pixels
    run, header = scattered_head(FEW_SPOKES)
    once, iterated = (image_of(run, header, recipe).pixels for recipe in (NufftRecipe(), CgNufftRecipe()))
    assert np.linalg.norm(iterated - whole) < 0.6 * np.linalg.norm(once - whole)


def test_it_lies_where_the_cartesian_image_lies() -> None:
    radial = image_of(*scattered_head(SPOKES), NufftRecipe())
    acquisition, header = head_phantom(HEAD)
    cartesian = fft(acquisition, header)
    for one, other in zip(radial.frames, cartesian.frames, strict=True):
        assert one.position_mm == pytest.approx(other.position_mm, abs=1e-3)
        assert (one.read_dir, one.phase_dir, one.slice_dir) == (other.read_dir, other.phase_dir, other.slice_dir)
    assert radial.spacing_mm == cartesian.spacing_mm
    _, flat = truth()
    difference = (radial.pixels - cartesian.pixels)[flat]
    assert np.linalg.norm(difference) < 0.05 * np.linalg.norm(cartesian.pixels[flat])


def test_the_order_of_coils_and_a_scale_make_no_difference_but_the_scale() -> None:
    run, header = scattered_head(SPOKES)
    turned = Readouts(run.heads, -2j * run.samples[:, ::-1].astype(np.complex64), run.trajectory)
    for recipe in (NufftRecipe(), CgNufftRecipe()):
        expected = 2 * image_of(run, header, recipe).pixels
        np.testing.assert_allclose(image_of(turned, header, recipe).pixels, expected, rtol=2e-3, atol=2e-4)


def test_finer_pixels_show_the_same() -> None:
    run, header = scattered_head(SPOKES)
    finer = encoded(header, recon=replace(header.encodings[0].recon, matrix=Zyx(z=1, y=2 * N, x=2 * N)))
    fine, coarse = (image_of(run, each, NufftRecipe()).pixels for each in (finer, header))
    assert fine.shape[1:] == (2 * N, 2 * N)
    # Four times as many pixels share the energy of an orthonormal transform.
    np.testing.assert_allclose(2 * fine[:, ::2, ::2], coarse, atol=0.06)


def test_a_sphere_measured_in_three_dimensions_is_round() -> None:
    """The transform of a ball of radius r is known: ``(sin q - q cos q) / q^3`` with ``q = 2 pi k r``."""
    n, radius = 16, 5.0
    random = torch.Generator().manual_seed(3)
    points = (torch.rand((6000, 3), dtype=torch.float64, generator=random) - 0.5) * n
    q = 2 * torch.pi * points.norm(dim=1).clamp_min(1e-6) * radius / n
    signal = (4 * torch.pi * radius**3 * (torch.sin(q) - q * torch.cos(q)) / q**3 / n**1.5).numpy()
    template, header = scattered_head(SPOKES[:1])
    heads = np.tile(template.heads[:1], 60)
    heads["number_of_samples"], heads["active_channels"] = 100, 1
    heads["idx"]["kspace_encode_step_1"] = np.arange(60)
    run = Readouts(
        heads,
        signal.reshape(60, 1, 100).astype(np.complex64),
        points.flip(-1).reshape(60, 100, 3).numpy().astype(np.float32),
    )
    space = replace(header.encodings[0].recon, matrix=Zyx(z=n, y=n, x=n), fov_mm=Zyx(z=16.0, y=16.0, x=16.0))
    series = image_of(run, encoded(header, encoded=space, recon=space, limits={}), CgNufftRecipe(steps=30))
    axis = np.arange(n) - n // 2
    distance = np.sqrt(sum(each.astype(float) ** 2 for each in np.meshgrid(axis, axis, axis)))
    assert series.pixels.shape == (n, n, n)
    assert series.pixels[distance < radius - 1.5].mean() == pytest.approx(1, abs=0.1)
    assert series.pixels[distance > radius + 2].mean() < 0.1


def test_the_spiral_of_a_real_phantom_is_sharp_and_its_background_dark(shared_data: Path) -> None:
    session = read_scan(shared_data / "mrd" / "spiral_phantom_8ch.h5")
    header = parse_header(session.header_xml)
    for recipe in (NufftRecipe(), CgNufftRecipe()):
        (series,) = reconstruct(session.acquisition, header, recipe, device="cpu", progress=lambda *_: None)
        image = series.pixels[0].astype(np.float64)
        # The ball on the right is round: its rim is as far from its centre in every direction.
        ball = _component(image > 0.4 * np.percentile(image, 99.5), (80, 215))
        y, x = np.nonzero(ball)
        extent = [np.ptp(y), np.ptp(x), np.ptp((x + y) / 2**0.5), np.ptp((x - y) / 2**0.5)]
        assert max(extent) - min(extent) < 4
        assert np.percentile(image[200:240, 5:60], 90) < 0.1 * np.percentile(image, 99.5)


def _component(inside: npt.NDArray[np.bool_], seed: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Grow from a seed inside a mask."""
    grown = np.zeros_like(inside)
    grown[seed] = True
    while True:
        wider = grown.copy()
        for axis in (0, 1):
            for step in (-1, 1):
                wider |= np.roll(grown, step, axis)
        wider &= inside
        if (wider == grown).all():
            return grown
        grown = wider


@pytest.mark.parametrize("recipe", [NufftRecipe(spokes_per_frame=34), CgNufftRecipe(spokes_per_frame=34)])
def test_golden_angle_spokes_are_frames_in_the_order_of_time(recipe: Recipe) -> None:
    """A hundred spokes are two frames of 34, or three with 32 more; what is left over makes none."""
    points = golden(N, 100)
    run, header = scattered_head(points)
    slice_of, number = run.heads["idx"]["slice"], np.arange(len(run)) % 100
    made = image_of(run, header, recipe)
    assert [(frame.repetition, frame.slice) for frame in made.frames] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for frame, first in ((0, 0), (1, 34)):
        alone = run.select((number >= first) & (number < first + 34))
        expected = image_of(alone, header, recipe.model_copy(update={"spokes_per_frame": None}))
        np.testing.assert_allclose(made.pixels[2 * frame : 2 * frame + 2], expected.pixels, rtol=1e-4, atol=1e-4)
    assert slice_of.max() == 1
    assert "Frames of 34 readouts, in the order of time." in made.notes


def test_fewer_readouts_than_a_frame_needs_are_refused() -> None:
    with pytest.raises(BadScan, match="30 readouts are fewer than the 31 of a frame"):
        image_of(*scattered_head(FEW_SPOKES), NufftRecipe(spokes_per_frame=31))
