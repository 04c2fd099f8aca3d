"""What a network is given of undersampled slices: measured lines, sensitivities, and what SENSE makes of them.

Everything is `(batch x y)`: readouts are transformed already, lines lie along the last axis and are what was left out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from gateway.recon.coil_maps import Seen
from gateway.recon.operators import Operator, fourier_along, sampled, sensitivities
from gateway.recon.parallel import Group
from gateway.recon.sense import Unfolding, solve_exactly

BRIGHT = 0.98
"""Quantile of the expected brightness that is 1 in a network's units."""
ROUNDING = 1e-6
"""Noise power that single precision makes by itself, relative to the brightest pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Some slices with as many coils, and the same matrix.

    Parameters
    ----------
    data
        K-space along y, zero where nothing was measured. Complex. Shape `(batch coil x y)`.
    filled
        1 where a line was measured, else 0. Shape `(batch y)`.
    maps
        Sensitivities, of norm 1 or less. Complex. Shape `(batch coil x y)`.
    start
        A conventional image. Complex. Shape `(batch x y)`.
    brightness
        Expected magnitude of each pixel, from calibration. Shape `(batch x y)`.
    noise
        Standard deviation of a complex sample. Shape `(batch,)`.
    seed
        Each frame's own; whatever is drawn at random follows from it. Shape `(batch,)`.
    """

    data: Tensor
    filled: Tensor
    maps: Tensor
    start: Tensor
    brightness: Tensor
    noise: Tensor
    seed: Tensor

    @property
    def encoding(self) -> Operator:
        """From images `(batch x y)` to the samples of measured lines `(batch coil x y)`."""
        return sampled(self.filled[:, None, None]) @ self.transform

    @property
    def transform(self) -> Operator:
        """From images `(batch x y)` to k-space of every line `(batch coil x y)`."""
        seen = fourier_along((-1,)) @ sensitivities(self.maps[:, None, :, None])
        return Operator(
            lambda images: seen.apply(images[:, None, None])[:, :, 0],
            lambda kspace: seen.adjoint(kspace[:, :, None])[:, 0, 0],
        )

    def cropped(self, x: slice) -> Self:
        """Keep some positions along readouts, where every one is a problem of its own."""
        return replace(
            self,
            data=self.data[:, :, x],
            maps=self.maps[:, :, x],
            start=self.start[:, x],
            brightness=self.brightness[:, x],
        )

    def to(self, device: torch.device) -> Self:
        """Take everything to a device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def with_data(self, data: Tensor, filled: Tensor, start: Tensor) -> Self:
        """Give other measured lines of the same slices."""
        return replace(self, data=data, filled=filled, start=start)


def observe(group: Group, seen: Seen, noise_power: float) -> Observed:
    """Bring frames of one slice, of two encoded dimensions, to what networks are given."""
    floor = max(noise_power, ROUNDING * float(seen.prior.max()))
    starts = [_unfolded(group, seen, floor, frame) for frame in range(len(group.data))]
    n_frames = len(starts)
    return Observed(
        data=(group.data[:, :, 0] * group.filled[:, None, 0, :, None]).transpose(-2, -1),
        filled=group.filled[:, 0].to(seen.prior.dtype),
        maps=seen.maps[:1, :, 0].transpose(-2, -1).expand(n_frames, -1, -1, -1),
        start=torch.stack(starts),
        brightness=seen.prior[:1, 0].transpose(-2, -1).sqrt().expand(n_frames, -1, -1),
        noise=seen.prior.new_full((n_frames,), noise_power**0.5),
        seed=group.seeds,
    )


def _unfolded(group: Group, seen: Seen, noise_power: float, frame: int) -> Tensor:
    problem = Unfolding(
        data=group.data[frame] * group.filled[frame, None, :, :, None],
        filled=group.filled[frame],
        maps=seen.maps[:1],
        prior=seen.prior[:1],
        noise_power=noise_power,
    )
    return solve_exactly(problem)[0, 0].transpose(-2, -1)


def in_own_units(seen: Observed) -> tuple[Observed, Tensor]:
    """Make bright parts 1 and the image's mean phase 0, so that neither scale nor phase of a scan matters to a network.

    Returns
    -------
        What was observed in these units, and the unit, by which images have to be multiplied. Shape `(batch 1 1)`.
    """
    unit = (bright_part(seen.brightness) * mean_phase(seen.start))[:, None, None]
    return in_units(seen, unit), unit


def bright_part(brightness: Tensor) -> Tensor:
    """Say how bright the bright parts of slices are; never 0. From `(batch x y)` to `(batch,)`."""
    bright = torch.quantile(brightness.flatten(1), BRIGHT, dim=1)
    return bright.clamp_min(torch.finfo(bright.dtype).tiny ** 0.5)


def mean_phase(images: Tensor) -> Tensor:
    """Give the phase of the bright parts of images, as numbers of size 1. From `(batch x y)` to `(batch,)`."""
    turned = torch.sgn((images * images.abs()).sum(dim=(1, 2)))
    return torch.where(turned == 0, 1, turned)


def in_units(seen: Observed, unit: Tensor) -> Observed:
    """Divide by a complex unit of shape `(batch 1 1)`."""
    return replace(
        seen,
        data=seen.data / unit[:, None],
        start=seen.start / unit,
        brightness=seen.brightness / unit.abs(),
        noise=seen.noise / unit[:, 0, 0].abs(),
    )


def joined(parts: list[Observed]) -> Observed:
    """Make one batch of several of the same shape."""
    return Observed(
        **{field.name: torch.cat([getattr(one, field.name) for one in parts]) for field in fields(Observed)}
    )
