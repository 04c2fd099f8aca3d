"""What a phantom says of a scanner: noise, uniformity, ghosts and lengths, as NEMA and the ACR define them.

SNR by NEMA MS 1-2008 (two scans where there are two, else the background), uniformity by NEMA MS 3-2008 and the ACR,
ghosting and lengths by the ACR's Large and Medium Phantom Test Guidance (2022), 1, 4 and 5. Phase is encoded along y.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.trend import Measure, Phantom
from gateway.model.zyx import Zyx

Image = npt.NDArray[np.float64]
"""Magnitude. Shape `(y x)`."""
Mask = npt.NDArray[np.bool_]

INNER = 0.75
"""Part of the area in which signal and noise are measured (NEMA MS 1, 2.3)."""
LARGE = 0.70
"""And in which uniformity and brightness are: 200 of the 284 square centimetres of the ACR's phantom."""
SMALL_MM2 = 100.0
"""Within it, of the places that are brightest and darkest."""
RAYLEIGH = 0.655
"""Standard deviation of the magnitude of noise alone, over that of its real part (Henkelman 1985)."""
AIR = 1.08
"""Radii from which on there is nothing but noise and ghosts."""
STRIP_MM, FEWEST = 71.0, 60
"""Length of the regions of ghosts (ACR: 10 square centimetres, four times as long as wide), and their fewest pixels."""
ACR_SLICES, ACR_UNIFORM, ACR_GEOMETRY = 11, 6, 4
"""Of the ACR's protocol: how many, and which are uniform (the seventh) and have the grid (the fifth)."""
LEAST_RADIUS = 8
"""Pixels."""
N_RAYS, ROUNDS = 96, 12
"""Along which the edge is looked for, and how often what lies off the ellipse is left aside."""
DARK, MOST_DARK = 0.5, 0.02
"""Pixels below this part of the brightness are inserts or bubbles; with more of them than this nothing is uniform."""
OVAL = 1.2
"""Longest over shortest length from which on it is a head, or the wrong slice."""
NOTHING = "there is no phantom in the image that could be measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disc:
    """Where the phantom is in an image.

    Parameters
    ----------
    y, x
        Its middle, in pixels.
    lengths_mm
        In four directions: along x, along y, and between.
    """

    y: float
    x: float
    lengths_mm: tuple[float, float, float, float]

    @property
    def radius_mm(self) -> float:
        """Half of its mean length."""
        return sum(self.lengths_mm) / 8

    def apart_mm(self, shape: tuple[int, int], spacing_mm: Zyx[float]) -> Image:
        """Give the distance of every pixel from the middle. Shape `(y x)`."""
        y = (np.arange(shape[0]) - self.y) * spacing_mm.y
        x = (np.arange(shape[1]) - self.x) * spacing_mm.x
        return np.asarray(np.hypot(y[:, None], x[None, :]))


def measure_phantom(images: ImageSeries, phantom: Phantom) -> dict[str, float]:
    """Measure a phantom; what an image does not show is left out.

    Raises
    ------
    BadScan
        There is no round object in it.
    """
    flat, grid = _slices(images, phantom)
    disc = find_disc(images.pixels[flat].astype(np.float64), images.spacing_mm)
    round_one = find_disc(images.pixels[grid].astype(np.float64), images.spacing_mm)
    found = {
        Measure.WIDTH: round_one.lengths_mm[0],
        Measure.HEIGHT: round_one.lengths_mm[1],
        Measure.ROUNDNESS: max(round_one.lengths_mm) - min(round_one.lengths_mm),
    }
    image = images.pixels[flat].astype(np.float64)
    made = {
        Measure.UNIFORMITY: integral_uniformity(image, disc, images.spacing_mm),
        Measure.GHOSTING: ghosting_ratio(image, disc, images.spacing_mm),
        Measure.SNR: _snr(images, flat, disc),
    }
    return {name.value: value for name, value in {**found, **made}.items() if value is not None}


def find_disc(image: Image, spacing_mm: Zyx[float]) -> Disc:
    """Find a round object: an ellipse through the places where the brightness falls to half of what it is inside.

    Bubbles of air flatten a part of the edge; what does not lie on the ellipse of most is left aside.

    Raises
    ------
    BadScan
        There is none.
    """
    bright = image > 0.3 * np.quantile(image, 0.99)
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.05) for axis in (1, 0))  # noqa: PLR2004 - no mere ghosts
    if min(len(rows), len(columns)) < 2 * LEAST_RADIUS:
        raise BadScan(NOTHING)
    y, x = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    turns = np.arange(N_RAYS) * 2 * np.pi / N_RAYS
    along = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    reach = np.array([_reach(image, (y, x), one, spacing_mm) for one in along])
    shape, (off_y, off_x) = _ellipse(reach[:, None] * along)
    lengths = [2 / math.sqrt(_curve(shape, math.pi * turn)) for turn in (0.0, 0.5, 0.25, 0.75)]
    if max(lengths) > OVAL * min(lengths):
        raise BadScan("what is in the image is not round, so that it is no phantom that could be measured")
    width, height, one, other = lengths
    return Disc(y=y + off_y / spacing_mm.y, x=x + off_x / spacing_mm.x, lengths_mm=(width, height, one, other))


def _ellipse(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    """Fit an ellipse to most points `(point yx)` (least squares, the worst left aside again and again).

    Returns
    -------
        The coefficients of yy, yx and xx of the curve on which their sum is 1 around its middle; and that middle.
    """
    scale = float(np.abs(points).max())
    y, x = points.T / scale
    terms = np.stack([y * y, y * x, x * x, y, x], axis=1)
    good = np.ones(len(points), bool)
    found = np.zeros(terms.shape[1])
    for _ in range(ROUNDS):
        found, *_ = np.linalg.lstsq(terms[good], np.ones(int(good.sum())), rcond=None)
        apart = np.abs(terms @ found - 1)
        good = apart <= max(3 * float(np.median(apart)), 0.002)
    yy, yx, xx, by_y, by_x = found
    middle = np.linalg.solve(np.array([[2 * yy, yx], [yx, 2 * xx]]), -np.array([by_y, by_x]))
    level = 1 - float(np.array([by_y, by_x]) @ middle) / 2
    shape = np.array([yy, yx, xx]) / level / scale**2
    if not (np.isfinite(shape).all() and 4 * shape[0] * shape[2] > shape[1] ** 2 and shape[0] > 0):
        raise BadScan(NOTHING)
    return shape, (float(middle[0]) * scale, float(middle[1]) * scale)


def _curve(shape: npt.NDArray[np.float64], turn: float) -> float:
    """Give what the square of a radius in some direction is divided into."""
    sin, cos = math.sin(turn), math.cos(turn)
    return float(shape @ np.array([sin * sin, sin * cos, cos * cos]))


def _reach(image: Image, middle: tuple[float, float], along: npt.NDArray[np.float64], spacing_mm: Zyx[float]) -> float:
    step = min(spacing_mm.x, spacing_mm.y) / 4
    pixels = along / np.array([spacing_mm.y, spacing_mm.x])
    room = min(
        (limit - 1 - start if way > 0 else start) / abs(way)
        for start, way, limit in zip(middle, pixels, image.shape, strict=True)
        if abs(way) > 1e-9  # noqa: PLR2004 - it does not go this way
    )
    far = np.arange(0, room, step)
    profile = _between(image, middle[0] + far * pixels[0], middle[1] + far * pixels[1])
    dark = np.flatnonzero(profile > 0.3 * np.quantile(profile, 0.9))
    if not len(dark):
        raise BadScan(NOTHING)
    last = int(dark[-1])
    inside = float(np.quantile(profile[int(0.6 * last) : max(int(0.97 * last), int(0.6 * last) + 1)], 0.8))
    over = np.flatnonzero(profile >= inside / 2)
    edge = int(over[-1]) if len(over) else last
    if edge + 1 >= len(profile):
        return float(far[-1])
    before, after = profile[edge], profile[edge + 1]
    return float(far[edge] + step * (before - inside / 2) / max(before - after, 1e-30))


def _between(image: Image, y: Image, x: Image) -> Image:
    """Read an image between its pixels, linearly."""
    top, left = np.clip(y.astype(int), 0, image.shape[0] - 2), np.clip(x.astype(int), 0, image.shape[1] - 2)
    down, right = y - top, x - left
    upper = image[top, left] * (1 - right) + image[top, left + 1] * right
    lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def integral_uniformity(image: Image, disc: Disc, spacing_mm: Zyx[float]) -> float | None:
    """Compare the brightest and the darkest square centimetre (percent integral uniformity); None beside inserts."""
    apart = disc.apart_mm(image.shape, spacing_mm)
    small = math.sqrt(SMALL_MM2 / math.pi)
    y, x = np.fft.fftfreq(image.shape[0], 1 / image.shape[0]), np.fft.fftfreq(image.shape[1], 1 / image.shape[1])
    probe = np.hypot(y[:, None] * spacing_mm.y, x[None, :] * spacing_mm.x) <= small
    means = np.fft.ifft2(np.fft.fft2(image) * np.fft.fft2(probe)).real / probe.sum()
    inside = means[apart <= math.sqrt(LARGE) * disc.radius_mm - small]
    body = image[apart <= math.sqrt(LARGE) * disc.radius_mm]
    if not len(inside) or (body < DARK * np.median(body)).mean() > MOST_DARK:
        return None
    high, low = float(inside.max()), float(inside.min())
    return 100 * (1 - (high - low) / (high + low))


def ghosting_ratio(image: Image, disc: Disc, spacing_mm: Zyx[float]) -> float | None:
    """Compare the air along phase encoding with that across; None where the field of view leaves too little air."""
    air = [image[mask] for mask in _strips(image, disc, spacing_mm)]
    if min(map(len, air)) < FEWEST:
        return None
    above, below, left, right = (float(each.mean()) for each in air)
    body = float(np.median(image[disc.apart_mm(image.shape, spacing_mm) <= math.sqrt(LARGE) * disc.radius_mm]))
    return abs((above + below) - (left + right)) / (2 * body)


def _strips(image: Image, disc: Disc, spacing_mm: Zyx[float]) -> Iterator[Mask]:
    """Give the air above, below, to the left and to the right. Shape `(y x)` each."""
    y = (np.arange(image.shape[0])[:, None] - disc.y) * spacing_mm.y
    x = (np.arange(image.shape[1])[None, :] - disc.x) * spacing_mm.x
    reach = AIR * disc.radius_mm
    for along, across in ((y, x), (x, y)):
        for sign in (-1, 1):
            yield np.asarray((sign * along > reach) & (np.abs(across) <= STRIP_MM / 2))


def _snr(images: ImageSeries, number: int, disc: Disc) -> float | None:
    image = images.pixels[number].astype(np.float64)
    apart = disc.apart_mm(image.shape, images.spacing_mm)
    inside = apart <= math.sqrt(INNER) * disc.radius_mm
    other = _again(images, number)
    if other is not None:  # NEMA MS 1, method 1: what two scans differ by
        noise = float((images.pixels[other].astype(np.float64) - image)[inside].std()) / math.sqrt(2)
    else:  # method 4: the background
        air = _background(image, disc, images.spacing_mm)
        noise = float(air.std()) / RAYLEIGH if len(air) >= FEWEST else 0.0
    return float(np.median(image[inside])) / noise if noise > 0 else None  # inserts move a mean


def _background(image: Image, disc: Disc, spacing_mm: Zyx[float]) -> npt.NDArray[np.float64]:
    """Take air where there are no ghosts: beside the phantom along the readout; without room there, the corners.

    Its outer half, since the edge of the phantom rings into what lies near it.
    """
    y, x = (np.abs(np.arange(n) - middle) for n, middle in zip(image.shape, (disc.y, disc.x), strict=True))
    aside_y, aside_x = np.broadcast_arrays(y[:, None] * spacing_mm.y, x[None, :] * spacing_mm.x)
    beside = image[aside_x > max(AIR * disc.radius_mm, (disc.radius_mm + float(aside_x.max())) / 2)]
    if len(beside) >= FEWEST:
        return np.asarray(beside)
    corner = (aside_y > disc.radius_mm / 2) & (aside_x > disc.radius_mm / 2)
    return np.asarray(image[corner & (disc.apart_mm(image.shape, spacing_mm) > AIR * disc.radius_mm)])


def _again(images: ImageSeries, number: int) -> int | None:
    """Find the same slice of another repetition."""
    mine = images.frames[number]
    for other, frame in enumerate(images.frames):
        same = (frame.slice, frame.contrast, frame.phase, frame.set) == (
            mine.slice,
            mine.contrast,
            mine.phase,
            mine.set,
        )
        if same and frame.repetition != mine.repetition and frame.position_mm == mine.position_mm:
            return other
    return None


def _slices(images: ImageSeries, phantom: Phantom) -> tuple[int, int]:
    """Choose the images in which uniformity and lengths are measured."""
    if phantom is Phantom.ACR and len(images.pixels) == ACR_SLICES:
        return ACR_UNIFORM, ACR_GEOMETRY
    best = min(range(len(images.pixels)), key=lambda number: _unevenness(images, number))
    return best, best


def _unevenness(images: ImageSeries, number: int) -> float:
    image = images.pixels[number].astype(np.float64)
    try:
        disc = find_disc(image, images.spacing_mm)
    except BadScan:
        return math.inf
    inside = image[disc.apart_mm(image.shape, images.spacing_mm) <= math.sqrt(INNER) * disc.radius_mm]
    return float(inside.std() / max(inside.mean(), 1e-30))
