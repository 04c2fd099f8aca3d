"""Images that nobody measured: dead leaves in the outline of a head, folds, a skull; all from one generator.

Dead leaves have the edges and the scaling of natural images (Lee 2001, doi:10.1023/A:1011109015675), and networks that
learn from them work on real ones (Achddou 2021, arXiv:2010.12874). Nothing here is anatomy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Random = np.random.Generator
Floats = npt.NDArray[np.float32]

SMALLEST, LARGEST = 1.5, 0.25
"""Radius of leaves: in pixels, and relative to the width."""

WIDEST = 2.5
"""Standard deviation of the strongest blur, in pixels of the fine grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """An ellipse, or something squarer."""

    y: float
    x: float
    half_y: float
    half_x: float
    angle: float = 0.0
    power: float = 2.0

    def scaled(self, by: float) -> Outline:
        """Give a smaller one with the same centre."""
        return Outline(
            y=self.y,
            x=self.x,
            half_y=self.half_y * by,
            half_x=self.half_x * by,
            angle=self.angle,
            power=self.power,
        )

    def paint(self, image: Floats, value: Floats | float) -> None:
        """Cover what is inside, with an edge of one pixel."""
        reach = math.ceil(max(self.half_y, self.half_x)) + 1
        rows = slice(max(0, int(self.y) - reach), max(0, min(image.shape[0], int(self.y) + reach + 1)))
        columns = slice(max(0, int(self.x) - reach), max(0, min(image.shape[1], int(self.x) + reach + 1)))
        dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(self.y)
        dx = np.arange(columns.start, columns.stop, dtype=np.float32)[None] - np.float32(self.x)
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        u = np.abs((cosine * dx + sine * dy) / self.half_x)
        v = np.abs((cosine * dy - sine * dx) / self.half_y)
        away = np.sqrt(u * u + v * v) if self.power == 2 else (u**self.power + v**self.power) ** (1 / self.power)  # noqa: PLR2004 - a circle is cheap
        inside = np.clip((1 - away) * min(self.half_x, self.half_y) + 0.5, 0, 1)
        covered = image[rows, columns]
        cover = value if isinstance(value, float) else value[rows, columns]
        covered += inside * (cover - covered)


def head(n_y: int, n_x: int, random: Random) -> Floats:
    """Draw one image. Shape `(y x)`; bright parts are about 1."""
    outline = Outline(
        y=n_y / 2 + random.normal(0, 0.03 * n_y),
        x=n_x / 2 + random.normal(0, 0.03 * n_x),
        half_y=n_y * random.uniform(0.30, 0.48),
        half_x=n_x * random.uniform(0.28, 0.47),
        angle=random.normal(0, 0.1),
    )
    levels = random.uniform(0, 1, int(random.integers(3, 12)))
    image = np.full((n_y, n_x), random.choice(levels), np.float32)
    _leaves(image, outline, levels, random)
    for _ in range(int(random.integers(0, 3))):
        _fold(image, outline, levels, random)
    np.clip(image, 0, None, out=image)
    if random.random() < 0.4:  # noqa: PLR2004 - most are smooth
        grain = 1 + random.uniform(0, 0.08) * random.standard_normal((n_y, n_x), np.float32)
        image *= np.clip(grain, 0, 2)
    image *= np.exp(0.2 * smooth_field(n_y, n_x, random, order=2))
    return _soft(_framed(image, outline, random), random)


def _leaves(image: Floats, outline: Outline, levels: npt.NDArray[np.float64], random: Random) -> None:
    """Let leaves of all sizes fall, mostly the large ones first."""
    n, power = int(random.integers(200, 700)), random.uniform(1.2, 2.8)
    shares, largest = random.random(n), LARGEST * image.shape[1]
    radii = (SMALLEST ** (1 - power) * (1 - shares) + shares * largest ** (1 - power)) ** (1 / (1 - power))
    for radius in np.sort(radii)[::-1] if random.random() < 0.7 else radii:  # noqa: PLR2004 - not always
        Outline(
            y=outline.y + random.uniform(-1, 1) * outline.half_y,
            x=outline.x + random.uniform(-1, 1) * outline.half_x,
            half_y=radius * random.uniform(0.5, 1.6),
            half_x=radius * random.uniform(0.5, 1.6),
            angle=random.uniform(0, math.pi),
            power=random.uniform(1.6, 4) if random.random() < 0.5 else 2.0,  # noqa: PLR2004 - half of them
        ).paint(image, float(random.choice(levels) + random.normal(0, 0.05)))


def _fold(image: Floats, outline: Outline, levels: npt.NDArray[np.float64], random: Random) -> None:
    """Wind a band of another brightness through the image, sometimes only near its rim."""
    field = _band(image.shape[0], image.shape[1], random, waves=random.uniform(4, 25))
    share = _step(field * random.uniform(3, 20) + random.normal(0, 1))
    if random.random() < 0.6:  # noqa: PLR2004 - mostly
        rows = (np.arange(image.shape[0])[:, None] - outline.y) / outline.half_y
        columns = (np.arange(image.shape[1])[None] - outline.x) / outline.half_x
        share = share * _step((np.hypot(rows, columns) - random.uniform(0.3, 0.8)) * 30)
    image += (share * (float(random.choice(levels)) - 0.7 * image)).astype(np.float32)


def _step(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -40, 40))))


def _band(n_y: int, n_x: int, random: Random, *, waves: float) -> Floats:
    """Draw noise of about so many waves across the image."""
    longest = max(n_y, n_x)
    spectrum = np.fft.rfft2(random.standard_normal((n_y, n_x), np.float32))
    radius = np.hypot(np.fft.fftfreq(n_y)[:, None] * longest, np.fft.rfftfreq(n_x)[None] * longest)
    field = np.fft.irfft2(spectrum * np.exp(-(((radius - waves) / (0.35 * waves)) ** 2)), s=(n_y, n_x))
    return np.asarray(field / field.std(), np.float32)


def smooth_field(n_y: int, n_x: int, random: Random, *, order: int) -> Floats:
    """Draw something that varies over the whole image, of mean 0 and deviation 1."""
    n = 2 * order + 1
    amplitudes = random.standard_normal((n, n)) + 1j * random.standard_normal((n, n))
    waves = np.arange(-order, order + 1) / 2
    along_y, along_x = (np.exp(2j * np.pi * np.arange(size)[:, None] / size * waves) for size in (n_y, n_x))
    field = (along_y @ amplitudes @ along_x.T).real
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), np.float32)


def _soft(image: Floats, random: Random) -> Floats:
    """Blur the edges, often a little and sometimes much: tissue has no steps of one pixel, as leaves have."""
    width = random.uniform(0, WIDEST) ** 2 / WIDEST
    away = [np.exp(-2 * (np.pi * width * np.asarray(f)) ** 2) for f in (np.fft.fftfreq(n) for n in image.shape)]
    along_x = away[1][: image.shape[1] // 2 + 1]
    soft = np.fft.irfft2(np.fft.rfft2(image) * away[0][:, None] * along_x, s=image.shape)
    return np.asarray(np.clip(soft, 0, None), np.float32)


def _framed(image: Floats, outline: Outline, random: Random) -> Floats:
    """Put the image into its outline, mostly with a bright and a dark ring around."""
    framed = np.zeros_like(image)
    if random.random() < 0.2:  # noqa: PLR2004 - some have no skull
        outline.paint(framed, image)
        return framed
    thickness = random.uniform(0.02, 0.05)
    outline.paint(framed, float(random.uniform(0.3, 1.6)))
    outline.scaled(1 - thickness).paint(framed, float(random.uniform(0, 0.2)))
    outline.scaled(1 - 2.2 * thickness).paint(framed, image)
    return framed
