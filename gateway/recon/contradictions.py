"""Heads that contradict the samples: channels of other coils, lines mirrored or shifted, repeats of something else.

Each would make a plausible image that is wrong. A few lines in the middle of k-space, where signal is, tell.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, mask
from gateway.recon.fourier import inverse_fourier
from gateway.recon.kspace import Sorter
from gateway.recon.lines import Ints

NEAR = 8
"""Lines on either side of the centre of k-space that are looked at."""
MIRRORED = 0.1
"""By so much more a line is like the mirror image of its neighbour than like its neighbour, where one was mirrored."""
FEWEST = 3
"""Pairs of neighbours that say so, and a quarter of all, are no chance."""
SHIFTED = 3
"""Samples that echoes may lie apart which the heads put in one place; gradients lag by less."""
REPEATED = 0.006
"""Power of the difference, phase and noise aside, relative to both, of a line that was measured again by the same
counters: another slice has 0.009, a patient who moves by 2 mm 0.005."""
AVERAGED = 0.5
"""The same, phase included, of averages: beyond this they take each other away."""

ENDS = 16
"""Part of a readout at either end that shows how much of a difference is noise."""
BEYOND = 5.0
"""Standard deviations that are no chance."""

_SAME = ("average", "segment")
_CHANNELS = NOT_IMAGING & ~mask(Flag.IS_PARALLEL_CALIBRATION, Flag.IS_NOISE_MEASUREMENT)
"""Readouts with these do not matter: nothing of them comes into the image."""


def check_channels(acquisition: Acquisition) -> None:
    """Refuse readouts of other coils, where the heads tell which channels were on.

    Raises
    ------
    BadScan
        Two readouts have as many channels, but not the same.
    """
    seen: dict[int, bytes] = {}
    for run in acquisition:
        heads = run.heads[~run.flagged(_CHANNELS)]
        heads = heads[heads["channel_mask"].any(axis=1)]
        for index in np.unique(heads["channel_mask"], axis=0, return_index=True)[1]:
            n_coils, on = int(heads["active_channels"][index]), heads["channel_mask"][index].tobytes()
            if seen.setdefault(n_coils, on) != on:
                counter = heads["scan_counter"][index]
                raise BadScan(f"readout {counter} has other channels on than readouts before it, {n_coils} of them")


def check_heads(sorter: Sorter) -> None:
    """Hold what the heads say of lines to the lines themselves.

    Raises
    ------
    BadScan
        Lines were measured in the other direction than the heads say, echoes lie elsewhere, or a line that was measured
        again is another one.
    """
    rows = _central(sorter)
    lines = np.stack([sorter.line(row) for row in rows.tolist()])
    if not np.isfinite(lines).all():
        return  # sorting names the frame
    _refuse_other_repeats(sorter, rows, lines)
    _refuse_shifted(sorter, rows, lines)
    _refuse_mirrored(sorter, rows, torch.from_numpy(lines))


def _central(sorter: Sorter) -> Ints:
    """Find the lines near the centre of k-space in the middle frame, of the partition nearest to it, in their order."""
    lines, frame = sorter.lines, sorter.lines.n_frames // 2
    some = lines.of_frames(frame, frame + 1)
    rows = np.arange(some.start, some.stop)
    away = np.abs(lines.z[some] - lines.partitions.n // 2)
    rows = rows[away == away.min()]
    rows = rows[np.abs(lines.y[rows] - lines.phase_encodes.n // 2) <= NEAR]
    return np.asarray(rows[np.argsort(lines.y[rows], kind="stable")])


def _refuse_other_repeats(sorter: Sorter, rows: Ints, lines: npt.NDArray[np.complex64]) -> None:
    """Say that a place was measured again with something else; every repeat is held to the first."""
    heads = sorter.lines.heads["idx"]
    y, first = np.unique(sorter.lines.y[rows], return_index=True)
    before = first[np.searchsorted(y, sorter.lines.y[rows])]
    for counted in (False, True):
        alike = np.logical_and.reduce([heads[name][rows] == heads[name][rows[before]] for name in _SAME])
        again = np.flatnonzero((before != np.arange(len(rows))) & (alike != counted))
        if not len(again):
            continue
        one, other = lines[before[again]], lines[again]
        apart, but_for_phase = _apart(one, other), _apart(one * _turn(one, other), other)
        if apart > AVERAGED or (but_for_phase > REPEATED and not counted):
            where, line = sorter.lines.name_frame(sorter.lines.n_frames // 2), heads["kspace_encode_step_1"]
            how = "as several averages" if counted else "again by the same counters"
            share = max(apart, but_for_phase)
            raise BadScan(
                f"line {line[rows[again[0]]]} of {where} was measured {how}, and is another one: {share:.1%} of its"
                " power differ; if these are images of their own, no counter says so"
            )


def _refuse_shifted(sorter: Sorter, rows: Ints, lines: npt.NDArray[np.complex64]) -> None:
    """Say that heads put the centre at two samples, and the echo of one lies elsewhere than that of the other."""
    alignment = sorter.alignment
    placed = np.stack([alignment.start[rows], alignment.n_kept[rows], alignment.reverse[rows]], axis=1)
    _, first, kind = np.unique(placed, axis=0, return_index=True, return_inverse=True)
    echoes = [int(np.square(np.abs(lines[kind == n])).sum(axis=(0, 1)).argmax()) for n in range(len(first))]
    for echo, example in zip(echoes[1:], first[1:], strict=True):
        if abs(echo - echoes[0]) > SHIFTED:
            one, other = (sorter.lines.heads[rows[n]] for n in (first[0], example))
            raise BadScan(
                f"readouts {one['scan_counter']} and {other['scan_counter']} put their centres at samples"
                f" {one['center_sample']} and {other['center_sample']}, but their echoes then lie"
                f" {abs(echo - echoes[0])} samples apart"
            )


def _refuse_mirrored(sorter: Sorter, rows: Ints, lines: Tensor) -> None:
    """Say that lines look like mirror images of their neighbours: they were read backward, and no flag says so."""
    profiles = inverse_fourier(lines, (-1,)).abs()
    turned = profiles.flip(-1).roll(1 - profiles.shape[-1] % 2, -1)
    norms = profiles.flatten(1).norm(dim=1)
    scale = (norms[1:] * norms[:-1]).clamp_min(torch.finfo(norms.dtype).tiny)
    alike, mirrored = ((profiles[1:] * each[:-1]).flatten(1).sum(dim=1) / scale for each in (profiles, turned))
    pairs = np.flatnonzero((mirrored > alike + MIRRORED).numpy())
    if len(pairs) >= max(FEWEST, len(alike) // 4):
        one, other = (sorter.lines.heads["scan_counter"][rows[pairs[0] + n]] for n in (0, 1))
        raise BadScan(
            f"readouts {one} and {other} are like mirror images of each other, as are {len(pairs) - 1} more pairs:"
            " some were read backward, and no flag says so"
        )


def _turn(one: npt.NDArray[np.complex64], other: npt.NDArray[np.complex64]) -> np.complex64:
    """Find the phase that another has on top: receivers drift between averages."""
    return np.complex64(np.exp(1j * np.angle(np.vdot(one, other))))


def _apart(one: npt.NDArray[np.complex64], other: npt.NDArray[np.complex64]) -> float:
    """Take the power of a difference relative to both, less what the ends of the readouts show to be noise."""
    difference = np.square(np.abs(one - other), dtype=np.float64)
    n = max(1, difference.shape[-1] // ENDS)
    noise = float(np.concatenate([difference[..., :n], difference[..., -n:]], axis=-1).mean())
    differs = float(difference.mean()) - noise * (1 + BEYOND / math.sqrt(difference.size))
    both = sum(float(np.square(np.abs(each), dtype=np.float64).mean()) for each in (one, other)) - noise
    return max(0.0, differs) / max(both, abs(differs), float(np.finfo(np.float64).tiny))
