"""Series as matrices of frames by pixels: their leading changes over time, and the shrinkage of the others."""

from __future__ import annotations

import torch
from torch import Tensor


def shrink_singular_values(series: Tensor, threshold: float) -> Tensor:
    """Bring singular values nearer to zero by a threshold (Cai 2010, doi:10.1137/080738970).

    The proximal map of ``threshold * nuclear norm``, found from the small matrix of frames by frames.

    Parameters
    ----------
    series
        Complex. Shape `(frame ...)`.
    """
    matrix = series.flatten(1)
    powers, vectors = torch.linalg.eigh(matrix @ matrix.mH)
    values = powers.clamp_min(0).sqrt()
    kept = (1 - threshold / values.clamp_min(torch.finfo(values.dtype).tiny)).clamp_min(0)
    shrunk: Tensor = (vectors * kept) @ (vectors.mH @ matrix)
    return shrunk.reshape(series.shape)


def shrink_spectrum(series: Tensor, threshold: float) -> Tensor:
    """Bring the temporal spectrum nearer to zero: the proximal map of its l1 norm. Shape `(frame ...)`."""
    spectrum = torch.fft.fft(series, dim=0, norm="ortho")
    size = spectrum.abs()
    spectrum = spectrum * (1 - threshold / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp_min(0)
    shrunk: Tensor = torch.fft.ifft(spectrum, dim=0, norm="ortho")
    return shrunk


def temporal_basis(samples: Tensor, n_components: int) -> Tensor:
    """Find the changes over time that hold most of the signal (Liang 2007, doi:10.1109/ISBI.2007.357020).

    Parameters
    ----------
    samples
        What every frame has measured at the same places. Shape `(frame ...)`.

    Returns
    -------
        Orthonormal columns, the strongest first. Shape `(frame component)`.
    """
    matrix = samples.flatten(1)
    _, vectors = torch.linalg.eigh(matrix @ matrix.mH)
    basis: Tensor = vectors.flip(-1)[:, :n_components].contiguous()
    return basis
