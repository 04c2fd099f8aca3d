"""What the methods for undersampled Cartesian scans share: frames in hybrid space, each with its calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.recon.calibration import Calibration, compression, find_calibration
from gateway.recon.hybrid import to_hybrid
from gateway.recon.kspace import KSpace, Progress, Sorter, sort_cartesian
from gateway.recon.lattice import EVERY_LINE, Lattice, find_lattice
from gateway.recon.noise import estimate_noise, measure_noise, power_scale
from gateway.recon.series import magnitude_series
from gateway.recon.space import Target, target_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undersampled:
    """An undersampled scan that is understood: its pattern, its calibration, its noise.

    Parameters
    ----------
    scale
        The data are divided by it on the way in, and images multiplied on the way out: exports range from 1e-9 to 5e13.
    noise_power
        Variance of the noise of a complex sample after that, the same for all coils.
    coils
        Virtual coils in terms of the real ones; None to leave them. Shape `(virtual coil)`.
    """

    sorter: Sorter
    target: Target
    lattice: Lattice
    calibration: Calibration
    scale: float
    noise_power: float
    coils: Tensor | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the series should know of it."""
        virtual = () if self.coils is None else (f"{self.coils.shape[1]} coils compressed to {self.coils.shape[0]}.",)
        n_times = self.lattice.acceleration
        pattern = (f"Acceleration {n_times}.",) if n_times > 1 else ()
        return (*pattern, self.calibration.note, *virtual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One frame in hybrid space.

    Parameters
    ----------
    data
        Zero where nothing was measured. Shape `(coil z y x)`.
    filled
        Which lines were measured, calibration lines that belong to the image included. Shape `(z y)`.
    block
        Calibration, without gaps. Shape `(coil z y x)`.
    """

    data: Tensor
    filled: Tensor
    block: Tensor


def understand(
    acquisition: Acquisition, header: ScanHeader, *, recipe: str, n_virtual: int | None = None, regular: bool = True
) -> Undersampled:
    """Find out how a scan was undersampled, and with what it is calibrated.

    Parameters
    ----------
    regular
        Refuse lines that are left out in no regular pattern; without it, any pattern will do.

    Raises
    ------
    BadScan
        It is not Cartesian, lines are missing from its pattern, or there is too little calibration.
    """
    sorter = sort_cartesian(acquisition, header, recipe=recipe)
    target = target_of(sorter.lines.encoding)
    lattice = find_lattice(sorter.lines) if regular else EVERY_LINE
    calibration = find_calibration(acquisition, header, sorter, target)
    blocks = list(calibration.blocks.values())
    scale = max((float(block.abs().max()) for block in blocks if block.numel()), default=0.0)
    if scale == 0:
        raise BadScan("there are no calibration lines, or they are zero")
    fewer = n_virtual is not None and n_virtual < sorter.lines.n_coils
    return Undersampled(
        sorter=sorter,
        target=target,
        lattice=lattice,
        calibration=calibration,
        scale=scale,
        noise_power=_noise_power(acquisition, header, sorter) / scale**2,
        coils=compression(blocks, n_virtual) if fewer and n_virtual else None,
    )


def _noise_power(acquisition: Acquisition, header: ScanHeader, sorter: Sorter) -> float:
    """Take the noise readouts, else the outermost samples of the middle frame."""
    noise = measure_noise(acquisition, header)
    if noise is not None and len(noise.matrix) == sorter.lines.n_coils:
        dwell_time_us = float(sorter.lines.heads["sample_time_us"][0])
        return float(np.diagonal(noise.matrix).real.mean()) * power_scale(noise, dwell_time_us=dwell_time_us)
    kspace = sorter.frames(middle := sorter.lines.n_frames // 2, middle + 1)
    measured = kspace.samples[0].permute(1, 2, 0, 3)[kspace.filled[0]]
    edges = measured[:2].flatten(), measured[-2:].flatten()
    found = torch.cat([edge[edge != 0] for edge in edges])
    return max(estimate_noise(found) ** 2, float(found.abs().square().mean()) * 1e-12)


def frame_by_frame(
    scan: Undersampled,
    learn: Callable[[Slice], T],
    unfold: Callable[[Slice, T], Tensor],
    *,
    device: torch.device,
    progress: Progress,
) -> npt.NDArray[np.float32]:
    """Learn from the calibration of each slice once, and unfold every frame with it. Shape `(frame z y x)`.

    Parameters
    ----------
    unfold
        To the magnitude of the recon matrix. Shape `(z y x)`.
    """
    lines, learned = scan.sorter.lines, dict[int, T]()
    pixels = np.empty((lines.n_frames, *scan.target.matrix.as_tuple()), dtype=np.float32)
    done = 0
    for kspace in scan.sorter.batches():
        for one in range(len(kspace.heads)):
            number = int(kspace.heads["idx"]["slice"][one])
            frame = slice_of(scan, kspace, one, device)
            if number not in learned:
                learned[number] = learn(frame)
            pixels[done] = unfold(frame, learned[number]).mul_(scan.scale).cpu().numpy()
            done += 1
            progress(done / lines.n_frames, f"reconstructed {done} of {lines.n_frames} frames")
    return pixels


def slice_of(scan: Undersampled, kspace: KSpace, one: int, device: torch.device) -> Slice:
    """Bring one frame of a batch to hybrid space, with the calibration of its slice."""
    number = int(kspace.heads["idx"]["slice"][one])
    samples, filled = kspace.samples[one].to(device), kspace.filled[one].to(device)
    block = scan.calibration.blocks[number].to(device) / scan.scale
    extra = scan.calibration.embedded.get(number)
    if extra is not None and scan.sorter.lines.n_frames == len(scan.calibration.blocks):
        also = extra.filled[0].to(device) & ~filled
        samples = torch.where(also[..., None], extra.samples[0].to(device), samples)
        filled = filled | also
    samples = samples / scan.scale
    if scan.coils is not None:
        coils = scan.coils.to(device)
        samples, block = (torch.tensordot(coils, each, dims=1) for each in (samples, block))
    return Slice(data=to_hybrid(samples, scan.target), filled=filled, block=to_hybrid(block, scan.target))


def series_of(pixels: npt.NDArray[np.float32], scan: Undersampled, notes: tuple[str, ...]) -> ImageSeries:
    """Join images with their places, and say how they were made."""
    series = magnitude_series(pixels, scan.sorter, scan.target, (*notes, *scan.notes))
    return replace(series, n_coils=scan.sorter.lines.n_coils)
