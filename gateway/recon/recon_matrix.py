"""From encoded k-space to the recon matrix: oversampling goes by field of view, interpolation by zero-filling."""

from __future__ import annotations

from torch import Tensor

from gateway.model.header import Encoding
from gateway.model.zyx import Zyx
from gateway.recon.fourier import center_fit, to_image_axis

X, Y, Z = -1, -2, -3


def full_matrix(encoding: Encoding) -> Zyx[int]:
    """Give the matrix that covers the encoded field of view with (nearly) the pixels that the recon matrix asks for."""
    encoded, recon = encoding.encoded, encoding.recon

    def along(n_encoded: int, n_recon: int, fov_encoded: float, fov_recon: float) -> int:
        return 1 if n_encoded == 1 else max(1, round(n_recon * fov_encoded / fov_recon))

    return Zyx(
        z=along(encoded.matrix.z, recon.matrix.z, encoded.fov_mm.z, recon.fov_mm.z),
        y=along(encoded.matrix.y, recon.matrix.y, encoded.fov_mm.y, recon.fov_mm.y),
        x=along(encoded.matrix.x, recon.matrix.x, encoded.fov_mm.x, recon.fov_mm.x),
    )


def spacing_mm(encoding: Encoding) -> Zyx[float]:
    """Give the distance of pixel centres as it really is; in 2D, z is the slice thickness."""
    full, fov = full_matrix(encoding), encoding.encoded.fov_mm
    z = fov.z / full.z if encoding.encoded.matrix.z > 1 else encoding.recon.fov_mm.z
    return Zyx(z=z, y=fov.y / full.y, x=fov.x / full.x)


def image_of(kspace: Tensor, encoding: Encoding) -> Tensor:
    """Transform k-space to images of the recon matrix; readout first, so that the oversampling is gone before the rest.

    Parameters
    ----------
    kspace
        Complex. Shape `(... z y x)`, the encoded matrix.

    Returns
    -------
        Complex. Shape `(... z y x)`, the recon matrix.
    """
    full, recon = full_matrix(encoding), encoding.recon.matrix
    images = kspace
    for axis, n_full, n_recon in ((X, full.x, recon.x), (Y, full.y, recon.y), (Z, full.z, recon.z)):
        if n_full > 1:
            images = to_image_axis(center_fit(images, axis, n_full), axis)
        images = center_fit(images, axis, n_recon if n_full > 1 else 1)
    return images
