"""Non-Cartesian scans of the synthetic head, exact at every point, as a scanner would send them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.readout import ACQUISITION_HEADER, Readouts
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, anatomy_at, head_phantom, sensitivities_at, signal_at
from tests.recon.trajectories import radial, spiral

N = 64
HEAD = PhantomScan(n_slices=2, n_coils=4, matrix=Zyx(z=1, y=N, x=N), noise=0.0, seed=1)
SPOKES, FEW_SPOKES, SPIRAL = radial(N, 100), radial(N, 30), spiral(N, 16, 500)


def scattered_head(points: Tensor) -> tuple[Readouts, ScanHeader]:
    """Scan the head along interleaves `(interleaf sample axis)`, axes y and x, in cycles per field of view."""
    n_each, n_samples = points.shape[:2]
    samples = np.concatenate([_signal(points, number) for number in range(HEAD.n_slices)])
    heads = np.zeros(HEAD.n_slices * n_each, ACQUISITION_HEADER)
    slices, steps = np.divmod(np.arange(len(heads)), n_each)
    heads["idx"]["slice"], heads["idx"]["kspace_encode_step_1"] = slices, steps
    heads["number_of_samples"], heads["active_channels"] = n_samples, HEAD.n_coils
    heads["trajectory_dimensions"], heads["sample_time_us"] = 2, 5.0
    axes = HEAD.axes()
    heads["read_dir"], heads["phase_dir"], heads["slice_dir"] = axes
    offsets = np.array([HEAD.slice_offset_mm(number) for number in range(HEAD.n_slices)])
    heads["position"] = np.asarray(HEAD.center_mm) + offsets[slices][:, None] * axes[2]
    trajectory = np.tile(points.flip(-1).numpy().astype(np.float32), (HEAD.n_slices, 1, 1))
    return Readouts(heads, samples.astype(np.complex64), trajectory), _header()


def _signal(points: Tensor, number: int) -> npt.NDArray[np.complex128]:
    ky, kx = (points[..., axis].numpy() / HEAD.fov_mm for axis in (0, 1))
    return signal_at(HEAD, number, ky, kx).transpose(1, 0, 2)


def _header() -> ScanHeader:
    _, header = head_phantom(replace(HEAD, matrix=Zyx(z=1, y=8, x=8)))
    encoding = header.encodings[0]
    space = replace(encoding.recon, matrix=HEAD.matrix)
    limits = {"slice": encoding.limits["slice"]}
    return replace(
        header, encodings=(replace(encoding, trajectory="radial", encoded=space, recon=space, limits=limits),)
    )


@cache
def truth() -> tuple[npt.NDArray[np.float64], Tensor]:
    """Give the head's magnitude, coils combined, in both slices `(slice y x)`, and where it is flat and inside."""
    pixels = (np.arange(N) - N // 2) * HEAD.fov_mm / N
    y, x = np.meshgrid(pixels, pixels, indexing="ij")
    coils = np.sqrt((np.abs(sensitivities_at(HEAD, x, y)) ** 2).sum(axis=0))
    images = np.stack([anatomy_at(HEAD, number, x, y) * coils for number in range(HEAD.n_slices)])
    kernel = torch.ones(1, 1, 5, 5) / 25
    flat = torch.from_numpy(images).float()[:, None]
    mean = torch.nn.functional.conv2d(flat, kernel, padding=2)
    spread = torch.nn.functional.conv2d(flat.square(), kernel, padding=2) - mean.square()
    return images, (spread[:, 0] < 1e-3) & (torch.from_numpy(images) > 0.2)
