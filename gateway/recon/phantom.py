"""A synthetic head, generated in k-space from formulas: never by a Fourier transform of pixels.

Anatomy is a set of ellipsoids (Koay 2007, doi:10.1002/mrm.21292), cut by each slice into ellipses whose Fourier
transform is known. A coil's sensitivity is a short sum of plane waves (Guerquin-Kern 2012,
doi:10.1109/TMI.2011.2174158): multiplying by ``exp(2 pi i kappa x)`` shifts k-space by kappa, so the signal of every
coil is exact as well. The waves' kappa are multiples of half the step of k-space: all coils read from one finer grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from gateway.model.header import Encoding, Limit, Measurement, ScanHeader, Sequence, Space, Subject, System
from gateway.model.readout import ACQUISITION_HEADER, Acquisition, Flag, Readouts
from gateway.model.zyx import Zyx

Floats: TypeAlias = npt.NDArray[np.float64]
Complex: TypeAlias = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """One piece of anatomy; what it adds stands on top of what it lies in.

    x grows to the left of the patient, y to the back, z to the head; mm from the centre of the head.
    """

    adds: float
    center_mm: tuple[float, float, float]
    radius_mm: tuple[float, float, float]
    turn_deg: float = 0.0


HEAD = (
    Ellipsoid(1.00, (0, 0, 0), (76, 96, 92)),  # scalp
    Ellipsoid(-0.88, (0, 0, 0), (71, 91, 87)),  # skull
    Ellipsoid(0.55, (0, 0, 0), (66, 86, 82)),  # brain
    Ellipsoid(0.10, (0, 4, 4), (46, 64, 58)),  # white matter
    Ellipsoid(-0.50, (13, -8, 10), (7, 24, 18), 12),  # lateral ventricles
    Ellipsoid(-0.50, (-13, -8, 10), (7, 24, 18), -12),
    Ellipsoid(-0.45, (0, 14, -4), (3.5, 12, 12)),  # third ventricle
    Ellipsoid(0.12, (24, 10, 0), (9, 15, 14), -15),  # deep grey matter
    Ellipsoid(0.12, (-24, 10, 0), (9, 15, 14), 15),
    Ellipsoid(0.20, (0, 56, -30), (34, 18, 22)),  # cerebellum
    Ellipsoid(0.25, (-30, 40, 20), (5, 5, 8)),  # small lesion on the right, at the back
)
MARKER = Ellipsoid(0.60, (42, -42, 0), (6, 6, 200))
"""In every slice, on the left, at the front: whoever flips an image is found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomScan:
    """How the head is scanned."""

    n_slices: int = 12
    n_coils: int = 8
    matrix: Zyx[int] = Zyx(z=1, y=192, x=192)  # noqa: RUF009 - frozen
    fov_mm: float = 230.0
    thickness_mm: float = 5.0
    gap_mm: float = 1.0
    noise: float = 0.01
    """Standard deviation of real and imaginary part in a pixel, where the scalp is 1."""
    seed: int | None = None
    """Of the noise; None for another one each time."""
    tilt_deg: float = 8.0
    """Turn of the slices about the patient's left-right axis."""
    center_mm: tuple[float, float, float] = (3.0, -12.0, 25.0)
    """Of the middle of the slices, in the patient."""
    anatomy: tuple[Ellipsoid, ...] = (*HEAD, MARKER)
    acceleration: int = 1
    """Every which line is measured; the centre of k-space is."""
    calibration_lines: int = 0
    """In the middle of k-space, measured all the same; the extra ones are flagged as calibration alone."""

    def axes(self) -> Floats:
        """Give readout, phase and slice direction in the patient. Shape `(axis xyz)`."""
        cos, sin = np.cos(np.radians(self.tilt_deg)), np.sin(np.radians(self.tilt_deg))
        return np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])

    def slice_offset_mm(self, number: int) -> float:
        """Say how far along the slice direction a slice lies from the middle of all."""
        return (number - (self.n_slices - 1) / 2) * (self.thickness_mm + self.gap_mm)


def head_phantom(scan: PhantomScan = PhantomScan()) -> tuple[Acquisition, ScanHeader]:
    """Scan the head: what a scanner would export, twofold readout oversampling included."""
    kspace = np.stack([slice_kspace(scan, number) for number in range(scan.n_slices)])
    random = np.random.default_rng(scan.seed)
    noise = random.standard_normal((*kspace.shape, 2)) * scan.noise
    samples = (kspace + noise.view(np.complex128)[..., 0]).astype(np.complex64)
    lines = _measured_lines(scan)
    _, n_coils, _, nx = samples.shape
    readouts = samples[:, :, lines].transpose(0, 2, 1, 3).reshape(-1, n_coils, nx)
    empty = np.zeros((len(readouts), nx, 0), np.float32)
    return (Readouts(_heads(scan, lines, nx), readouts, empty),), _header(scan)


def slice_kspace(scan: PhantomScan, number: int) -> Complex:
    """Compute the k-space of all coils in one slice, without noise. Shape `(coil y x)`.

    Scaled so that the orthonormal inverse transform gives the anatomy times the sensitivity.
    """
    ny, nx = scan.matrix.y, 2 * scan.matrix.x
    step = 1 / (2 * scan.fov_mm)  # along y half a step of k-space; along x, oversampled, a whole one
    order = len(WAVES) // 2
    kx = np.asarray((np.arange(nx + 2 * order) - nx // 2 - order) * step, np.float64)
    ky = np.asarray((np.arange(2 * ny + 2 * order) - 2 * (ny // 2) - order) * step, np.float64)
    fine = (
        float(np.sqrt(ny * nx)) / (scan.fov_mm * 2 * scan.fov_mm) * _transform(scan, number, ky[:, None], kx[None, :])
    )
    weights = sensitivity_weights(scan)
    kspace = np.zeros((scan.n_coils, ny, nx), np.complex128)
    for j, wave_y in enumerate(WAVES):
        for i, wave_x in enumerate(WAVES):
            shifted = fine[order - wave_y :, order - wave_x :][: 2 * ny : 2, :nx]
            kspace += weights[:, j, i, None, None] * shifted
    return kspace


def signal_at(scan: PhantomScan, number: int, ky: Floats, kx: Floats) -> Complex:
    """Compute the signal of all coils at any points of k-space, without noise. Shape `(coil *points)`.

    Scaled like `slice_kspace`, but for a field of view and matrix without oversampling.

    Parameters
    ----------
    ky, kx
        In 1/mm, of one shape.
    """
    step = 1 / (2 * scan.fov_mm)
    weights = sensitivity_weights(scan)
    signal = np.zeros((scan.n_coils, *np.shape(kx)), np.complex128)
    for j, wave_y in enumerate(WAVES):
        for i, wave_x in enumerate(WAVES):
            shifted = _transform(scan, number, ky - wave_y * step, kx - wave_x * step)
            signal += np.multiply.outer(weights[:, j, i], shifted)
    scale = float(np.sqrt(scan.matrix.y * scan.matrix.x)) / scan.fov_mm**2
    return np.asarray(scale * signal)


WAVES = (-2, -1, 0, 1, 2)
"""Plane waves of a sensitivity along each axis, in periods per two fields of view."""


def _transform(scan: PhantomScan, number: int, ky: Floats, kx: Floats) -> Complex:
    """Fourier transform of the anatomy in a slice (mm^2), at spatial frequencies (1/mm) that broadcast."""
    result = np.zeros(np.broadcast(ky, kx).shape, np.complex128)
    for piece in scan.anatomy:
        ellipse = _cut(piece, scan.slice_offset_mm(number))
        if ellipse is None:
            continue
        a, b = ellipse
        turn, (x, y, _) = np.radians(piece.turn_deg), piece.center_mm
        along = np.cos(turn) * kx + np.sin(turn) * ky
        across = -np.sin(turn) * kx + np.cos(turn) * ky
        q = 2 * np.pi * np.hypot(a * along, b * across)
        bessel = torch.special.bessel_j1(torch.from_numpy(q)).numpy()
        jinc = np.divide(2 * bessel, q, out=np.ones_like(q), where=q > 0)
        phase = np.exp(-2j * np.pi * ky * y) * np.exp(-2j * np.pi * kx * x)
        result += piece.adds * np.pi * a * b * jinc * phase
    return result


def _cut(piece: Ellipsoid, z_mm: float) -> tuple[float, float] | None:
    """Give the radii of the ellipse in which a slice cuts an ellipsoid."""
    a, b, c = piece.radius_mm
    inside = 1 - ((z_mm - piece.center_mm[2]) / c) ** 2
    return None if inside <= 0 else (a * inside**0.5, b * inside**0.5)


def anatomy_at(scan: PhantomScan, number: int, x_mm: Floats, y_mm: Floats) -> Floats:
    """Tell the truth: the anatomy at points of a slice, without coils, noise or transform."""
    truth = np.zeros(np.broadcast(x_mm, y_mm).shape)
    for piece in scan.anatomy:
        ellipse = _cut(piece, scan.slice_offset_mm(number))
        if ellipse is not None:
            a, b = ellipse
            turn, (x, y, _) = np.radians(piece.turn_deg), piece.center_mm
            along = np.cos(turn) * (x_mm - x) + np.sin(turn) * (y_mm - y)
            across = -np.sin(turn) * (x_mm - x) + np.cos(turn) * (y_mm - y)
            truth += piece.adds * ((along / a) ** 2 + (across / b) ** 2 <= 1)
    return truth


def sensitivity_weights(scan: PhantomScan) -> Complex:
    """Fit plane waves to loops around the head. Shape `(coil wave_y wave_x)`."""
    radius = np.linspace(-0.45, 0.45, 31) * scan.fov_mm
    x, y = (axis.ravel() for axis in np.meshgrid(radius, radius))
    waves = _waves(scan, x, y).reshape(-1, len(x)).T
    angles = 2 * np.pi * np.arange(scan.n_coils) / scan.n_coils
    away = 0.62 * scan.fov_mm
    toward = (x[:, None] - away * np.cos(angles)) + 1j * (y[:, None] - away * np.sin(angles))
    width = 0.35 * scan.fov_mm
    loops = np.exp(1j * np.angle(-toward)) / (1 + (np.abs(toward) / width) ** 2) ** 1.5
    ridge = 1e-3 * len(x) * np.eye(waves.shape[1])
    weights = np.linalg.solve(waves.conj().T @ waves + ridge, waves.conj().T @ loops)
    scale = np.sqrt((np.abs(waves @ weights) ** 2).sum(axis=1)).mean()
    return np.asarray((weights / scale).T.reshape(scan.n_coils, len(WAVES), len(WAVES)))


def sensitivities_at(scan: PhantomScan, x_mm: Floats, y_mm: Floats) -> Complex:
    """Tell the truth: every coil's sensitivity at points. Shape `(coil *points)`."""
    return np.asarray(np.einsum("cji,ji...->c...", sensitivity_weights(scan), _waves(scan, x_mm, y_mm)))


def _waves(scan: PhantomScan, x_mm: Floats, y_mm: Floats) -> Complex:
    """Evaluate the plane waves. Shape `(wave_y wave_x *points)`."""
    turns = 2j * np.pi / (2 * scan.fov_mm)
    return np.stack([np.stack([np.exp(turns * (n * x_mm + m * y_mm)) for n in WAVES]) for m in WAVES])


def _measured_lines(scan: PhantomScan) -> npt.NDArray[np.intp]:
    """List the lines of a slice that are measured."""
    from_centre = np.arange(scan.matrix.y) - scan.matrix.y // 2
    calibration = (from_centre >= -(scan.calibration_lines // 2)) & (from_centre < (scan.calibration_lines + 1) // 2)
    return np.flatnonzero((from_centre % scan.acceleration == 0) | calibration)


def _heads(scan: PhantomScan, measured: npt.NDArray[np.intp], nx: int) -> npt.NDArray[np.void]:
    heads = np.zeros(scan.n_slices * len(measured), ACQUISITION_HEADER)
    slices, lines = np.repeat(np.arange(scan.n_slices), len(measured)), np.tile(measured, scan.n_slices)
    axes = scan.axes()
    offsets = np.array([scan.slice_offset_mm(number) for number in range(scan.n_slices)])
    heads["version"] = 1
    heads["scan_counter"] = np.arange(len(heads))
    heads["number_of_samples"], heads["center_sample"] = nx, nx // 2
    heads["available_channels"] = heads["active_channels"] = scan.n_coils
    heads["sample_time_us"] = 5.0
    heads["position"] = np.asarray(scan.center_mm) + offsets[slices][:, None] * axes[2]
    heads["read_dir"], heads["phase_dir"], heads["slice_dir"] = axes
    heads["idx"]["kspace_encode_step_1"], heads["idx"]["slice"] = lines, slices
    from_centre = lines - scan.matrix.y // 2
    extra = from_centre % scan.acceleration != 0
    both = ~extra & (abs(from_centre) <= scan.calibration_lines // 2) & (scan.calibration_lines > 0)
    heads["flags"][extra] |= np.uint64(Flag.IS_PARALLEL_CALIBRATION.bit)
    heads["flags"][both] |= np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit)
    heads["flags"][lines == measured[0]] |= np.uint64(Flag.FIRST_IN_SLICE.bit)
    heads["flags"][lines == measured[-1]] |= np.uint64(Flag.LAST_IN_SLICE.bit)
    heads["flags"][-1] |= np.uint64(Flag.LAST_IN_MEASUREMENT.bit)
    return heads


def _header(scan: PhantomScan) -> ScanHeader:
    fov = Zyx(z=scan.thickness_mm, y=scan.fov_mm, x=scan.fov_mm)
    oversampled = Zyx(z=1, y=scan.matrix.y, x=2 * scan.matrix.x)
    encoding = Encoding(
        trajectory="cartesian",
        encoded=Space(matrix=oversampled, fov_mm=Zyx(z=fov.z, y=fov.y, x=2 * fov.x)),
        recon=Space(matrix=scan.matrix, fov_mm=fov),
        limits={
            "kspace_encoding_step_1": Limit(minimum=0, maximum=scan.matrix.y - 1, center=scan.matrix.y // 2),
            "slice": Limit(minimum=0, maximum=scan.n_slices - 1, center=scan.n_slices // 2),
        },
        acceleration=Zyx(z=1.0, y=float(scan.acceleration), x=1.0),
        calibration_mode="embedded" if scan.calibration_lines else None,
    )
    return ScanHeader(
        encodings=(encoding,),
        subject=Subject(patient_name="Phantom^Head", patient_id="PHANTOM", sex="O"),
        measurement=Measurement(measurement_id="phantom", patient_position="HFS", protocol_name="head phantom"),
        system=System(
            vendor="Synthetic",
            model="Analytic phantom",
            field_strength_t=3.0,
            h1_frequency_hz=127_740_000,
            receiver_channels=scan.n_coils,
            coil_names={number: f"loop {number + 1}" for number in range(scan.n_coils)},
        ),
        sequence=Sequence(
            sequence_type="Flash", repetition_time_ms=(250.0,), echo_time_ms=(4.6,), flip_angle_deg=(70.0,)
        ),
    )
