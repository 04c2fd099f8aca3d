"""Series of frames of one slice that are reconstructed together: repetitions, phases, contrasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.kspace import Progress
from gateway.recon.methods.sense import see
from gateway.recon.parallel import Undersampled, slice_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All frames of one slice.

    Parameters
    ----------
    problem
        Of all frames; its images are `(frame set x z y)`.
    data
        Hybrid space. Shape `(frame coil z y x)`.
    filled
        Which lines were measured. Shape `(frame z y)`.
    """

    problem: Problem
    data: Tensor
    filled: Tensor


def slice_by_slice(
    scan: Undersampled, solve: Callable[[Series], Tensor], *, device: torch.device, progress: Progress
) -> npt.NDArray[np.float32]:
    """Reconstruct the frames of each slice together. Shape `(frame z y x)`, in the order of the scan's frames.

    Parameters
    ----------
    solve
        From a series to its images. Shape `(frame set x z y)`.
    """
    slices = scan.sorter.lines.indices[:, -1]
    pixels = np.empty((len(slices), *scan.target.matrix.as_tuple()), dtype=np.float32)
    numbers = np.unique(slices)
    for done, number in enumerate(numbers, 1):
        frames = np.flatnonzero(slices == number)
        images = to_target(solve(_series(scan, frames, device)), scan.target)
        pixels[frames] = images.mul_(scan.scale).cpu().numpy()
        progress(done / len(numbers), f"reconstructed {done} of {len(numbers)} slices, {len(frames)} frames each")
    return pixels


def _series(scan: Undersampled, frames: npt.NDArray[np.intp], device: torch.device) -> Series:
    each = [slice_of(scan, scan.sorter.frames(frame, frame + 1), 0, device) for frame in frames.tolist()]
    data, filled = torch.stack([one.data for one in each]), torch.stack([one.filled for one in each])
    return Series(problem=cartesian_problem(data, filled, see(each[0], 1).maps), data=data, filled=filled)
