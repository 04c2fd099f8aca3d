"""Slabs through networks that were made for two dimensions: each position along the readout is a plane of its own.

Readouts are never undersampled, so one transform along them leaves a stack of problems whose mask has two directions.
All planes are in the unit of the whole slab, so that none is brighter than its neighbours by the network's doing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gateway.recon.cartesian_problem import to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import recalled_seen
from gateway.recon.methods.first_images import FirstImages
from gateway.recon.methods.together import MAPS
from gateway.recon.networks.diffusion import Diffusion
from gateway.recon.networks.observed import Observed, bright_part, in_units, mean_phase, observe_planes, of_each
from gateway.recon.parallel import Group, Undersampled
from gateway.recon.slab_companion import slab_companion
from gateway.recon.slice_by_slice import Method

AT_A_TIME = {"cpu": 1 << 15, "cuda": 1 << 19}
"""Pixels that go through a network together, by device: less leaves it idle, more gains nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """What calibration shows of positions along the readout.

    Parameters
    ----------
    bright
        How bright the bright parts of the whole slab are.
    places
        Which positions of the slab these are. Shape `(x,)`.
    """

    seen: Seen
    bright: float
    places: Tensor

    def at(self, some: slice, device: torch.device) -> Slab:
        """Take some positions to a device."""
        return Slab(seen=self.seen.at(some, device), bright=self.bright, places=self.places[some])


def plane_by_plane(network: nn.Module, scan: Undersampled, begun: FirstImages | None) -> Method[Slab]:
    """Make a method for slabs out of a network for planes."""
    return Method(
        learn=lambda group: seen_slab(scan, group),
        unfold=lambda group, slab: _unfolded(network, group, slab, scan, begun),
        at=Slab.at,
        sampled=isinstance(network, Diffusion),
    )


def seen_slab(scan: Undersampled, group: Group) -> Slab:
    """Estimate sensitivities and brightness of a slab, or recall them."""
    seen = recalled_seen(scan, group, MAPS)
    bright = float(bright_part(seen.prior[:1].sqrt())[0])
    return Slab(seen=seen, bright=bright, places=torch.arange(seen.prior.shape[-1]))


def _unfolded(network: nn.Module, group: Group, slab: Slab, scan: Undersampled, begun: FirstImages | None) -> Tensor:
    """Let a network make all planes, some at a time. Complex; shape `(frame z y x)`, samples before it."""
    device = group.data.device
    step = max(1, AT_A_TIME[device.type] // group.data[0, 0, ..., 0].numel())
    pieces = (slice(first, first + step) for first in range(0, len(slab.places), step))
    made = torch.cat(
        [_planes(network, group.at(some, device), slab.at(some, device), scan, begun) for some in pieces], dim=1
    )
    images = torch.stack([to_target(one[None, None], slab.seen.maps, scan.target) for one in made])
    return images if isinstance(network, Diffusion) else images[0]


def _planes(network: nn.Module, group: Group, slab: Slab, scan: Undersampled, begun: FirstImages | None) -> Tensor:
    """Let a network make some planes. Shape `(sample x z y)`."""
    shown = observe_planes(group, slab.seen, slab.places, _recalling(scan, group, slab))
    if begun is not None:
        shown = replace(shown, start=begun.of_planes(shown.start, group, slab.places))
    unit = of_each(slab.bright * mean_phase(shown.start), shown.start)
    observed = in_units(shown, unit)
    made: Tensor = network.samples(observed) if isinstance(network, Diffusion) else network(observed)[None]
    return made * unit


def _recalling(scan: Undersampled, group: Group, slab: Slab) -> Callable[[Observed], Tensor] | None:
    """Keep the planes that a network begins with where somebody will ask for them, too."""
    if group.replica or not scan.source.remembers:
        return None
    beside = slab_companion(scan, group.numbers[0], (*group.filled.shape[1:], scan.target.matrix.x))
    return lambda planes: beside.starts(planes, slab.places)
