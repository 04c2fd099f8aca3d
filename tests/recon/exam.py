"""Two scans of one head in two contrasts, by formulas: bright and dark change places, edges stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe, Recipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import Ready, reconstruct
from gateway.recon.guide import Guide, guide_of
from gateway.recon.phantom import HEAD, MARKER, Ellipsoid, PhantomScan, head_phantom
from tests.recon.scans import lines_of

Images = npt.NDArray[np.float32]
N = 96
_RANDOM = np.random.default_rng(3)
DETAILS = tuple(
    Ellipsoid(
        0.1,
        (_RANDOM.uniform(-40, 40), _RANDOM.uniform(-55, 55), _RANDOM.uniform(-15, 15)),
        (_RANDOM.uniform(4, 12), _RANDOM.uniform(4, 12), _RANDOM.uniform(8, 30)),
        _RANDOM.uniform(0, 180),
    )
    for _ in range(20)
)
PIECES = (*HEAD, MARKER, *DETAILS)
T1 = tuple(replace(piece, adds=_RANDOM.uniform(-0.12, 0.12)) if piece in DETAILS else piece for piece in PIECES)
_BRIGHTNESS = (1.0, -0.9, 0.35, -0.07, 0.55, 0.55, 0.5, -0.1, -0.1, 0.1, 0.35, 0.6)
T2 = tuple(
    replace(piece, adds=adds)
    for piece, adds in zip(PIECES, (*_BRIGHTNESS, *_RANDOM.uniform(-0.15, 0.15, len(DETAILS))), strict=True)
)
LESION = Ellipsoid(0.3, (-22, 8, 0), (7, 7, 30))
"""In white matter, where nothing else is."""

BEFORE = PhantomScan(n_slices=1, n_coils=6, matrix=Zyx(z=1, y=N, x=N), noise=0.01, seed=1, anatomy=T1)
AFTER = replace(BEFORE, seed=2, anatomy=T2)


def images_of(acquisition: Acquisition, header: ScanHeader, recipe: Ready) -> Images:
    (series,) = reconstruct(acquisition, header, recipe, device="cpu", progress=lambda *_: None)
    return series.pixels


def whole(scan: PhantomScan, recipe: Recipe = FftRecipe(coils="inati")) -> Images:  # noqa: B008 - frozen
    """The image of every line, without noise."""
    return images_of(*head_phantom(replace(scan, noise=0.0)), recipe)


def fast(scan: PhantomScan, *, acceleration: int = 4, calibration: int = 12) -> tuple[Acquisition, ScanHeader]:
    """Scan the middle lines, and as many others by chance as the acceleration allows."""
    (run,), header = head_phantom(scan)
    random = np.random.default_rng(5)
    from_centre = np.abs(np.arange(N) - N // 2)
    keep = from_centre < calibration // 2
    odds = np.where(keep, 0, (1 - from_centre / (N / 2)) ** 2 + 0.05)
    keep[random.choice(N, N // acceleration - calibration, replace=False, p=odds / odds.sum())] = True
    return (run.select(keep[lines_of(run)]),), header


def guide_from(scan: PhantomScan) -> Guide:
    """Reconstruct a scan of every line as a guide."""
    made = reconstruct(*head_phantom(scan), FftRecipe(), device="cpu", progress=lambda *_: None)
    return guide_of(made, digest="blake3:t1", name="t1")


def relative(found: Images, truth: Images) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def turned(scan: PhantomScan, *, turn_deg: float, x_mm: float, y_mm: float) -> PhantomScan:
    """Let somebody move in the plane before a scan."""
    turn = np.radians(turn_deg)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    moved = tuple(
        replace(
            piece,
            center_mm=(cos * x - sin * y + x_mm, sin * x + cos * y + y_mm, z),
            turn_deg=piece.turn_deg + turn_deg,
        )
        for piece in scan.anatomy
        for x, y, z in [piece.center_mm]
    )
    return replace(scan, anatomy=moved)
