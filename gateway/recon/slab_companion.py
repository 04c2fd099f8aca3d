"""The conventional image beside a learned slab: SENSE of its planes, and how noisy it is, as far as somebody has asked.

A method asks for planes, some at a time, and begins with them; the checks ask for the rest, and for the noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from gateway.recon.coil_maps import Seen
from gateway.recon.networks.observed import Observed, observe_planes, sense_by_steps
from gateway.recon.parallel import Group, Undersampled

EVERY_X = 4
"""One plane in so many tells the noise of those beside it: sensitivities change slowly."""
NEAR = (3, 9, 3)
"""Partitions, lines and planes over which draws of noise are averaged: so many tell it to one part in ten."""
AT_A_TIME = 1 << 15
"""Pixels that are solved for together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabCompanion:
    """Of one frame, on the lines that were encoded.

    Parameters
    ----------
    image
        Complex; zero where nobody has asked. Shape `(z y x)`.
    known
        Where somebody has. Shape `(x,)`.
    """

    image: Tensor
    known: Tensor

    @property
    def nbytes(self) -> int:
        """Say how much memory it takes."""
        return self.image.nbytes + self.known.nbytes

    def starts(self, planes: Observed, places: Tensor) -> Tensor:
        """Give planes at some positions x, solved for where they are not known. Shape `(x z y)`."""
        if not bool(self.known[places.cpu()].all()):
            self.image[..., places.to(self.image.device)] = sense_by_steps(planes).movedim(0, -1).to(self.image)
            self.known[places.cpu()] = True
        return self.image[..., places.to(self.image.device)].movedim(-1, 0).to(planes.data.device)


def slab_companion(scan: Undersampled, number: int, shape: tuple[int, ...]) -> SlabCompanion:
    """Begin with the companion of a frame, or recall what is known of it.

    Parameters
    ----------
    shape
        `(z y x)` of the encoded matrix.
    """
    return scan.source.once(
        ("slab", number),
        lambda: SlabCompanion(image=torch.zeros(shape, dtype=torch.complex64), known=torch.zeros(shape[-1]) > 0),
        lambda made: made.nbytes,
    )


def whole_slab(scan: Undersampled, group: Group, seen: Seen) -> tuple[Tensor, Tensor]:
    """Make the companion of all of a slab, and say how much power its noise has. Shapes `(z y x)`.

    Noise is solved for as data are: a draw on the measured lines of some planes, averaged over neighbours.
    """
    n_z, n_y, n_x = shape = seen.prior.shape[1:]
    beside = slab_companion(scan, group.numbers[0], shape)
    noise = group.data.real.new_zeros((n_z, n_y, len(range(0, n_x, EVERY_X))))
    step = max(1, AT_A_TIME // (n_z * n_y)) * EVERY_X
    for first in range(0, n_x, step):
        some = slice(first, min(first + step, n_x))
        places = torch.arange(some.start, some.stop)
        device = group.data.device
        planes = observe_planes(
            group.at(some, device), seen.at(some, device), places, partial(beside.starts, places=places)
        )
        noise[..., first // EVERY_X : -(-some.stop // EVERY_X)] = _noise(planes).movedim(0, -1)
    return beside.image.to(group.data), _spread_out(noise, n_x)


def _noise(planes: Observed) -> Tensor:
    """Solve some planes for noise alone: the power of its real part, one draw. Shape `(x z y)`."""
    some = planes.at(slice(None, None, EVERY_X))
    measured = some.filled[0] > 0
    data = torch.zeros_like(some.data)
    for plane, seed, level in zip(data, some.seed.tolist(), some.noise.tolist(), strict=True):
        random = torch.Generator(device=data.device).manual_seed(seed)
        few = (len(plane), int(measured.sum()))
        plane[:, measured] = torch.randn(few, dtype=data.dtype, device=data.device, generator=random) * level
    return torch.view_as_real(sense_by_steps(replace(some, data=data))).square().sum(dim=-1) / 2


def _spread_out(noise: Tensor, n_x: int) -> Tensor:
    """Average over neighbours, and lay a line between the planes that were asked. Shape `(z y x)`."""
    near = [min(n, have - 1 + have % 2) for n, have in zip(NEAR, noise.shape, strict=True)]
    pads = [each // 2 for each in near[::-1] for _ in range(2)]
    around = torch.nn.functional.pad(noise[None, None], pads, mode="replicate")
    mean = torch.nn.functional.avg_pool3d(around, near, stride=1)[0]
    at = (torch.arange(n_x, device=noise.device) / EVERY_X).clamp_max(noise.shape[-1] - 1)
    before = at.floor().long()
    after = (before + 1).clamp_max(noise.shape[-1] - 1)
    spread: Tensor = torch.lerp(mean[0][..., before], mean[0][..., after], at - before)
    return spread
