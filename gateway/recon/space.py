"""From the space that was encoded to the image that is wanted: matrices, spacings, and whether they can be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.model.errors import BadScan
from gateway.model.header import Encoding, ScanHeader, Space
from gateway.model.zyx import Zyx
from gateway.recon.finishing import PLAIN, Finish

LARGEST_MATRIX = 2048
"""Along one axis, oversampling included."""

LARGEST_FRAME_BYTES = 16 << 30
"""K-space of one frame, all coils."""

LARGEST_SERIES_BYTES = 16 << 30
"""All images of a series; as much for the mask of what was measured."""

_COMPLEX64, _FLOAT32 = 8, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The image that is wanted, and the grid it is cut from.

    Parameters
    ----------
    grid
        Matrix that covers the whole encoded field of view at the pixel size of the image; oversampling included.
    matrix
        The image: the centre of ``grid``. Where it is larger, the rest is zero.
    spacing_mm
        Distance of pixel centres; in 2D, z is the slice thickness.
    finish
        What is done to k-space before.
    """

    grid: Zyx[int]
    matrix: Zyx[int]
    spacing_mm: Zyx[float]
    finish: Finish = PLAIN


def imaging_encoding(header: ScanHeader) -> Encoding:
    """Take the encoding of the image, the first of the header, once its numbers can be true.

    Raises
    ------
    BadScan
        There is none, or its matrices or fields of view are impossible.
    """
    if not header.encodings:
        raise BadScan("the header describes no encoding")
    encoding = header.encodings[0]
    for name, space in (("encoded", encoding.encoded), ("recon", encoding.recon)):
        _check(name, space)
    return encoding


def is_cartesian(encoding: Encoding) -> bool:
    """Say whether k-space is measured along parallel lines; headers that name no trajectory mean that."""
    return encoding.trajectory.lower() in ("cartesian", "")


def _check(name: str, space: Space) -> None:
    for axis in ("z", "y", "x"):
        n, fov_mm = getattr(space.matrix, axis), getattr(space.fov_mm, axis)
        if not 1 <= n <= LARGEST_MATRIX:
            raise BadScan(f"the {name} matrix has {n} points in {axis}; possible are 1 to {LARGEST_MATRIX}")
        if not (math.isfinite(fov_mm) and fov_mm > 0):
            raise BadScan(f"the {name} field of view is {fov_mm} mm in {axis}")


def is_3d(encoding: Encoding) -> bool:
    """Say whether partitions were encoded."""
    return encoding.encoded.matrix.z > 1


def target_of(encoding: Encoding) -> Target:
    """Choose the grid so that its pixels have the size that is wanted; oversampling falls off with the margin.

    The header's two fields of view need not be commensurable with its matrices, so the spacing is the grid's.

    Raises
    ------
    BadScan
        The grid would be larger than any image.
    """
    x, y = (_along(encoding, axis) for axis in ("x", "y"))
    z = _along(encoding, "z") if is_3d(encoding) else _Axis(grid=1, matrix=1, spacing_mm=encoding.recon.fov_mm.z)
    axes = Zyx(z=z, y=y, x=x)
    return Target(
        grid=axes.map(lambda axis: axis.grid),
        matrix=axes.map(lambda axis: axis.matrix),
        spacing_mm=axes.map(lambda axis: axis.spacing_mm),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    grid: int
    matrix: int
    spacing_mm: float


def _along(encoding: Encoding, axis: str) -> _Axis:
    matrix: int = getattr(encoding.recon.matrix, axis)
    encoded_mm: float = getattr(encoding.encoded.fov_mm, axis)
    recon_mm: float = getattr(encoding.recon.fov_mm, axis)
    wanted = matrix * encoded_mm / recon_mm
    if not 0.5 <= wanted <= 2 * LARGEST_MATRIX:  # noqa: PLR2004 - rounds to one pixel
        raise BadScan(f"the encoded field of view is {encoded_mm} mm in {axis}, that of the image {recon_mm} mm")
    grid = math.floor(wanted + 0.5)
    return _Axis(grid=grid, matrix=matrix, spacing_mm=encoded_mm / grid)


def check_room(encoding: Encoding, *, n_frames: int, n_coils: int) -> None:
    """Refuse what no memory holds, before it is taken.

    Raises
    ------
    BadScan
        One frame of k-space, or the images together, would be larger than any real scan.
    """
    encoded, target = encoding.encoded.matrix, target_of(encoding)
    largest = max(math.prod(matrix.as_tuple()) for matrix in (encoded, target.grid))
    frame_bytes = n_coils * largest * _COMPLEX64
    if frame_bytes > LARGEST_FRAME_BYTES:
        raise BadScan(f"{n_coils} coils on {_times(encoded)} points are {_gib(frame_bytes)} for one frame")
    series_bytes = n_frames * max(math.prod(target.matrix.as_tuple()) * _FLOAT32, encoded.z * encoded.y)
    if series_bytes > LARGEST_SERIES_BYTES:
        raise BadScan(f"{n_frames} frames of {_times(target.matrix)} pixels are {_gib(series_bytes)} of images")


def _times(matrix: Zyx[int]) -> str:
    return f"{matrix.x} x {matrix.y} x {matrix.z}"


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 30):.1f} GiB"
