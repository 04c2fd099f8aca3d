"""A network that nobody trained, as a prior: it is fitted to one scan, and makes what is like an image before noise.

Ulyanov 2018, doi:10.1007/s11263-020-01303-4; for k-space of coils as a convolutional decoder: Darestani 2021,
doi:10.1109/TCI.2021.3097596. Some measured lines are held out; the fit stops where they are no longer met better.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.recon.networks.observed import Observed, in_own_units
from gateway.recon.networks.residual import to_complex

SEED = 0
HELD_OUT = 8
"""Every so-many-th measured line outside the centre is held out."""
CENTRE = 16
"""Lines around the centre that never are."""
LOOK_EVERY = 10
PATIENCE = 30
"""Looks without a better one, after which the fit stops."""
KEPT = 0.9
"""Of the mean of the images at each look: a fit wobbles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The sizes of the network, and how it is fitted."""

    n_channels: int
    n_layers: int
    steps: int
    learning_rate: float


def fitted(scan: Observed, how: Decoder) -> Tensor:
    """Fit a network to one frame. Complex. Shape `(1 x y)`; the same data give the same bits."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        seen, unit = in_own_units(_cloned(scan))
        network, code = _begun(seen, how)
        shown, judge = _parted(seen.filled)
        image = _best(network, code, (seen, shown, judge), how)
    return image * unit


def _cloned(scan: Observed) -> Observed:
    """Give tensors of which a graph may be made."""
    return Observed(**{name: getattr(scan, name).clone() for name in Observed.__slots__})


def _begun(seen: Observed, how: Decoder) -> tuple[nn.Module, Tensor]:
    """Draw weights and the code that the network decodes, from one seed."""
    sizes = _sizes(seen.start.shape[-2:], how.n_layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = _Decoder(sizes, how.n_channels)
        code = torch.randn(1, how.n_channels, *sizes[0])
    return network.to(seen.start.device), code.to(seen.start.device)


def _sizes(last: torch.Size, n_layers: int) -> list[tuple[int, int]]:
    """Halve a size so many times, but not below 4."""
    return [(max(4, -(-last[0] >> n)), max(4, -(-last[1] >> n))) for n in range(n_layers, 0, -1)] + [(last[0], last[1])]


class _Decoder(nn.Module):
    """Enlarge, convolve, rectify, settle; again and again."""

    def __init__(self, sizes: list[tuple[int, int]], n_channels: int) -> None:
        super().__init__()
        self.sizes = sizes[1:]
        self.layers = nn.ModuleList(nn.Conv2d(n_channels, n_channels, 3, padding=1) for _ in self.sizes)
        self.out = nn.Conv2d(n_channels, 2, 1)

    def forward(self, code: Tensor) -> Tensor:
        """Decode. Complex. Shape `(1 x y)`."""
        hidden = code
        for size, layer in zip(self.sizes, self.layers, strict=True):
            larger = functional.interpolate(hidden, size=size, mode="bilinear", align_corners=False)
            hidden = functional.instance_norm(functional.relu(layer(larger)))
        return to_complex(self.out(hidden))


def _parted(filled: Tensor) -> tuple[Tensor, Tensor]:
    """Part the measured lines into those that are fitted and those that judge. Shapes `(1 1 y)`."""
    lines = torch.arange(filled.shape[-1], device=filled.device)
    outer = (filled[0, 0] > 0) & ((lines - len(lines) // 2).abs() > CENTRE // 2)
    judge = torch.zeros_like(filled)
    judge[0, 0, torch.nonzero(outer)[HELD_OUT // 2 :: HELD_OUT, 0]] = 1
    return filled - judge, judge


def _best(network: nn.Module, code: Tensor, parted: tuple[Observed, Tensor, Tensor], how: Decoder) -> Tensor:
    """Fit, and keep the mean image that meets the held lines best."""
    seen, shown, judge = parted
    optimiser = torch.optim.Adam(network.parameters(), how.learning_rate)
    first: Tensor = network(code).detach()
    mean = kept = first
    best, waited = float("inf"), 0
    for step in range(1, how.steps + 1):
        optimiser.zero_grad()
        image = network(code)
        _misfit(seen, image, shown).backward()  # type: ignore[no-untyped-call] # torch has no types here
        optimiser.step()
        if step % LOOK_EVERY == 0:
            mean = image.detach() if step == LOOK_EVERY else KEPT * mean + (1 - KEPT) * image.detach()
            score, waited = float(_misfit(seen, mean, judge)), waited + 1
            if score < best or not judge.any():
                kept, best, waited = mean, score, 0
            if waited >= PATIENCE:
                break
    return kept


def _misfit(seen: Observed, image: Tensor, lines: Tensor) -> Tensor:
    """Say how far the samples of some lines are off: their mean energy. A number."""
    off = (seen.transform.apply(image) - seen.data) * lines[:, None]
    misfit: Tensor = off.abs().square().sum() / lines.sum().clamp_min(1)
    return misfit
