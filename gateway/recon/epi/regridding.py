"""From samples anywhere along a readout to the points of a matrix: least squares, exact for objects that fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gateway.recon.epi.trapezoid import Floats

TIKHONOV = 1e-6
"""Relative to the mean power; it decides only what the samples leave open."""


def regridding(positions: Floats, *, n: int) -> npt.NDArray[np.complex128]:
    """Find the matrix that takes samples of a readout to its image on ``n`` pixels.

    It is the least-squares solution (Rosenfeld 1998, doi:10.1002/mrm.1910400602) for an object as wide as the sparsest
    of the samples can tell: on the flat top they may be further apart than the encoded field of view asks for, which
    its oversampled margin forgives.

    Parameters
    ----------
    positions
        Of the samples, in cycles per encoded field of view.

    Returns
    -------
        Its image has the scale and the centre that `inverse_fourier` gives. Shape `(x sample)`.
    """
    sparsest = float(np.diff(np.sort(positions)).max(initial=1.0))
    width = min(n, int(n / sparsest + 1e-6))
    pixels = np.arange(width) - width // 2
    waves = np.exp(-2j * np.pi * np.outer(positions, pixels / n)) / np.sqrt(n)
    gram = waves.conj().T @ waves
    ridge = TIKHONOV * np.trace(gram).real / width * np.eye(width)
    image = np.zeros((n, len(positions)), np.complex128)
    image[n // 2 + pixels] = np.linalg.solve(gram + ridge, waves.conj().T)
    return image
