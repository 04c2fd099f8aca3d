"""A slab of the head, exact at every point of three-dimensional k-space, seen by two rings of coils."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from gateway.model.header import ScanHeader
from gateway.model.readout import ACQUISITION_HEADER, Readouts
from gateway.model.zyx import Zyx
from gateway.recon.phantom import HEAD, WAVES, Ellipsoid, PhantomScan, head_phantom, sensitivity_weights
from tests.recon.scans import encoded

Complex = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]

MATRIX = Zyx(z=16, y=32, x=32)
FOV_MM = Zyx(z=240.0, y=240.0, x=240.0)
RING = PhantomScan(n_slices=1, n_coils=4, matrix=Zyx(z=1, y=MATRIX.y, x=MATRIX.x), fov_mm=240.0)


def _ellipsoid(piece: Ellipsoid, kz: Floats, ky: Floats, kx: Floats) -> Complex:
    """Fourier transform of an ellipsoid: that of the ball, ``4 pi (sin q - q cos q) / q^3``, stretched and turned."""
    (a, b, c), turn = piece.radius_mm, np.radians(piece.turn_deg)
    along, across = np.cos(turn) * kx + np.sin(turn) * ky, -np.sin(turn) * kx + np.cos(turn) * ky
    q = np.maximum(2 * np.pi * np.sqrt((a * along) ** 2 + (b * across) ** 2 + (c * kz) ** 2), 1e-4)
    x, y, z = piece.center_mm
    phase = np.exp(-2j * np.pi * (kx * x + ky * y + kz * z))
    return np.asarray(piece.adds * a * b * c * 4 * np.pi * (np.sin(q) - q * np.cos(q)) / q**3 * phase)


def signal_at(kz: Floats, ky: Floats, kx: Floats) -> Complex:
    """Compute what every coil measures at any points, in 1/mm, as an orthonormal transform scales it.

    The coils of each ring see one half of the slab better: plane waves along z as well. Shape `(coil *points)`.
    """
    in_plane = sensitivity_weights(RING)
    along_z = {-1: np.array([0.25, 0.25]), 0: np.array([0.5, 0.5]), 1: np.array([0.25, 0.25])}
    turned = np.exp(2j * np.pi * np.array([-0.25, 0.25]))  # a quarter of a period up, a quarter down
    step_y, step_z = 1 / (2 * FOV_MM.y), 1 / FOV_MM.z
    signal = np.zeros((8, *np.shape(kx)), np.complex128)
    for k, share in along_z.items():
        for j, wave_y in enumerate(WAVES):
            for i, wave_x in enumerate(WAVES):
                moved = kz - k * step_z, ky - wave_y * step_y, kx - wave_x * step_y
                seen = sum((_ellipsoid(piece, *moved) for piece in HEAD), np.zeros(np.shape(kx), np.complex128))
                weights = np.multiply.outer(share * turned**k, in_plane[:, j, i]).ravel()
                signal += np.multiply.outer(weights, seen)
    scale = np.sqrt(MATRIX.z * MATRIX.y * MATRIX.x) / (FOV_MM.z * FOV_MM.y * FOV_MM.x)
    return np.asarray(scale * signal)


@cache
def kspace() -> Complex:
    """Compute every sample of the grid. Shape `(coil z y x)`."""
    places = ((np.arange(n) - n // 2) / mm for n, mm in zip(MATRIX.as_tuple(), FOV_MM.as_tuple(), strict=True))
    return signal_at(*np.meshgrid(*places, indexing="ij"))


def header_of(trajectory: str = "cartesian") -> ScanHeader:
    """Describe the slab."""
    _, header = head_phantom(RING)
    space = replace(header.encodings[0].recon, matrix=MATRIX, fov_mm=FOV_MM)
    return encoded(header, trajectory=trajectory, encoded=space, recon=space, limits={})


def _heads(n: int, n_samples: int, n_dimensions: int) -> npt.NDArray[np.void]:
    heads = np.zeros(n, ACQUISITION_HEADER)
    heads["number_of_samples"], heads["center_sample"], heads["active_channels"] = n_samples, n_samples // 2, 8
    heads["trajectory_dimensions"], heads["sample_time_us"] = n_dimensions, 5.0
    heads["read_dir"], heads["phase_dir"], heads["slice_dir"] = np.eye(3)
    return heads


def slab(keep: npt.NDArray[np.bool_], *, noise: float = 0.0, frames: int = 1, fading: float = 0.0) -> Readouts:
    """Scan the slab.

    Parameters
    ----------
    keep
        Which lines are measured. Shape `(frame z y)`, or `(z y)` for all frames.
    fading
        Part of the signal that is lost from frame to frame.
    """
    random = np.random.default_rng(4)
    parts = []
    for frame in range(frames):
        z, y = np.nonzero(keep[frame] if keep.ndim == 3 else keep)
        heads = _heads(len(z), MATRIX.x, 0)
        heads["idx"]["kspace_encode_step_1"], heads["idx"]["kspace_encode_step_2"] = y, z
        heads["idx"]["repetition"] = frame
        samples = kspace()[:, z, y].transpose(1, 0, 2) * (1 - fading) ** frame
        samples = samples + noise * random.standard_normal((*samples.shape, 2)).view(np.complex128)[..., 0]
        parts.append(Readouts(heads, samples.astype(np.complex64), np.zeros((len(z), MATRIX.x, 0), np.float32)))
    return Readouts(
        np.concatenate([part.heads for part in parts]),
        np.concatenate([part.samples for part in parts]),
        np.concatenate([part.trajectory for part in parts]),
    )


def made_up(matrix: Zyx[int], *, step: int = 1) -> tuple[tuple[Readouts, ...], ScanHeader]:
    """Scan a slab of any size, eight coils, one line in so many and 24 in the middle: only its size means anything."""
    random = np.random.default_rng(8)
    z, y = (each.ravel() for each in np.meshgrid(np.arange(matrix.z), np.arange(matrix.y), indexing="ij"))
    far = abs(y - matrix.y // 2 + 0.5)
    kept = ((y - matrix.y // 2) % step == 0) | (far < 12)
    z, y, far = z[kept], y[kept], far[kept]
    heads = _heads(len(z), matrix.x, 0)
    heads["idx"]["kspace_encode_step_1"], heads["idx"]["kspace_encode_step_2"] = y, z
    samples = random.standard_normal((len(z), 8, matrix.x, 2), np.float32).view(np.complex64)[..., 0]
    samples *= np.float32(1) / (1 + far[:, None, None].astype(np.float32))
    run = Readouts(heads, samples, np.zeros((len(z), matrix.x, 0), np.float32))
    header = header_of()
    space = replace(header.encodings[0].recon, matrix=matrix)
    return (run,), encoded(header, encoded=space, recon=space, acceleration=Zyx(z=1.0, y=float(step), x=1.0))


@cache
def stack_of_stars(n_spokes: int) -> Readouts:
    """Scan the slab along spokes in every partition, with coordinates in all three dimensions."""
    n_samples = 2 * MATRIX.x
    along = (np.arange(n_samples) - n_samples // 2) / 2
    angle = np.pi * np.arange(n_spokes) / n_spokes
    z = np.arange(MATRIX.z) - MATRIX.z // 2
    shape = (MATRIX.z, n_spokes, n_samples)
    points = np.stack(
        [
            np.broadcast_to(np.cos(angle)[:, None] * along, shape),
            np.broadcast_to(np.sin(angle)[:, None] * along, shape),
            np.broadcast_to(z[:, None, None], shape),
        ],
        axis=-1,
    ).reshape(-1, n_samples, 3)
    kx, ky, kz = (points[..., axis] / 240.0 for axis in range(3))
    heads = _heads(len(points), n_samples, 3)
    heads["idx"]["kspace_encode_step_1"] = np.arange(len(points))
    return Readouts(heads, signal_at(kz, ky, kx).transpose(1, 0, 2).astype(np.complex64), points.astype(np.float32))
