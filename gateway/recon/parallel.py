"""What the methods for undersampled Cartesian scans share: frames in hybrid space, each with its calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import Cartesian, Combining, Compressing, Unfolding
from gateway.recon.calibration import Calibration, find_calibration
from gateway.recon.coil_maps import Seen, maps_for, see
from gateway.recon.compression import Compression, by_svd, geometric, turned, unturned
from gateway.recon.contradictions import check_heads
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
from gateway.recon.smooth import normalised
from gateway.recon.space import Target, target_of
from gateway.recon.workplace import Workplace

WORK = 6
"""Memory that bringing k-space to hybrid space takes, in multiples of it."""
SMALLEST_RIDGE, LARGEST_RIDGE = 1e-6, 1.0
"""What rounding asks for, and as much as the calibration itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undersampled:
    """An undersampled scan that is understood: its pattern, its calibration, its noise.

    Parameters
    ----------
    scales
        By slice: its data are divided by it on the way in, and images multiplied on the way out, since exports range
        from 1e-9 to 5e13. Each slice has its own, so that none waits for another.
    noise_power
        Variance of the noise of a complex sample before that, the same for all coils.
    compression
        Virtual coils; None to leave them as they are.
    source
        What it is of.
    """

    source: Scan
    sorter: Sorter
    target: Target
    lattice: Lattice
    calibration: Calibration
    scales: Mapping[int, float]
    noise_power: float
    compression: Compression | None

    def slice_of(self, number: int) -> int:
        """Give the slice of a frame."""
        return int(self.sorter.lines.indices[number, -1])

    def filled_lines(self, number: int) -> npt.NDArray[np.bool_]:
        """Say which lines of a frame there are, calibration that belongs to it included. Shape `(z y)`."""
        filled = self.sorter.lines.measured(number, number + 1)[0]
        extra = self.embedded_in(number)
        return np.asarray(filled if extra is None else filled | extra.filled[0].numpy())

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
    power
        Of the samples of each line, the mean over coils and positions. Shape `(frame z y)`.
    spread
        Standard deviation of the noise of a sample, where 1 is that of the scan; zero where none was measured.
        K-space; shape `(frame 1 z y x)`. Empty where nobody asks for noise.
    block
        Calibration, without gaps. Shape `(coil z y x)`.
    numbers
        Of the frames, within the scan.
    seeds
        For what is drawn at random: each frame has its own, by its place in the scan. Shape `(frame,)`.
    scale
        By which the samples of the slice were divided.
    noise_power
        Variance of the noise of a complex sample after that, the same for all coils.
    replica
        Whether noise was added, so that nothing that is known of the frames holds.
    turned
        Virtual coils that differ along the readout; None where they are the same everywhere. Shape `(x virtual coil)`.
    """

    data: Tensor
    filled: Tensor
    power: Tensor
    spread: Tensor
    block: Tensor
    numbers: tuple[int, ...]
    seeds: Tensor
    scale: float
    noise_power: float
    replica: bool = False
    turned: Tensor | None = None

    def see(self, recipe: Unfolding) -> Seen:
        """Estimate sensitivities and brightness, as `coil_maps.see`.

        Virtual coils that turn along the readout have no phase in common: what one of them sees everywhere, none does.
        So the real ones are asked, of which they hold nearly all.
        """
        lines = self.filled.shape[1:]
        if self.turned is None:
            return see(self.block, lines, recipe)
        seen = see(unturned(self.block, self.turned), lines, recipe)
        return replace(seen, maps=turned(seen.maps, self.turned))

    def combining_maps(self, target: Target, recipe: Combining) -> Tensor | None:
        """Estimate sensitivities to combine coil images by, as `coil_maps.maps_for`; None for the sum of squares."""
        if self.turned is None or recipe.combines_by is None:
            return maps_for(self.block, target, recipe)
        maps = maps_for(unturned(self.block, self.turned), target, recipe)
        return maps if maps is None else normalised(turned(maps, self.turned), axis=0)

    def ridge(self, asked: float | None, *, times: float = 1.0) -> float:
        """Say how much a kernel is held down that calibration teaches, relative to the power of that.

        Parameters
        ----------
        asked
            By the recipe; None for what the noise of the calibration asks for, so many times its share of the power.
        """
        if asked is not None:
            return asked
        power = float(torch.linalg.vector_norm(torch.view_as_real(self.block))) ** 2 / self.block.numel()
        return min(LARGEST_RIDGE, max(SMALLEST_RIDGE, times * self.noise_power / power))

    def at(self, some: slice, device: torch.device) -> Group:
        """Take the data at some positions x to a device."""
        data, filled, power = (each.to(device) for each in (self.data[..., some], self.filled, self.power))
        return replace(self, data=data, filled=filled, power=power)


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
    survey = scan.once("survey", lambda: _survey(scan, recipe.method), lambda found: found.nbytes)
    lattice = find_lattice(survey.sorter.lines) if regular else EVERY_LINE
    calibration = survey.calibration
    scales = {number: _peak(block) for number, block in calibration.blocks.items()}
    if min(scales.values()) == 0:
        raise BadScan("the calibration lines of a slice are zero")
    return Undersampled(
        source=scan,
        sorter=survey.sorter,
        target=finished_target(recipe, survey.sorter, lambda: calibration.middle),
        lattice=lattice,
        calibration=calibration,
        scales=scales,
        noise_power=survey.noise_power,
        compression=_compression(recipe, list(calibration.blocks.values()), survey.sorter.lines.n_coils, survey.target),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    """What holds of a scan whatever is made of it."""

    sorter: Sorter
    target: Target
    calibration: Calibration
    noise_power: float

    @property
    def nbytes(self) -> int:
        """Say how much memory it takes beside the readouts."""
        kept = self.calibration
        samples = [*kept.blocks.values(), *(each.samples for each in kept.embedded.values())]
        return sum(each.nbytes for each in samples)


def _survey(scan: Scan, method: str) -> _Survey:
    sorter = sort_cartesian(scan.acquisition, scan.header, recipe=method)
    target = target_of(sorter.lines.encoding)
    check_coils(sorter)
    check_heads(sorter)
    noise_power = noise_power_of(scan, sorter, target)
    return _Survey(
        sorter=sorter,
        target=target,
        calibration=find_calibration(scan.acquisition, scan.header, sorter, target, noise_power=noise_power),
        noise_power=noise_power,
    )


def _peak(block: Tensor) -> float:
    return float(block.abs().max()) if block.numel() else 0.0


def _compression(recipe: Cartesian, blocks: list[Tensor], n_coils: int, target: Target) -> Compression | None:
    if not isinstance(recipe, Compressing) or recipe.virtual_coils is None or recipe.virtual_coils >= n_coils:
        return None
    if recipe.compression == "geometric":
        return geometric(blocks, recipe.virtual_coils, target)
    return by_svd(blocks, recipe.virtual_coils)


def group_of(
    scan: Undersampled, numbers: list[int], place: Workplace, *, home: torch.device | None = None, noise: bool = False
) -> Group:
    """Bring frames of one slice to hybrid space, with its calibration.

    Parameters
    ----------
    home
        Where all of it is kept; None for where it is worked on.
    noise
        Say how noisy each sample is.
    """
    home = home or place.device
    at = scan.slice_of(numbers[0])
    scale = scan.scales[at]
    frames = (_brought(scan, number, place, home=home, noise=noise) for number in numbers)
    data, filled, spread = zip(*frames, strict=True)
    return Group(
        data=torch.stack(data) if len(data) > 1 else data[0][None],
        filled=torch.stack(filled).to(home),
        power=torch.stack([line_power(one) for one in data]),
        spread=torch.stack(spread).to(home),
        block=_hybrid(scan, scan.calibration.blocks[at], scale, place, home),
        numbers=tuple(numbers),
        seeds=torch.tensor([_seed(scan.sorter.lines.indices[number]) for number in numbers]),
        scale=scale,
        noise_power=scan.noise_power / scale**2,
        turned=_turned(scan.compression, home),
    )


def _turned(compression: Compression | None, home: torch.device) -> Tensor | None:
    return None if compression is None or not compression.turns else compression.coils.to(home)


def _seed(indices: npt.NDArray[np.integer[Any]]) -> int:
    """Make a number of the place of a frame in its scan, which stays when a frame is reconstructed alone."""
    return int(np.random.SeedSequence(indices.tolist()).generate_state(1)[0])


def _brought(
    scan: Undersampled, number: int, place: Workplace, *, home: torch.device, noise: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Bring one frame to hybrid space, and say which lines it has and how noisy its samples are."""
    samples, filled = _frame(scan, number)
    spread = spread_of(scan.sorter.lines, number, samples) if noise else samples.new_empty(0).real
    scale = scan.scales[scan.slice_of(number)]
    if bool(filled.all()):
        return _hybrid(scan, samples, scale, place, home), filled, spread
    measured = samples[:, filled].unsqueeze(1)
    del samples  # one form of k-space in memory is enough
    few = _hybrid(scan, measured, scale, place, home)
    hybrid = few.new_zeros((len(few), *filled.shape, few.shape[-1]))
    hybrid[:, filled.to(home)] = few[:, 0]
    return hybrid, filled, spread


def line_power(hybrid: Tensor) -> Tensor:
    """Take the mean power of the samples of every line of one frame, over coils and positions. Shape `(z y)`."""
    n_coils, *_, n_x = hybrid.shape
    values = torch.view_as_real(hybrid).flatten(-2)  # of complex ones the norm takes 25 times as long
    power: Tensor = torch.linalg.vector_norm(values, dim=-1).square().sum(dim=0)
    return power / (n_coils * n_x)


def _frame(scan: Undersampled, number: int) -> tuple[Tensor, Tensor]:
    """Sort one frame, its calibration lines included where they belong to it."""
    kspace = scan.sorter.frames(number, number + 1)
    samples, filled = kspace.samples[0], kspace.filled[0]
    extra = scan.embedded_in(number)
    if extra is not None:
        also = extra.filled[0] & ~filled
        samples[:, also] = extra.samples[0][:, also]
        filled = filled | also
    return samples, filled


def _hybrid(scan: Undersampled, samples: Tensor, scale: float, place: Workplace, home: torch.device) -> Tensor:
    """Bring k-space `(coil z y x)` to hybrid space of virtual coils and to the unit of methods, in pieces."""
    n_coils, n_z, n_y, _ = samples.shape
    n_virtual = n_coils if scan.compression is None else scan.compression.coils.shape[-2]
    hybrid = torch.empty((n_virtual, n_z, n_y, scan.target.matrix.x), dtype=samples.dtype, device=home)
    if scan.compression is None:
        for at in place.pieces(n_coils, WORK * samples[0].nbytes):
            hybrid[at] = to_hybrid(samples[at].to(place.device), scan.target) / scale
    else:
        for at in place.pieces(n_z * n_y, WORK * samples[:, 0, 0].nbytes):
            some = samples.flatten(1, 2)[:, None, at].to(place.device)
            hybrid.view(n_virtual, 1, n_z * n_y, -1)[:, :, at] = scan.compression.to_hybrid(some, scan.target) / scale
    return hybrid


def noisier(scan: Undersampled, group: Group, random: torch.Generator) -> Group:
    """Add noise of the samples' own power, independent of theirs."""
    _, n_coils, n_z, n_y, _ = group.data.shape
    like = group.data.new_empty((len(group.data), n_coils, n_z, n_y, group.spread.shape[-1]))
    noise = white_noise(like, group.noise_power, random) * group.spread
    return replace(group, data=group.data + to_hybrid(noise, scan.target), replica=True)


def series_of(album: Album, scan: Undersampled, notes: tuple[str, ...]) -> tuple[ImageSeries, ...]:
    """Join images with their places, and say how they were made."""
    return cartesian_series(album, scan.sorter, scan.target, (*notes, *scan.notes))
