"""Echo-planar readouts as the lines of a Cartesian scan; behind this, every Cartesian method can have them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts, mask
from gateway.recon.epi.echoes import REVERSE, Bools, Echoes, Ints, find_echoes, transform_echoes
from gateway.recon.epi.ghost import Ghost, from_entropy, from_navigators
from gateway.recon.fourier import fourier, inverse_fourier

EPI = "epi"
BATCH_BYTES = 64 << 20
NEGLIGIBLE_LAG = 0.02
"""Of a sample."""
NAVIGATOR = mask(Flag.IS_PHASECORR_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Straightened:
    """A scan without echo-planar encodings, and what was done to it."""

    acquisition: Acquisition
    header: ScanHeader
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ghosts:
    """What backward echoes are ahead by, and the lag of the gradient that explains it.

    Parameters
    ----------
    phases
        In radians. Shape `(readout x)`.
    lag
        In samples.
    """

    phases: Tensor
    lag: float


def straighten(acquisition: Acquisition, header: ScanHeader) -> Straightened:
    """Regrid ramp samples, mirror backward lines and correct the Nyquist ghost in every echo-planar encoding.

    Raises
    ------
    BadScan
        Readouts do not fit the timing or the matrix of their encoding, or their channels change.
    """
    notes: tuple[str, ...] = ()
    encodings = list(header.encodings)
    for space, encoding in enumerate(header.encodings):
        if encoding.trajectory.lower() != EPI:
            continue
        of_space = find_echoes(acquisition, space)
        if any(rows.any() for rows in of_space):
            echoes, how = transform_echoes(acquisition, of_space, encoding)
            ghosts, said = _ghosts(echoes)
            if abs(ghosts.lag) > NEGLIGIBLE_LAG:
                del echoes  # before there is a second copy of the scan
                echoes, _ = transform_echoes(acquisition, of_space, encoding, lag=ghosts.lag)
                ghosts = replace(_ghosts(echoes)[0], lag=ghosts.lag)
            others = [run.select(~rows) if rows.any() else run for run, rows in zip(acquisition, of_space, strict=True)]
            acquisition = (*(run for run in others if len(run)), _corrected(echoes, ghosts.phases))
            notes = (*notes, how, said)
        encodings[space] = replace(encoding, trajectory="cartesian")
    return Straightened(
        acquisition=acquisition, header=replace(header, encodings=tuple(encodings)), notes=tuple(dict.fromkeys(notes))
    )


def _ghosts(echoes: Echoes) -> tuple[_Ghosts, str]:
    """Find every readout's correction, and what to say of it."""
    n_readouts, _, n_x = echoes.data.shape
    phases = torch.zeros(n_readouts, n_x, dtype=torch.float64)
    if echoes.backward.all() or not echoes.backward.any():
        said = "All echoes were read in one direction: there is no Nyquist ghost to correct."
        return _Ghosts(phases=phases, lag=0.0), said
    navigators = echoes.flagged(NAVIGATOR)
    blind, slopes = [], []
    for number in np.unique(echoes.heads["idx"]["slice"]):
        rows = np.flatnonzero(echoes.heads["idx"]["slice"] == number)
        block = _blocks(navigators[rows])
        ghosts = _by_blocks(echoes, rows, block) if block.max() >= 0 else None
        if ghosts is None:
            blind.append(int(number))
            ghost = _by_entropy(echoes, rows)
            ghosts = Ghost(slope=ghost.slope.expand(1), offset=ghost.offset.expand(1))
            block = np.zeros_like(block)
        phases[rows] = ghosts.phase(n_x)[np.maximum(block, 0)]
        slopes.append(float(ghosts.slope.median()))
    apart = float(np.median(slopes)) * n_x / (2 * math.pi)
    where = f" in {len(blind)} slices" if len(slopes) > len(blind) > 0 else ""
    source = f"the least entropy{where}, for want of navigators" if blind else f"{int(navigators.sum())} navigators"
    said = f"Nyquist ghost corrected by {source}; echoes lay {abs(apart):.2f} points of k-space apart."
    return _Ghosts(phases=phases, lag=-apart / 2 / echoes.step), said


def _blocks(navigators: Bools) -> Ints:
    """Give each readout of a slice the number of the block of navigators before it, or after it at the start."""
    starts = navigators & ~np.concatenate([[False], navigators[:-1]])
    block = np.cumsum(starts) - 1
    return np.asarray(np.maximum(block, 0) if starts.any() else block)


def _by_blocks(echoes: Echoes, rows: Ints, block: Ints) -> Ghost | None:
    """Fit every block of navigators of a slice; None where one has images of one direction alone. Shape `(block,)`."""
    is_navigator = echoes.flagged(NAVIGATOR)[rows]
    fits = []
    for number in range(int(block.max()) + 1):
        of_block = rows[(block == number) & is_navigator]
        backward = echoes.backward[of_block].tolist()
        if len(set(backward)) == 1:
            return None
        fits.append(from_navigators(echoes.data[of_block], backward))
    return Ghost(slope=torch.stack([f.slope for f in fits]), offset=torch.stack([f.offset for f in fits]))


def _by_entropy(echoes: Echoes, rows: Ints) -> Ghost:
    """Judge by the first image of a slice: its middle partition, the lines of either direction apart."""
    lines = rows[~echoes.flagged(NOT_IMAGING)[rows]]
    idx = echoes.heads["idx"][lines]
    partitions = idx["kspace_encode_step_2"]
    same = partitions == np.sort(partitions)[len(partitions) // 2] if len(partitions) else np.zeros(0, np.bool_)
    for name in ("set", "repetition", "phase", "contrast", "average"):
        same &= idx[name] == idx[name].min(initial=np.iinfo(np.uint16).max)
    lines = lines[same]
    if not len(lines):
        return Ghost(slope=torch.zeros(()), offset=torch.zeros(()))
    y = echoes.heads["idx"]["kspace_encode_step_1"][lines].astype(np.int64)
    kinds = []
    for backward in (False, True):
        chosen = echoes.backward[lines] == backward
        kspace = echoes.data.new_zeros(echoes.data.shape[1], int(y.max()) + 1, echoes.data.shape[2])
        kspace[:, y[chosen]] = echoes.data[lines[chosen]].movedim(0, 1)
        kinds.append(inverse_fourier(kspace, (-2,)))
    return from_entropy(kinds[0], kinds[1])


def _corrected(echoes: Echoes, phases: Tensor) -> Readouts:
    """Take half of the phase from either kind, and go back to k-space."""
    sign = torch.from_numpy(np.where(echoes.backward, -0.5, 0.5))
    step = max(1, BATCH_BYTES // (8 * math.prod(echoes.data.shape[1:])))
    data = echoes.data
    for start in range(0, len(data), step):
        part = slice(start, start + step)
        turn = sign[part, None] * phases[part]
        data[part] = fourier(data[part] * torch.polar(torch.ones_like(turn), turn).to(data.dtype)[:, None], (-1,))
    heads = echoes.heads.copy()
    heads["flags"] &= ~REVERSE
    heads["number_of_samples"], heads["center_sample"] = data.shape[-1], data.shape[-1] // 2
    heads["discard_pre"] = heads["discard_post"] = heads["trajectory_dimensions"] = 0
    return Readouts(heads, data.numpy(), np.zeros((len(heads), data.shape[-1], 0), np.float32))
