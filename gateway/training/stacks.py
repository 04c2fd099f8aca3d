"""From one slice of every line to frames that belong together: a heart that beats, slices that follow, other contrasts.

What is measured of each is simulated by the slice's own sensitivities, noise added anew; nobody was measured moving.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gateway.model.errors import BadScan
from gateway.model.networks import StackNetwork
from gateway.model.recipes import SenseRecipe
from gateway.model.training import Plan
from gateway.recon.coil_maps import see
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.registration import shifted
from gateway.training.procedural import Random, smooth_field
from gateway.training.simulation import LINES, PLANE, SLAB, FullSlice

FARTHEST_PX = 4.0
"""That a part of the image moves, or a contrast lies beside the first."""
DIMMER = 0.3
"""How much brightness changes from the first slice to the last, as a power of e."""
STEEPNESS = 0.7
"""How much a coil sees more, or in another phase, of the top of a slab than of its middle; drawn for each."""
KNOTS = 6
"""Of the curve by which a contrast shows the brightness of another."""
BLOCK = 24
"""Lines in the middle by which sensitivities are estimated."""


def frames_of(full: FullSlice, plan: Plan, random: Random) -> list[FullSlice]:
    """Make frames of a slice, for a network that sees several; the slice alone for any other."""
    if not isinstance(plan.network, StackNetwork):
        return [full]
    if full.axes == PLANE:
        raise BadScan("a stack learns from slices, and partitions were encoded")
    if plan.network.within == "volumes":
        return slabs_of(full, plan, random)
    maps, image = _seen(full)
    images = CHANGES[plan.network.along](image, plan.fit.frames, random)
    return [_measured(one, maps, full.noise_power, random) for one in images]


def slabs_of(full: FullSlice, plan: Plan, random: Random) -> list[FullSlice]:
    """Make a slab that beats of one slice: its neighbours follow it slowly, and coils see them differently."""
    maps, image = _seen(full)
    n_z = plan.fit.partitions
    partitions = [_beating(one, plan.fit.frames, random) for one in _following(image, n_z, random)]
    height = torch.linspace(-1, 1, n_z)[:, None, None]
    tilt = torch.from_numpy(random.normal(0, STEEPNESS, (2, len(maps), 1, 1, 1)).astype(np.float32))
    tilted = maps[:, None] * torch.exp(torch.complex(tilt[0] * height, math.pi * tilt[1] * height))
    tilted = tilted / torch.linalg.vector_norm(tilted, dim=0).clamp_min(torch.finfo(torch.float32).tiny)
    tilted = tilted * torch.linalg.vector_norm(maps, dim=0)
    frames = (torch.stack(one) for one in zip(*partitions, strict=True))
    return [_measured(one, tilted, full.noise_power, random) for one in frames]


def _seen(full: FullSlice) -> tuple[Tensor, Tensor]:
    """Estimate sensitivities `(coil y x)` of a slice of every line, and its image `(y x)`."""
    centre = full.data.shape[-2] // 2
    block = full.data[:, None, centre - BLOCK // 2 : centre + BLOCK // 2]
    maps = see(block, (1, full.data.shape[-2]), SenseRecipe()).maps[0, :, 0]
    return maps, (maps.conj() * inverse_fourier(full.clean, (-2,))).sum(dim=0)


def _measured(image: Tensor, maps: Tensor, noise_power: float, random: Random) -> FullSlice:
    """Measure every line of a slice `(y x)`, or of a slab `(z y x)`."""
    clean = fourier(maps * image, LINES if image.ndim == len(PLANE) else SLAB)
    drawn = random.standard_normal((*clean.shape, 2), np.float32) * math.sqrt(noise_power / 2)
    data = clean + torch.view_as_complex(torch.from_numpy(drawn))
    filled = torch.ones(*clean.shape[1:-1], 1, dtype=torch.bool)
    return FullSlice(data=data, clean=clean, filled=filled, noise_power=noise_power)


def _beating(image: Tensor, n: int, random: Random) -> list[Tensor]:
    """Let parts move to and fro, each at its own time."""
    fields, late = _displacements(image, random), torch.from_numpy(_field(image, random))
    turns = [2 * math.pi * frame / n for frame in range(n)]
    return [_moved(image, fields * torch.sin(turn + late)) for turn in turns]


def _following(image: Tensor, n: int, random: Random) -> list[Tensor]:
    """Let the image change slowly in one direction."""
    fields, dimming = _displacements(image, random), DIMMER * torch.from_numpy(_field(image, random))
    places = [frame / max(1, n - 1) - 0.5 for frame in range(n)]
    return [_moved(image * torch.exp(place * dimming), place * fields) for place in places]


def _other_contrasts(image: Tensor, n: int, random: Random) -> list[Tensor]:
    """Show brightness by other curves, and move a little."""
    size = image.abs()
    levels = np.linspace(0, float(size.max()), KNOTS)
    made = [image]
    for _ in range(n - 1):
        curve = np.concatenate([[0.0], random.uniform(0, levels[-1], KNOTS - 1)])
        other = torch.from_numpy(np.interp(size.numpy(), levels, curve).astype(np.float32))
        far = torch.from_numpy(random.uniform(-FARTHEST_PX, FARTHEST_PX, (1, 2)).astype(np.float32))
        made.append(shifted(torch.polar(other, image.angle())[None], far)[0])
    return made


CHANGES: Mapping[str, Callable[[Tensor, int, Random], list[Tensor]]] = MappingProxyType(
    {"time": _beating, "slices": _following, "contrasts": _other_contrasts}
)
"""By what changes along a stack, as cards name it."""


def _field(image: Tensor, random: Random) -> np.typing.NDArray[np.float32]:
    return smooth_field(image.shape[0], image.shape[1], random, order=1)


def _displacements(image: Tensor, random: Random) -> Tensor:
    """Draw how far each pixel moves. Shape `(2 y x)`."""
    far = random.uniform(0.3, 1) * FARTHEST_PX / 2
    return torch.from_numpy(np.stack([far * _field(image, random) for _ in range(2)]).astype(np.float32))


def _moved(image: Tensor, displacements: Tensor) -> Tensor:
    """Look each pixel up where it comes from. Complex. Shape `(y x)`."""
    n_y, n_x = image.shape
    y, x = torch.meshgrid(torch.arange(n_y), torch.arange(n_x), indexing="ij")
    from_y, from_x = y + displacements[0], x + displacements[1]
    places = torch.stack([2 * from_x / (n_x - 1) - 1, 2 * from_y / (n_y - 1) - 1], dim=-1)
    parts = torch.view_as_real(image.resolve_conj()).movedim(-1, 0)[None]
    found = functional.grid_sample(parts, places[None].to(parts.dtype), mode="bicubic", align_corners=True)
    return torch.view_as_complex(found[0].movedim(0, -1).contiguous())
