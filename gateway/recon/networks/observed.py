"""What a network is given of undersampled k-space: measured lines, sensitivities, and what SENSE makes of them.

Everything is `(batch *space)`. Of slices that is `(batch x y)`: readouts are transformed already, lines lie along the
last axis and are what was left out. Of a slab each position along the readout is a plane of its own, `(batch z y)`,
both of whose axes are k-space; or all are a volume, `(batch x z y)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from gateway.recon.cartesian_problem import normal_operator
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import ROUNDING, Unfolded, exactly
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.operators import Map, Operator, sampled
from gateway.recon.parallel import Group
from gateway.recon.solvers import Stop, conjugate_gradient

BRIGHT = 0.98
"""Quantile of the expected brightness that is 1 in a network's units."""
MOST_VALUES = 1 << 22
"""So many values at the most tell what is bright: of a slab, every so-many-th."""
IN_PLANES = Stop(steps=30, tolerance=1e-3)
"""Of conjugate gradients for SENSE, where a system is too large to be factorised."""
UNSEEN = 1e-6
"""Share of the energy of sensitivities that solvers may leave out: single precision knows it no better."""
SPREAD = 2654435761
"""By which seeds of neighbouring planes lie apart; odd, so that no two of a slab are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Some slices or planes with as many coils, and the same matrix.

    Parameters
    ----------
    data
        K-space along the encoded axes, zero where nothing was measured. Complex. Shape `(batch coil *space)`.
    filled
        1 where a line was measured, else 0; of length 1 along axes that are no k-space. Shape `(batch *space)`.
    maps
        Sensitivities, of norm 1 or less. Complex. Shape `(batch coil *space)`.
    start
        A conventional image. Complex. Shape `(batch *space)`.
    brightness
        Expected magnitude of each pixel, from calibration. Shape `(batch *space)`.
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
    def axes(self) -> tuple[int, ...]:
        """The axes that are k-space."""
        return tuple(axis for axis in range(1 - self.filled.ndim, 0) if self.filled.shape[axis] > 1)

    @property
    def encoding(self) -> Operator:
        """From images `(batch *space)` to the samples of measured lines `(batch coil *space)`."""
        return sampled(self.filled[:, None]) @ self.transform

    @property
    def transform(self) -> Operator:
        """From images `(batch *space)` to k-space of every line `(batch coil *space)`."""
        return Operator(
            lambda images: fourier(self.maps * images[:, None], self.axes),
            lambda kspace: (self.maps.conj() * inverse_fourier(kspace, self.axes)).sum(dim=1),
        )

    def normal(self) -> Map:
        """Build ``A^H A`` of the encoding, for solvers: from images `(batch *space)` to such images.

        Of as few turned coils as see all, at each place along the axes that are no k-space, and without shifts.
        """
        n_z, n_y = self.filled.shape[-2:]
        maps = self.maps.movedim(1, 0).reshape(1, self.maps.shape[1], -1, n_z, n_y)
        weights = self.filled.square()
        alike = bool((weights == weights[:1]).all())
        weights = weights[:1] if alike else weights.expand_as(self.maps[:, 0])
        whole = normal_operator(maps, weights.reshape(1, -1, n_z, n_y), UNSEEN)
        return lambda images: whole(images.reshape(-1, 1, *maps.shape[2:])).reshape(images.shape)

    def at(self, some: slice) -> Self:
        """Take some of the batch."""
        return replace(self, **{field.name: getattr(self, field.name)[some] for field in fields(self)})

    def to(self, device: torch.device) -> Self:
        """Take everything to a device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def of_each(values: Tensor, like: Tensor) -> Tensor:
    """Lay a value of each frame out so that it counts for all of its pixels. From `(batch,)` to `(batch 1 ...)`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def observe(group: Group, seen: Seen, noise_power: float, unfolded: Unfolded = exactly) -> Observed:
    """Bring frames of one slice, of two encoded dimensions, to what networks are given.

    Parameters
    ----------
    unfolded
        How a frame is unfolded, or what recalls that it was.
    """
    starts = [unfolded(group, seen, frame, noise_power).transpose(-2, -1) for frame in range(len(group.data))]
    n_frames = len(starts)
    return Observed(
        data=(group.data[:, :, 0] * group.filled[:, None, 0, :, None]).transpose(-2, -1),
        filled=group.filled.to(seen.prior.dtype),
        maps=seen.maps[:1, :, 0].transpose(-2, -1).expand(n_frames, -1, -1, -1),
        start=torch.stack(starts),
        brightness=seen.prior[:1, 0].transpose(-2, -1).sqrt().expand(n_frames, -1, -1),
        noise=seen.prior.new_full((n_frames,), noise_power**0.5),
        seed=group.seeds,
    )


def observe_planes(
    group: Group, seen: Seen, places: Tensor, begin: Callable[[Observed], Tensor] | None = None
) -> Observed:
    """Bring positions along the readout of one frame of a slab to what networks are given, each a plane.

    Parameters
    ----------
    places
        Which positions of the slab these are. Shape `(x,)`.
    begin
        How the planes are unfolded, or what recalls that they were; None to unfold them.
    """
    planes = Observed(
        data=(group.data[0] * group.filled[0, None, :, :, None]).movedim(-1, 0),
        filled=group.filled[:1].to(seen.prior.dtype).expand(len(places), -1, -1),
        maps=seen.maps[0].movedim(-1, 0),
        start=seen.maps.new_empty(0),
        brightness=seen.prior[0].movedim(-1, 0).sqrt(),
        noise=seen.prior.new_full((len(places),), group.noise_power**0.5),
        seed=(group.seeds[:1] + SPREAD * places.to(group.seeds)) % (1 << 32),
    )
    return replace(planes, start=(begin or sense_by_steps)(planes))


def observe_volumes(group: Group, seen: Seen) -> Observed:
    """Bring frames of a slab to what networks are given that see it whole. Shape `(frame x z y)`."""
    n_frames = len(group.data)
    volumes = Observed(
        data=(group.data * group.filled[:, None, :, :, None]).movedim(-1, 2),
        filled=group.filled[:, None].to(seen.prior.dtype),
        maps=seen.maps[:1].movedim(-1, 2).expand(n_frames, -1, -1, -1, -1),
        start=seen.maps.new_empty(0),
        brightness=seen.prior[:1].movedim(-1, 1).sqrt().expand(n_frames, -1, -1, -1),
        noise=seen.prior.new_full((n_frames,), group.noise_power**0.5),
        seed=group.seeds,
    )
    return replace(volumes, start=sense_by_steps(volumes))


def sense_by_steps(seen: Observed) -> Tensor:
    """Unfold lines that were left out along any axes; brightness is the expectation. Shape `(batch *space)`."""
    scale = seen.brightness.to(seen.data.dtype)
    bright = seen.brightness.flatten(1).amax(dim=1).square()
    floor = of_each(torch.maximum(seen.noise.square(), ROUNDING * bright), seen.brightness)
    normal = seen.normal()

    def regularised(values: Tensor) -> Tensor:
        return torch.addcmul(floor * values, scale, normal(scale * values))

    return scale * conjugate_gradient(regularised, scale * seen.encoding.adjoint(seen.data), IN_PLANES, apart=(0,))


def in_own_units(seen: Observed) -> tuple[Observed, Tensor]:
    """Make bright parts 1 and the image's mean phase 0, so that neither scale nor phase of a scan matters to a network.

    Returns
    -------
        What was observed in these units, and the unit, by which images have to be multiplied. Shape `(batch 1 ...)`.
    """
    unit = of_each(bright_part(seen.brightness) * mean_phase(seen.start), seen.start)
    return in_units(seen, unit), unit


def bright_part(brightness: Tensor) -> Tensor:
    """Say how bright the bright parts of images are; never 0. From `(batch *space)` to `(batch,)`."""
    values = brightness.flatten(1)
    some = values[:, :: 1 + values.shape[1] // MOST_VALUES]
    bright = torch.quantile(some, BRIGHT, dim=1)
    return bright.clamp_min(torch.finfo(bright.dtype).tiny ** 0.5)


def mean_phase(images: Tensor) -> Tensor:
    """Give the phase of the bright parts of images, as numbers of size 1. From `(batch *space)` to `(batch,)`."""
    turned = torch.sgn((images * images.abs()).flatten(1).sum(dim=1))
    return torch.where(turned == 0, 1, turned)


def in_units(seen: Observed, unit: Tensor) -> Observed:
    """Divide by a complex unit of shape `(batch 1 ...)`."""
    return replace(
        seen,
        data=seen.data / unit[:, None],
        start=seen.start / unit,
        brightness=seen.brightness / unit.abs(),
        noise=seen.noise / unit.abs().flatten(),
    )


def joined(parts: list[Observed]) -> Observed:
    """Make one batch of several of the same shape."""
    return Observed(
        **{field.name: torch.cat([getattr(one, field.name) for one in parts]) for field in fields(Observed)}
    )
