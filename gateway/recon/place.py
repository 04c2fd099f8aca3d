"""Where reconstructed images lie in the patient, as the readouts say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import Frame, ImageSeries, Vector
from gateway.recon.kspace import KSpace
from gateway.recon.recon_matrix import full_matrix, spacing_mm


def series_of(images: Tensor, kspace: KSpace, *, notes: tuple[str, ...]) -> ImageSeries:
    """Join images and places.

    Parameters
    ----------
    images
        Real. Shape `(frame z y x)`.
    notes
        What the reader of the series should know of the method.

    Raises
    ------
    BadScan
        The readouts do not say how the image lies.
    """
    matrix, spacing = kspace.encoding.encoded.matrix, spacing_mm(kspace.encoding)
    n_partitions = images.shape[1]
    frames = [frame for head in kspace.frames.heads for frame in _frames(head, n_partitions, spacing.z)]
    return ImageSeries(
        pixels=images.reshape(-1, *images.shape[2:]).numpy(),
        frames=tuple(frames),
        spacing_mm=spacing,
        three_dimensional=matrix.z > 1,
        n_coils=kspace.samples.shape[1],
        n_lines=int(kspace.filled.any(axis=(0, 1)).sum()),
        encoded_lines=matrix.y,
        dwell_time_us=kspace.dwell_time_us,
        readout_samples=matrix.x,
        notes=(*notes, *kspace.notes, *_fov_note(kspace)),
    )


def _frames(head: Any, n_partitions: int, spacing_mm: float) -> Iterator[Frame]:  # noqa: ANN401 - a numpy record
    """Describe the images of one frame: one in 2D, one for each partition in 3D."""
    read, phase, slice_dir = (_vector(head[name]) for name in ("read_dir", "phase_dir", "slice_dir"))
    if not (any(read) and any(phase)):
        raise BadScan("the scan does not say how its slices lie: read_dir or phase_dir is zero")
    idx = head["idx"]
    for partition in range(n_partitions):
        shift = (partition - n_partitions // 2) * spacing_mm if n_partitions > 1 else 0.0
        yield Frame(
            position_mm=_vector(head["position"].astype(np.float64) + shift * np.asarray(slice_dir)),
            read_dir=read,
            phase_dir=phase,
            slice_dir=slice_dir,
            slice=int(idx["slice"]),
            contrast=int(idx["contrast"]),
            phase=int(idx["phase"]),
            repetition=int(idx["repetition"]),
            set=int(idx["set"]),
            acquisition_time_stamp=int(head["acquisition_time_stamp"]),
            physiology_time_stamp=int(head["physiology_time_stamp"][0]),
        )


def _vector(values: Any) -> Vector:  # noqa: ANN401 - a numpy record's field
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def _fov_note(kspace: KSpace) -> list[str]:
    """Say when the pixels are not exactly those that the header asks for."""
    encoding, full = kspace.encoding, full_matrix(kspace.encoding)
    asked = encoding.recon.fov_mm.y / encoding.recon.matrix.y
    made = encoding.encoded.fov_mm.y / full.y
    return [f"Rows are {made:.4f} mm apart, not {asked:.4f} mm."] if abs(made - asked) > 1e-3 * asked else []
