"""One scale and one window for a whole series; what is no image is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.dicom.kinds import KINDS
from gateway.dicom.pixels import StoredPixels, store_pixels
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


def window_of(stored: StoredPixels) -> tuple[float, float]:
    """The darkest and the brightest value that are told apart (PS3.3 C.11.2.1.2.1)."""
    half = (stored.window_width - 1) / 2
    return stored.window_center - 0.5 - half, stored.window_center - 0.5 + half


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 0.9])
@pytest.mark.parametrize("bias", [0.0, 0.8])
def test_the_window_shows_the_object_however_much_of_the_image_it_fills(share: float, bias: float) -> None:
    """An object of all brightnesses, darker towards one side as near a surface coil, in noisy air."""
    rng = np.random.default_rng(3)
    inside = np.zeros((64, 64), dtype=bool)
    side = round(64 * share**0.5)
    inside[:side, :side] = True
    fading = 1 - bias * np.linspace(0, 1, 64)
    brightness = rng.uniform(0.3, 1.0, inside.shape) * fading
    pixels = np.where(inside, brightness, np.abs(rng.normal(0, 0.01, inside.shape))).astype(np.float32)[None]
    stored = store_pixels(pixels, MAGNITUDE)
    dark, bright = window_of(stored)
    seen = stored.values[0][inside]
    assert np.mean((seen >= dark) & (seen <= bright)) > 0.98
    assert np.mean(seen) > dark + 0.15 * (bright - dark)


def test_one_bright_vessel_does_not_darken_everything() -> None:
    pixels = noise()
    pixels[0, 0, :5] = 50
    stored = store_pixels(pixels, MAGNITUDE)
    assert window_of(stored)[1] < 4095 / 45


def test_the_window_of_a_phase_is_the_whole_circle() -> None:
    pixels = noise()
    assert window_of(store_pixels(pixels, PHASE)) == (-3142, 3142)


@pytest.mark.parametrize("kind", [ImageKind.REAL, ImageKind.VELOCITY, ImageKind.FIELD])
def test_what_has_a_sign_is_shown_around_zero(kind: ImageKind) -> None:
    dark, bright = window_of(store_pixels((noise() - np.float32(0.3)) * 900, kind))
    assert dark == -bright


def test_the_zeros_around_a_map_do_not_widen_its_window() -> None:
    pixels = np.zeros((1, 32, 32), dtype=np.float32)
    pixels[0, 8:24, 8:24] = 1000 + noise()[0, :16, :16]
    dark, bright = window_of(store_pixels(pixels, ImageKind.T1))
    assert (round(dark), round(bright)) == (1000, 1001)


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


@pytest.mark.parametrize(
    ("kind", "largest", "stored_as", "slope"),
    [
        (PHASE, np.pi, 3142, 0.001),
        (PHASE, 40.0, 4000, 0.01),
        (ImageKind.T1, 3000.4, 3000, 1.0),
        (ImageKind.T1, 65_535.0, 65_535, 1.0),
        (ImageKind.T1, 70_000.0, 7000, 10.0),
        (ImageKind.G_FACTOR, 1.2344, 1234, 0.001),
        (ImageKind.G_FACTOR, 100.0, 10_000, 0.01),
        (ImageKind.SNR, 123.44, 1234, 0.1),
        (ImageKind.FAT_FRACTION, 33.33, 333, 0.1),
        (ImageKind.ADC, 2100.0, 2100, 1.0),
        (ImageKind.VELOCITY, 1500.0, 1500, 1.0),
        (ImageKind.FIELD, 440.0, 4400, 0.1),
    ],
)
def test_the_integers_of_a_quantity_are_its_values_in_a_decimal_unit(
    kind: ImageKind, largest: float, stored_as: int, slope: float
) -> None:
    pixels = np.array([[[0, largest]]], dtype=np.float32)
    stored = store_pixels(pixels, kind)
    assert stored.values[0, 0, 1] == stored_as
    assert stored.slope == pytest.approx(slope)


def test_a_map_whose_values_are_all_below_its_unit_still_has_a_window() -> None:
    stored = store_pixels(noise() / 10, ImageKind.T1)
    assert stored.window_width >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fits_its_bits(kind: ImageKind) -> None:
    row = KINDS[kind]
    pixels = noise() * 1e6 - (5e5 if row.signed else 0)
    stored = store_pixels(pixels.astype(np.float32), kind)
    assert stored.signed == row.signed
    assert int(stored.values.max()) < 2 ** (stored.bits_stored - row.signed)
    np.testing.assert_allclose(stored.values * stored.slope, pixels, atol=0.51 * stored.slope)


def test_complex_pixels_are_refused() -> None:
    with pytest.raises(ImageRefused, match="complex"):
        store_pixels(noise().astype(np.complex64), MAGNITUDE)


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
