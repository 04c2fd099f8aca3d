"""The image of the synthetic head is the head: at its place, the right way round, at its scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.phantom import MARKER, PhantomScan, anatomy_at, head_phantom, sensitivities_at
from tests.recon.scans import fft

Floats = npt.NDArray[np.float64]
SCAN = PhantomScan(n_slices=3, n_coils=4, matrix=Zyx(z=1, y=128, x=128), noise=0.0, seed=1)
ODD = PhantomScan(n_slices=1, n_coils=2, matrix=Zyx(z=1, y=95, x=63), noise=0.0, seed=1)


def _points_mm(scan: PhantomScan) -> tuple[Floats, Floats]:
    """Give x and y of the pixel centres in the plane of a slice; the centre of the field of view is pixel n // 2."""
    ny, nx = scan.matrix.y, scan.matrix.x
    x = (np.arange(nx) - nx // 2) * scan.fov_mm / nx
    y = (np.arange(ny) - ny // 2) * scan.fov_mm / ny
    return x[None, :], y[:, None]


@pytest.mark.parametrize("scan", [SCAN, ODD], ids=["even", "odd"])
def test_the_image_agrees_with_the_truth(scan: PhantomScan) -> None:
    acquisition, header = head_phantom(scan)
    x, y = (np.broadcast_to(axis, scan.matrix.as_tuple()[1:]) for axis in _points_mm(scan))
    coils = np.sqrt((np.abs(sensitivities_at(scan, x, y)) ** 2).sum(axis=0))
    for number, image in enumerate(fft(acquisition, header).pixels):
        truth = anatomy_at(scan, number, x, y) * coils
        inner = (np.hypot(x, y) < 55) & (_edges(truth) < 0.02)
        np.testing.assert_allclose(image[inner], truth[inner], atol=0.06)
        assert np.abs(image - truth)[inner].mean() < 0.012


def _edges(image: Floats) -> Floats:
    """Mark where a pixel or a neighbour stands at an edge, so that Gibbs ringing and partial volume are left out."""
    steps: list[Callable[[Floats], Floats]] = [
        lambda a, n=n, axis=axis: np.abs(a - np.roll(a, n, axis))  # type: ignore[misc]
        for n in (-3, -2, -1, 1, 2, 3)
        for axis in (0, 1)
    ]
    return np.max([step(image) for step in steps], axis=0)  # type: ignore[no-any-return]


def test_the_marker_lies_within_a_tenth_of_a_pixel() -> None:
    alone = PhantomScan(n_slices=1, n_coils=1, matrix=Zyx(z=1, y=128, x=128), noise=0.0, seed=1, anatomy=(MARKER,))
    acquisition, header = head_phantom(alone)
    x, y = _points_mm(alone)
    sensitivity = np.abs(sensitivities_at(alone, *np.broadcast_arrays(x, y))[0])
    image = fft(acquisition, header).pixels[0] / sensitivity
    near = np.hypot(x - MARKER.center_mm[0], y - MARKER.center_mm[1]) < 14
    weight = np.where(near, image, 0.0)
    centroid = np.array([(weight * axis).sum() for axis in (x, y)]) / weight.sum()
    pixel = alone.fov_mm / 128
    np.testing.assert_allclose(centroid / pixel, np.asarray(MARKER.center_mm[:2]) / pixel, atol=0.1)


def test_a_slice_lies_where_the_patient_was_scanned() -> None:
    acquisition, header = head_phantom(SCAN)
    series = fft(acquisition, header)
    for number, frame in enumerate(series.frames):
        expected = np.asarray(SCAN.center_mm) + SCAN.slice_offset_mm(number) * SCAN.axes()[2]
        np.testing.assert_allclose(frame.position_mm, expected, atol=1e-4)
        np.testing.assert_allclose((frame.read_dir, frame.phase_dir, frame.slice_dir), SCAN.axes(), atol=1e-6)
    assert series.spacing_mm.as_tuple() == (5.0, 230 / 128, 230 / 128)


def test_the_noise_of_the_scan_is_that_of_the_pixel() -> None:
    quiet = PhantomScan(n_slices=1, n_coils=1, matrix=Zyx(z=1, y=64, x=64), noise=1.0, seed=3, anatomy=())
    image = fft(*head_phantom(quiet)).pixels
    assert np.sqrt((image**2).mean() / 2) == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("name", ["brain_16ch_full", "brain_4ch_full", "siemens_gre_acr_oblique"])
def test_a_real_scan_comes_out_in_the_middle_and_not_wrapped(shared_data: Path, name: str) -> None:
    scan = read_scan(shared_data / "mrd" / f"{name}.h5")
    series = fft(scan.acquisition, parse_header(scan.header_xml))
    image = series.pixels[len(series.pixels) // 2]
    ny, nx = image.shape
    assert image[ny // 4 : -ny // 4, nx // 4 : -nx // 4].mean() > 2 * image[: ny // 16].mean()
    assert image[ny // 4 : -ny // 4, nx // 4 : -nx // 4].mean() > 2 * image[:, : nx // 16].mean()
