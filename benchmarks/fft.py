"""The recipe fft, from readouts to magnitudes: 12 slices of 192 x 192, 8 coils, readout oversampled twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.registry import Peers, benchmark
from gateway.model.readout import Acquisition, Readouts
from gateway.model.recipes import FftRecipe
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom

Array = npt.NDArray[Any]


@benchmark
def fft() -> Iterator[Peers]:
    """Compare the engine with the same in a few lines of numpy, which check nothing."""
    acquisition, header = head_phantom(PhantomScan(seed=1))

    def ours() -> Array:
        (series,) = reconstruct(acquisition, header, FftRecipe(), device="cpu", progress=lambda *_: None)
        return series.pixels

    np.testing.assert_allclose(ours(), _numpy(acquisition), rtol=1e-3, atol=1e-5)
    yield {"gateway": ours, "numpy": lambda: _numpy(acquisition)}


def _numpy(acquisition: Acquisition) -> Array:
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(_kspace(acquisition[0]), (-2, -1)), norm="ortho"), (-2, -1))
    nx = images.shape[-1]
    magnitude: Array = np.sqrt((np.abs(images[..., nx // 4 : nx // 4 + nx // 2]) ** 2).sum(axis=1))
    return magnitude


def _kspace(readouts: Readouts) -> Array:
    """Put each readout where its header says. Shape `(slice coil y x)`."""
    slices, lines = readouts.heads["idx"]["slice"], readouts.heads["idx"]["kspace_encode_step_1"]
    _, n_coils, nx = readouts.samples.shape
    kspace = np.zeros((slices.max() + 1, n_coils, lines.max() + 1, nx), np.complex64)
    kspace[slices, :, lines] = readouts.samples
    return kspace
