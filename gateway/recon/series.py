"""Reconstructed pixels as a series: its frames, and what its reader should know of how it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gateway.model.image import ImageSeries
from gateway.recon.alignment import Alignment
from gateway.recon.frames import frames_of
from gateway.recon.kspace import Sorter
from gateway.recon.lines import Lines
from gateway.recon.pictures import Album
from gateway.recon.shutter import left_out
from gateway.recon.space import Target, is_3d
from gateway.recon.trajectory import Gatherer


def cartesian_series(album: Album, sorter: Sorter, target: Target, notes: Sequence[str]) -> tuple[ImageSeries, ...]:
    """Join images with where they lie and how they were measured.

    Parameters
    ----------
    notes
        What the method has to say; what the measurement has to say follows.
    """
    lines = sorter.lines
    heads = lines.first_heads()
    series = ImageSeries(
        pixels=np.empty((0, 0, 0), np.float32),
        frames=tuple(frame for head in heads for frame in frames_of(head, target)),
        spacing_mm=target.spacing_mm,
        three_dimensional=is_3d(lines.encoding),
        n_coils=lines.n_coils,
        n_lines=len(np.unique(lines.y)),
        encoded_lines=lines.phase_encodes.n,
        dwell_time_us=float(heads["sample_time_us"][0]),
        readout_samples=lines.encoding.encoded.matrix.x,
        notes=(*notes, *_measurement_notes(lines, sorter.alignment, target)),
    )
    return tuple(_of_each_kind(series, album))


def scattered_series(album: Album, gatherer: Gatherer, target: Target, notes: Sequence[str]) -> tuple[ImageSeries, ...]:
    """Join images of a non-Cartesian scan with where they lie and how they were measured."""
    heads = gatherer.first_heads()
    series = ImageSeries(
        pixels=np.empty((0, 0, 0), np.float32),
        frames=tuple(frame for head in heads for frame in frames_of(head, target)),
        spacing_mm=target.spacing_mm,
        three_dimensional=is_3d(gatherer.encoding),
        n_coils=gatherer.n_coils,
        n_lines=len(gatherer.heads) // gatherer.n_frames,
        encoded_lines=gatherer.encoding.encoded.matrix.y,
        dwell_time_us=float(heads["sample_time_us"][0]),
        readout_samples=int(heads["number_of_samples"][0]),
        notes=(*notes, f"The trajectory was sent in {gatherer.unit}."),
    )
    return tuple(_of_each_kind(series, album))


def _of_each_kind(series: ImageSeries, album: Album) -> Iterator[ImageSeries]:
    for kind, pixels in album.pixels.items():
        yield replace(series, kind=kind, pixels=pixels.reshape(-1, *pixels.shape[2:]))


def _measurement_notes(lines: Lines, alignment: Alignment, target: Target) -> Iterator[str]:
    """Say what is not data but zero."""
    for axis, counter in ((-2, lines.phase_encodes), (-3, lines.partitions)):
        if counter.n_wanted < counter.n:
            measured = f"{counter.n_wanted} of {counter.n} {counter.name}s were measured"
            yield f"{measured}; the rest is {target.finish.rest(axis)}."
    yield from target.finish.notes
    if left_out(lines).any():
        yield "The corners of k-space were left out (elliptical shutter)."
    n_x, covered = lines.encoding.encoded.matrix.x, int(alignment.n_covered.min())
    if covered < n_x - 1:  # a mirrored line on an even matrix always misses one
        yield f"Readouts cover {covered} of {n_x} points of k-space; the rest is {target.finish.rest(-1)}."
    for name, grid, matrix in zip("zyx", target.grid.as_tuple(), target.matrix.as_tuple(), strict=True):
        if grid < matrix:
            yield f"The encoded field of view covers {grid} of {matrix} pixels in {name}; the rest is zero."
