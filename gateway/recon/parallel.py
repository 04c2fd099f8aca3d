"""What the methods for undersampled Cartesian scans share: frames in hybrid space, each with its calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import Cartesian, Compressing
from gateway.recon.calibration import Calibration, find_calibration
from gateway.recon.compression import Compression, by_svd, geometric
from gateway.recon.coverage import finished_target
from gateway.recon.hybrid import to_hybrid
from gateway.recon.kspace import KSpace, Sorter, sort_cartesian
from gateway.recon.lattice import EVERY_LINE, Lattice, find_lattice
from gateway.recon.pictures import Album
from gateway.recon.replicas import white_noise
from gateway.recon.sample_noise import noise_power_of, spread_of
from gateway.recon.scan import Scan
from gateway.recon.series import cartesian_series
from gateway.recon.silence import check_coils
from gateway.recon.space import Target, target_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Undersampled:
    """An undersampled scan that is understood: its pattern, its calibration, its noise.

    Parameters
    ----------
    scale
        The data are divided by it on the way in, and images multiplied on the way out: exports range from 1e-9 to 5e13.
    noise_power
        Variance of the noise of a complex sample after that, the same for all coils.
    compression
        Virtual coils; None to leave them as they are.
    """

    sorter: Sorter
    target: Target
    lattice: Lattice
    calibration: Calibration
    scale: float
    noise_power: float
    compression: Compression | None

    def slice_of(self, number: int) -> int:
        """Give the slice of a frame."""
        return int(self.sorter.lines.indices[number, -1])

    def filled_lines(self, number: int) -> npt.NDArray[np.bool_]:
        """Say which lines of a frame of a 2D scan there are, calibration that belongs to it included. Shape `(y,)`."""
        filled = self.sorter.lines.measured(number, number + 1)[0, 0]
        extra = self.embedded_in(number)
        return np.asarray(filled if extra is None else filled | extra.filled[0, 0].numpy())

    def embedded_in(self, number: int) -> KSpace | None:
        """Give the calibration lines that belong to the image of a frame."""
        if self.sorter.lines.n_frames != len(self.calibration.blocks):
            return None
        return self.calibration.embedded.get(self.slice_of(number))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the series should know of it."""
        virtual = () if self.compression is None else (self.compression.note,)
        n_times = self.lattice.acceleration
        pattern = (f"Acceleration {n_times}.",) if n_times > 1 else ()
        return (*pattern, self.calibration.note, *virtual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Frames of one slice in hybrid space.

    Parameters
    ----------
    data
        Zero where nothing was measured. Shape `(frame coil z y x)`.
    filled
        Which lines were measured, calibration lines that belong to the image included. Shape `(frame z y)`.
    spread
        Standard deviation of the noise of a sample, where 1 is that of the scan; zero where none was measured.
        K-space; shape `(frame 1 z y x)`. Empty where nobody asks for noise.
    block
        Calibration, without gaps. Shape `(coil z y x)`.
    """

    data: Tensor
    filled: Tensor
    spread: Tensor
    block: Tensor


def understand(scan: Scan, recipe: Cartesian, *, regular: bool = True) -> Undersampled:
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
    sorter = sort_cartesian(scan.acquisition, scan.header, recipe=recipe.method)
    target = target_of(sorter.lines.encoding)
    lattice = find_lattice(sorter.lines) if regular else EVERY_LINE
    check_coils(sorter)
    calibration = find_calibration(scan.acquisition, scan.header, sorter, target)
    blocks = list(calibration.blocks.values())
    scale = max((float(block.abs().max()) for block in blocks if block.numel()), default=0.0)
    if scale == 0:
        raise BadScan("there are no calibration lines, or they are zero")
    return Undersampled(
        sorter=sorter,
        target=finished_target(recipe, sorter, lambda: calibration.middle),
        lattice=lattice,
        calibration=calibration,
        scale=scale,
        noise_power=noise_power_of(scan, sorter, target) / scale**2,
        compression=_compression(recipe, blocks, sorter.lines.n_coils, target),
    )


def _compression(recipe: Cartesian, blocks: list[Tensor], n_coils: int, target: Target) -> Compression | None:
    if not isinstance(recipe, Compressing) or recipe.virtual_coils is None or recipe.virtual_coils >= n_coils:
        return None
    if recipe.compression == "geometric":
        return geometric(blocks, recipe.virtual_coils, target)
    return by_svd(blocks, recipe.virtual_coils)


def group_of(scan: Undersampled, numbers: list[int], device: torch.device, *, noise: bool) -> Group:
    """Bring frames of one slice to hybrid space, with its calibration; with ``noise``, say how noisy each sample is."""
    samples, filled = (torch.stack(each) for each in zip(*(_frame(scan, n, device) for n in numbers), strict=True))
    named = zip(numbers, samples, strict=True) if noise else ()
    spread = [spread_of(scan.sorter.lines, number, frame) for number, frame in named]
    block = scan.calibration.blocks[scan.slice_of(numbers[0])].to(device) / scan.scale
    samples = samples / scan.scale
    bring = to_hybrid if scan.compression is None else scan.compression.to_hybrid
    return Group(
        data=bring(samples, scan.target),
        filled=filled,
        spread=torch.stack(spread) if spread else samples.new_empty(0).real,
        block=bring(block, scan.target),
    )


def _frame(scan: Undersampled, number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Sort one frame, its calibration lines included where they belong to it."""
    kspace = scan.sorter.frames(number, number + 1).to(device)
    samples, filled = kspace.samples[0], kspace.filled[0]
    extra = scan.embedded_in(number)
    if extra is not None:
        also = extra.filled[0].to(device) & ~filled
        samples = torch.where(also[..., None], extra.samples[0].to(device), samples)
        filled = filled | also
    return samples, filled


def noisier(scan: Undersampled, group: Group, random: torch.Generator) -> Group:
    """Add noise of the samples' own power, independent of theirs."""
    _, n_coils, n_z, n_y, _ = group.data.shape
    like = group.data.new_empty((len(group.data), n_coils, n_z, n_y, group.spread.shape[-1]))
    noise = white_noise(like, scan.noise_power, random) * group.spread
    return replace(group, data=group.data + to_hybrid(noise, scan.target))


def series_of(album: Album, scan: Undersampled, notes: tuple[str, ...]) -> tuple[ImageSeries, ...]:
    """Join images with their places, and say how they were made."""
    return cartesian_series(album, scan.sorter, scan.target, (*notes, *scan.notes))
