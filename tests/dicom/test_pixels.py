"""One scale and one window for a whole series; what is no image is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.dicom.pixels import store_pixels
from gateway.model.errors import ImageRefused
from gateway.model.image import ImageKind
from tests.dicom import scans

MAGNITUDE, PHASE = ImageKind.MAGNITUDE, ImageKind.PHASE


def noise(seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).random((5, 32, 40), dtype=np.float32)


@pytest.mark.parametrize("gain", [2.0**-120, 2.0**-20, 1.0, 2.0**20, 2.0**120])
def test_the_largest_value_fills_twelve_bits_whatever_the_gain(gain: float) -> None:
    pixels = noise() * np.float32(gain)
    stored = store_pixels(pixels, MAGNITUDE)
    assert stored.values.dtype == np.uint16
    assert not stored.signed
    assert stored.bits_stored == 12
    assert stored.values.max() == 4095
    np.testing.assert_array_equal(stored.values, store_pixels(noise(), MAGNITUDE).values)


def test_slices_share_one_scale() -> None:
    pixels = noise()
    pixels[2] *= 0.1
    stored = store_pixels(pixels, MAGNITUDE).values.astype(np.float64)
    np.testing.assert_allclose(stored / 4095 * pixels.max(), pixels, atol=0.51 * pixels.max() / 4095)


def test_phase_is_signed_milliradian() -> None:
    pixels = np.array([[[-np.pi, 0.0, 1.5], [np.pi, -0.0004, 0.0006]]], dtype=np.float32)
    stored = store_pixels(pixels, PHASE)
    assert stored.signed
    assert stored.values.tolist() == [[[-3142, 0, 1500], [3142, 0, 1]]]
    assert stored.bits_stored == 16


def test_the_window_shows_the_percentiles_of_the_series() -> None:
    stored = store_pixels(noise(), MAGNITUDE)
    darkest = stored.window_center - 0.5 - (stored.window_width - 1) / 2
    brightest = stored.window_center - 0.5 + (stored.window_width - 1) / 2
    assert np.mean(stored.values < darkest) == pytest.approx(0.01, abs=0.002)
    assert np.mean(stored.values > brightest) == pytest.approx(0.005, abs=0.002)


def test_the_window_of_a_single_bright_pixel_is_still_legal() -> None:
    pixels = np.zeros((1, 64, 64), dtype=np.float32)
    pixels[0, 3, 4] = 1
    assert store_pixels(pixels, MAGNITUDE).window_width >= 1


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [MAGNITUDE, PHASE])
def test_pixels_that_are_no_numbers_are_refused(poison: float, kind: ImageKind) -> None:
    pixels = noise()
    pixels[1, 2, 3] = poison
    with pytest.raises(ImageRefused, match="1 of 6400 pixels"):
        store_pixels(pixels, kind)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_an_image_of_nothing_is_refused(value: float) -> None:
    with pytest.raises(ImageRefused, match="same value"):
        store_pixels(np.full((1, 4, 4), value, dtype=np.float32), MAGNITUDE)


def test_an_empty_series_is_refused() -> None:
    with pytest.raises(ImageRefused):
        store_pixels(np.empty((0, 4, 4), dtype=np.float32), MAGNITUDE)


def test_a_negative_magnitude_is_refused() -> None:
    with pytest.raises(ImageRefused, match="negative"):
        store_pixels(noise() - np.float32(0.01), MAGNITUDE)


def test_a_phase_beyond_sixteen_bits_is_refused() -> None:
    with pytest.raises(ImageRefused, match="rad"):
        store_pixels(noise() * np.float32(40), PHASE)


def test_parts_of_complex_images_keep_their_sign_and_their_ratio() -> None:
    stored = store_pixels(np.array([[[-2.0, 1.0, 0.5]]], np.float32), ImageKind.REAL)
    assert stored.signed
    np.testing.assert_allclose(stored.values / stored.values[0, 0, 1], [[[-2.0, 1.0, 0.5]]], rtol=1e-4)


def test_complex_pixels_are_stored_by_their_parts_or_not_at_all() -> None:
    images = scans.images()
    whole = replace(images, pixels=images.pixels * np.complex64(1 + 2j), kind=ImageKind.COMPLEX)
    with pytest.raises(ImageRefused, match="no complex pixels"):
        store_pixels(whole.pixels, whole.kind)
    real, imaginary = whole.parts()
    assert (real.kind, imaginary.kind) == (ImageKind.REAL, ImageKind.IMAGINARY)
    np.testing.assert_array_equal(real.pixels + 1j * imaginary.pixels, whole.pixels)


def test_a_map_of_the_noise_may_be_the_same_everywhere() -> None:
    assert (store_pixels(np.full((1, 4, 4), 0.3, np.float32), ImageKind.NOISE).values > 0).all()
