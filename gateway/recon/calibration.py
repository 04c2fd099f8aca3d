"""Where coils are learned from: a block of k-space without gaps around its centre, for every slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import Encoding, ScanHeader
from gateway.model.readout import Acquisition, Flag, Readouts, mask
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.kspace import KSpace, Sorter, sort_cartesian
from gateway.recon.reference import unlikeness
from gateway.recon.space import Target

CALIBRATION = mask(Flag.IS_PARALLEL_CALIBRATION, Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING)
FEWEST_LINES = 8
"""Less than this tells nothing about coils."""
MIDDLE_LINES = 24
"""Enough to tell how coils see an image of which every line was measured."""

SAME = 1e-3
"""Lengths that differ by less are meant to be the same."""

_FRAME_COUNTERS = ("repetition", "set", "phase", "contrast", "average")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Calibration lines of all slices.

    Parameters
    ----------
    blocks
        By slice: k-space without gaps, its centre at ``n // 2`` of each axis. Shape `(coil z y x)`.
    embedded
        By slice: the lines among these that belong to the image as well. Where they lie in the matrix is ``filled``.
        Empty for a reference of its own.
    note
        Where they come from.
    """

    blocks: Mapping[int, Tensor]
    embedded: Mapping[int, KSpace]
    note: str

    @property
    def middle(self) -> Tensor:
        """The block of the middle slice."""
        return self.blocks[sorted(self.blocks)[len(self.blocks) // 2]]


def find_calibration(
    acquisition: Acquisition, header: ScanHeader, sorter: Sorter, target: Target, *, noise_power: float
) -> Calibration:
    """Take the lines flagged as calibration, else the part of the image's k-space that has no gaps.

    Raises
    ------
    BadScan
        There are not enough of either, for some slice, or a reference does not hold for the image.
    """
    slices = set(sorter.lines.indices[:, -1].tolist())
    space = _calibrated_space(acquisition)
    if space is None:
        own = {int(k.heads["idx"]["slice"][0]): k for k in _first_frames(sorter)}
        note = "the gapless centre of k-space"
        if min(_n_lines(gapless(k)) for k in own.values()) < _least(target) and sorter.lines.n_frames > len(slices):
            own, note = {number: _of_all_frames(sorter, number) for number in slices}, f"{note} of all frames together"
        return _complete(own, slices, target, embedded={}, note=note)
    flagged = [_as_image(run, space) for run in acquisition]
    flagged = [run for run in flagged if len(run)]
    encoding = header.encodings[space] if space < len(header.encodings) else header.encodings[0]
    if header.encodings[0].calibration_mode == "embedded" and encoding is header.encodings[0]:
        by_slice = _reference(flagged, header, encoding)
        return _complete(by_slice, slices, target, embedded=by_slice, note="lines within the scan")
    placed = [_reference(flagged, header, each) for each in placements(flagged, encoding)]
    unlike = [_unlike(each, sorter, target, noise_power) for each in placed]
    found = _complete(placed[int(np.argmin(unlike))], slices, target, embedded={}, note="separate reference lines")
    if min(unlike) > 1:
        raise BadScan(
            "the reference lines do not tell how the coils see the image: their channels stand in another order,"
            " or they were mirrored, or measured over another field of view than the header says"
        )
    return found


def _reference(flagged: Sequence[Readouts], header: ScanHeader, encoding: Encoding) -> dict[int, KSpace]:
    """Sort a reference by slice, and bring it to the image's steps along readouts."""
    wider = _wider(header.encodings[0], encoding)
    lone = replace(encoding, limits={n: each for n, each in encoding.limits.items() if n.startswith("kspace")})
    sorter = sort_cartesian(flagged, replace(header, encodings=(lone,)), recipe="calibration")
    return {int(k.heads["idx"]["slice"][0]): _widened(k, wider) for k in _first_frames(sorter)}


def _unlike(by_slice: Mapping[int, KSpace], sorter: Sorter, target: Target, noise_power: float) -> float:
    """Hold a reference to the middle frame of the image; see `unlikeness`."""
    frame = sorter.lines.n_frames // 2
    kspace = by_slice.get(int(sorter.lines.indices[frame, -1]))
    if kspace is None:
        return 0.0
    filled = sorter.lines.measured(frame, frame + 1)[0]
    return unlikeness(gapless(kspace), sorter.middle_frame(), filled, target=target, noise=noise_power)


def placements(flagged: Sequence[Readouts], encoding: Encoding) -> list[Encoding]:
    """List where the samples of a reference may lie: as its encoding says; if they are as few, without oversampling."""
    recon, encoded = encoding.recon, encoding.encoded
    n_x = round(encoded.matrix.x * recon.fov_mm.x / encoded.fov_mm.x)
    if n_x >= encoded.matrix.x or any(run.samples.shape[-1] != n_x for run in flagged):
        return [encoding]
    matrix, fov_mm = (
        replace(encoded.matrix, x=n_x),
        replace(encoded.fov_mm, x=encoded.fov_mm.x * n_x / encoded.matrix.x),
    )
    return [encoding, replace(encoding, encoded=replace(encoded, matrix=matrix, fov_mm=fov_mm))]


def _calibrated_space(acquisition: Acquisition) -> int | None:
    """Find the encoding space of the lines that are calibration alone: that of the image, else the next; None without.

    A second image of the recording may bring calibration of its own, which must not be mixed in.
    """
    alone = mask(Flag.IS_PARALLEL_CALIBRATION)
    spaces = {int(n) for run in acquisition for n in np.unique(run.heads["encoding_space_ref"][run.flagged(alone)])}
    return min(spaces, default=None)


def _as_image(run: Readouts, space: int) -> Readouts:
    """Copy the calibration lines of a space as if they were lines of one image for each slice."""
    some = run.select(run.flagged(CALIBRATION) & (run.heads["encoding_space_ref"] == space))
    heads = some.heads.copy()
    heads["flags"] &= ~CALIBRATION
    heads["encoding_space_ref"] = 0
    for counter in _FRAME_COUNTERS:
        heads["idx"][counter] = 0
    return replace(some, heads=heads)


def _first_frames(sorter: Sorter) -> list[KSpace]:
    """Sort the first frame of each slice."""
    _, first = np.unique(sorter.lines.indices[:, -1], return_index=True)
    return [sorter.frames(int(frame), int(frame) + 1) for frame in first]


def _of_all_frames(sorter: Sorter, number: int) -> KSpace:
    """Average all frames of a slice: each may have other lines (Breuer 2005, TGRAPPA, doi:10.1002/mrm.20430)."""
    numbers = np.flatnonzero(sorter.lines.indices[:, -1] == number).tolist()
    first, *others = (sorter.frames(frame, frame + 1) for frame in numbers)
    times = first.filled.int()
    for frame in others:
        first.samples.add_(frame.samples)
        times += frame.filled
    mean = first.samples / times.clamp_min(1)[:, None, ..., None]
    return replace(first, samples=mean, filled=times > 0)


def _wider(image: Encoding, reference: Encoding) -> float:
    """Say how many times wider the image's field of view is along readouts than that of its reference.

    Raises
    ------
    BadScan
        Along lines it is wider, too: k-space has another step there, and what is learned does not hold.
    """
    ours, theirs = image.encoded.fov_mm, reference.encoded.fov_mm
    wider = ours.x / theirs.x
    points = reference.encoded.matrix.x * wider
    if abs(ours.y / theirs.y - 1) > SAME or abs(points - round(points)) > SAME * points:
        raise BadScan(f"the reference was measured over {theirs.y} x {theirs.x} mm, the image over {ours.y} x {ours.x}")
    return wider


def _widened(kspace: KSpace, wider: float) -> KSpace:
    """Bring readouts to the steps of another field of view, where one is oversampled and the other is not."""
    n_x = kspace.samples.shape[-1]
    if abs(wider - 1) < SAME:
        return kspace
    images = resize(inverse_fourier(kspace.samples, (-1,)), -1, round(n_x * wider))
    return replace(kspace, samples=fourier(images, (-1,)) * wider**0.5)


def _n_lines(block: Tensor) -> int:
    return block.shape[-2] if block.numel() else 0


def _least(target: Target) -> int:
    return min(FEWEST_LINES, target.grid.y)


def _complete(
    by_slice: Mapping[int, KSpace], slices: set[int], target: Target, *, embedded: Mapping[int, KSpace], note: str
) -> Calibration:
    missing = sorted(slices - set(by_slice))
    if missing:
        raise BadScan(f"slice {missing[0]} has no calibration lines")
    blocks = {number: gapless(by_slice[number]) for number in slices}
    fewest = min(map(_n_lines, blocks.values()))
    if fewest < _least(target):
        raise BadScan(f"{fewest} calibration lines are too few; {_least(target)} are needed at least")
    return Calibration(blocks=blocks, embedded=dict(embedded), note=f"Coils calibrated by {note}.")


def gapless(kspace: KSpace) -> Tensor:
    """Cut the largest block without gaps around the centre out of one frame. Shape `(coil z y x)`."""
    filled = kspace.filled[0].numpy()
    centre_z, centre_y = (n // 2 for n in filled.shape)
    tallest = _span(filled[:, centre_y], centre_z)
    blocks = []
    for first, last in _within(tallest, centre_z):
        inside = np.asarray(filled[first : last + 1].all(axis=0))
        blocks.append(((first, last), _span(inside, centre_y)))
    (z_first, z_last), (y_first, y_last) = max(blocks, key=_area)
    return kspace.samples[0, :, z_first : z_last + 1, y_first : y_last + 1].clone()  # a view would keep the frame


def middle(samples: Tensor) -> Tensor:
    """Cut the middle out of k-space that has every line: as many as a scanner would measure to calibrate coils.

    Parameters
    ----------
    samples
        Shape `(coil z y x)`.
    """
    for axis in (-3, -2):
        samples = resize(samples, axis, min(samples.shape[axis], MIDDLE_LINES))
    return samples


def _within(span: tuple[int, int], centre: int) -> Iterator[tuple[int, int]]:
    """List the spans about a centre within another, from that on: in an ellipse the tallest is the narrowest."""
    first, last = span
    yield span
    while last > centre:
        first, last = min(first + 1, centre), last - 1
        yield first, last


def _area(block: tuple[tuple[int, int], tuple[int, int]]) -> int:
    (z_first, z_last), (y_first, y_last) = block
    return (z_last - z_first + 1) * (y_last - y_first + 1)


def _span(filled: npt.NDArray[np.bool_], centre: int) -> tuple[int, int]:
    """Find the longest run of filled places with the centre at its ``n // 2``; empty as ``(centre, centre - 1)``."""
    before = _run_length(filled[:centre][::-1])
    after = _run_length(filled[centre:])
    n = min(2 * before + 1, 2 * after) if after else 0
    return centre - n // 2, centre - n // 2 + n - 1


def _run_length(filled: npt.NDArray[np.bool_]) -> int:
    gaps = np.flatnonzero(~filled)
    return int(gaps[0]) if len(gaps) else len(filled)
