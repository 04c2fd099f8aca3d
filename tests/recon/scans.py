"""Scans for the tests of reconstruction: a small head, and ways to export it differently or to break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.header import Encoding, Limit, ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition, Flag, Readouts
from gateway.model.recipes import FftRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom

LINE = "kspace_encoding_step_1"
Keep = npt.NDArray[np.bool_]

SMALL = PhantomScan(n_slices=2, n_coils=2, matrix=Zyx(z=1, y=64, x=64), noise=0.0, seed=1)


def small_head() -> tuple[Readouts, ScanHeader]:
    """Two slices of 64 x 64, two coils, readout oversampled twice, no noise; one run."""
    (run,), header = head_phantom(SMALL)
    return run, header


def fft(acquisition: Acquisition, header: ScanHeader) -> ImageSeries:
    """Reconstruct by the recipe fft."""
    (series,) = reconstruct(acquisition, header, FftRecipe(), device="cpu", progress=lambda *_: None)
    return series


def zero_filled(acquisition: Acquisition, header: ScanHeader) -> ImageSeries:
    """Reconstruct by the recipe fft, and leave zeros where nothing was measured."""
    recipe = FftRecipe(partial_fourier="zero-fill")
    (series,) = reconstruct(acquisition, header, recipe, device="cpu", progress=lambda *_: None)
    return series


def encoded(header: ScanHeader, **changes: Any) -> ScanHeader:  # noqa: ANN401 - fields of Encoding
    """Change the first encoding of a header."""
    return replace(header, encodings=(replace(header.encodings[0], **changes), *header.encodings[1:]))


def with_lines(header: ScanHeader, limit: Limit) -> ScanHeader:
    """Change the limits of the phase encoding."""
    return encoded(header, limits={**header.encodings[0].limits, LINE: limit})


def relabelled(run: Readouts, change: Callable[[npt.NDArray[Any]], None]) -> Readouts:
    """Copy a run with other heads."""
    heads = run.heads.copy()
    change(heads)
    return Readouts(heads, run.samples, run.trajectory)


def resampled(run: Readouts, samples: npt.NDArray[Any], **heads: int) -> Readouts:
    """Copy a run with other samples, and other values in its heads."""
    changed = run.heads.copy()
    changed["number_of_samples"], changed["active_channels"] = samples.shape[2], samples.shape[1]
    for name, value in heads.items():
        changed[name] = value
    return Readouts(changed, samples.astype(np.complex64), np.zeros((len(run), samples.shape[2], 0), np.float32))


def lines_of(run: Readouts) -> npt.NDArray[np.uint16]:
    """Give the phase-encoding counter of each readout."""
    counters: npt.NDArray[np.uint16] = run.heads["idx"]["kspace_encode_step_1"]
    return counters


def flagged(run: Readouts, keep: Keep, flag: Flag) -> Readouts:
    """Copy a run with a flag set on some readouts."""

    def change(heads: npt.NDArray[Any]) -> None:
        heads["flags"][keep] |= np.uint64(flag.bit)

    return relabelled(run, change)


def slab(n_partitions: int = 8, *, filled: tuple[int, int] = (3, 4)) -> tuple[Readouts, ScanHeader]:
    """Make a 3D scan of the small head: its two slices stand at two z of a slab, encoded by the sum over z."""
    run, header = small_head()
    centred = np.arange(n_partitions) - n_partitions // 2
    encode = np.exp(-2j * np.pi * np.outer(centred, centred) / n_partitions)[:, filled] / np.sqrt(n_partitions)
    first, second = (run.select(run.heads["idx"]["slice"] == number) for number in (0, 1))

    heads = np.tile(first.heads, n_partitions)
    heads["idx"]["kspace_encode_step_2"] = np.repeat(np.arange(n_partitions), len(first))
    heads["position"] = (1.0, 2.0, 3.0)
    samples = encode[:, 0, None, None, None] * first.samples + encode[:, 1, None, None, None] * second.samples
    samples = samples.reshape(-1, *first.samples.shape[1:]).astype(np.complex64)
    readouts = Readouts(heads, samples, np.zeros((len(heads), samples.shape[2], 0), np.float32))

    encoding: Encoding = header.encodings[0]
    spaces = {
        name: replace(
            space, matrix=replace(space.matrix, z=n_partitions), fov_mm=replace(space.fov_mm, z=5.0 * n_partitions)
        )
        for name, space in (("encoded", encoding.encoded), ("recon", encoding.recon))
    }
    return readouts, encoded(header, limits={}, **spaces)
