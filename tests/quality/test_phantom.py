"""Phantoms with known lengths, shading, ghosts and noise are measured as what they are."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.errors import BadScan
from gateway.model.image import Frame, ImageSeries
from gateway.model.trend import Phantom
from gateway.model.zyx import Zyx
from gateway.quality.phantom import find_disc, integral_uniformity, measure_phantom

N, SPACING = 256, Zyx(z=5.0, y=1.0, x=1.0)
Image = npt.NDArray[np.float64]


TURNS = np.pi * (np.arange(1200) + 0.5) / 1200


def j1(x: Image) -> Image:
    """Bessel function of the first kind and order, by Bessel's own integral, from a fine table."""
    table = np.linspace(0, float(x.max()), 8000)
    values = [np.cos(TURNS - some[:, None] * np.sin(TURNS)).mean(axis=1) for some in np.array_split(table, 8)]
    return np.asarray(np.interp(x, table, np.concatenate(values)))


@cache
def disc(radius_mm: float = 95.0, *, at: tuple[float, float] = (0.0, 0.0), brightness: float = 1.0) -> Image:
    """Image of a disc from its analytic Fourier transform, with all of its ringing. Shape `(y x)`."""
    k = np.arange(-N // 2, N // 2) / N
    ky, kx = np.meshgrid(k, k, indexing="ij")
    size = np.hypot(ky, kx)
    spectrum = np.where(size > 0, radius_mm * j1(2 * np.pi * radius_mm * size) / np.where(size > 0, size, 1), 0)
    spectrum[N // 2, N // 2] = np.pi * radius_mm**2
    spectrum = spectrum * np.exp(-2j * np.pi * (ky * at[0] + kx * at[1]))
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum)))
    return np.asarray(brightness * np.abs(image))


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, (2, *image.shape))
    return np.asarray(np.hypot(image + noise[0], noise[1]))


def series(*images: Image) -> ImageSeries:
    """Repetitions of one slice."""
    at = {"position_mm": (0.0, 0.0, 0.0), "read_dir": (1.0, 0.0, 0.0), "phase_dir": (0.0, 1.0, 0.0)}
    frames = tuple(Frame(**at, slice_dir=(0.0, 0.0, 1.0), repetition=n) for n in range(len(images)))  # type: ignore[arg-type]
    return ImageSeries(pixels=np.stack(images).astype(np.float32), frames=frames, spacing_mm=SPACING)


def measured(*images: Image) -> dict[str, float]:
    return measure_phantom(series(*images), Phantom.ACR)


@pytest.mark.parametrize("radius_mm", [70.0, 95.0, 97.3])
@pytest.mark.parametrize("at", [(0.0, 0.0), (4.3, -6.1)])
def test_lengths_are_right_to_a_quarter_of_a_millimetre(radius_mm: float, at: tuple[float, float]) -> None:
    found = find_disc(noisy(disc(radius_mm, at=at), 0.01), SPACING)
    assert found.lengths_mm == pytest.approx((2 * radius_mm,) * 4, abs=0.5)
    assert (found.y - N / 2, found.x - N / 2) == pytest.approx(at, abs=0.25)


def test_pixels_need_not_be_square() -> None:
    found = find_disc(disc()[::2], Zyx(z=5.0, y=2.0, x=1.0))
    assert found.lengths_mm == pytest.approx((190.0,) * 4, abs=1.0)


def test_a_phantom_that_is_stretched_is_not_round() -> None:
    image = series(disc())
    wide = ImageSeries(pixels=image.pixels, frames=image.frames, spacing_mm=Zyx(z=5.0, y=1.0, x=1.03))
    found = measure_phantom(wide, Phantom.ACR)
    assert found["width"] - found["height"] == pytest.approx(5.7, abs=0.5)
    assert found["roundness"] > 5


@pytest.mark.parametrize("slope", [0.1, 0.3])
def test_uniformity_is_that_of_the_shading(slope: float) -> None:
    """Brightness that falls linearly: the darkest and the brightest centimetre lie at the ends of the region."""
    x = (np.arange(N) - N // 2) / 95.0
    image = disc() * (1 + slope * x)[None, :]
    small = (100 / np.pi) ** 0.5
    reach = (0.7**0.5 * 95 - small) / 95
    assert measured(image)["uniformity"] == pytest.approx(100 * (1 - slope * reach), abs=1.5)


@pytest.mark.parametrize("ghost", [0.01, 0.05])
def test_ghosts_are_measured_in_the_air_along_phase_encoding(ghost: float) -> None:
    body = disc(75)
    image = body + ghost * np.roll(body, N // 2, axis=0)
    assert measured(image)["ghosting-ratio"] == pytest.approx(ghost, rel=0.15)
    assert measured(image.T)["ghosting-ratio"] == pytest.approx(ghost, rel=0.15)
    assert measured(body)["ghosting-ratio"] < 0.002


@pytest.mark.parametrize("snr", [20.0, 100.0])
def test_the_noise_is_found_in_the_background_and_in_the_difference_of_two_scans(snr: float) -> None:
    smooth = np.where(disc() > 0.5, 1.0, 0.0)  # ringing is no noise
    one, other = noisy(smooth, 1 / snr, 1), noisy(smooth, 1 / snr, 2)
    assert measured(one)["snr"] == pytest.approx(snr, rel=0.05)
    assert measured(one, other)["snr"] == pytest.approx(snr, rel=0.05)


def test_without_air_ghosts_are_left_out() -> None:
    image = series(disc(95)[28:-28, 28:-28])
    assert "ghosting-ratio" not in measure_phantom(image, Phantom.ACR)


def test_where_nothing_is_there_it_says_so() -> None:
    with pytest.raises(BadScan, match="no phantom"):
        measure_phantom(series(noisy(np.zeros((N, N)), 1.0) * 0), Phantom.ACR)


def test_a_head_is_no_phantom() -> None:
    wide = ImageSeries(pixels=series(disc()).pixels, frames=series(disc()).frames, spacing_mm=Zyx(z=5.0, y=1.3, x=1.0))
    with pytest.raises(BadScan, match="not round"):
        measure_phantom(wide, Phantom.UNIFORM)


def test_bubbles_and_inserts_do_not_move_the_edge_and_uniformity_is_left_out_beside_them() -> None:
    """As the first slice of the ACR's phantom: water is cut off at its top, and plastic stands in the middle."""
    image = disc().copy()
    image[: N // 2 - 80] = 0
    image[N // 2 + 10 : N // 2 + 50, N // 2 - 55 : N // 2 + 55] = 0
    found = measured(image)
    assert [found["width"], found["height"]] == pytest.approx([190, 190], abs=0.7)
    assert "uniformity" not in found


def test_uniformity_of_what_is_the_same_everywhere_is_a_hundred() -> None:
    flat = np.where(disc() > 0.5, 1.0, 0.0)
    assert integral_uniformity(flat, find_disc(flat, SPACING), SPACING) == pytest.approx(100, abs=0.01)
