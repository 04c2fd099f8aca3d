"""Scan-specific completion of k-space: GRAPPA, and a small network for what its linear kernel leaves over.

RAKI: Akcakaya 2019, doi:10.1002/mrm.27420; its residual form: Zhang 2022, doi:10.1016/j.neuroimage.2022.119248. The
network learns from the scan's own calibration and from nothing else; some of its lines are held out, and where the
network does not make these better it is not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.grappa import MOST_READOUT, Kernel, neighbours
from gateway.recon.lattice import Lattice

LEARNING_RATE = 3e-3
HELD_OUT = 4
"""Every so-many-th position of the readout judges the network."""
LOOK_EVERY = 20
"""Steps between two looks at these."""
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What was learned of one slice: weights of a linear kernel, a network for the rest, and the units of both.

    Parameters
    ----------
    linear
        Shape `(tap*source*coil target*coil)`.
    rest
        None where it did not help.
    scale
        Root of the mean square of the sources.
    gain
        The same of what the linear kernel leaves over.
    """

    linear: Tensor
    rest: nn.Module | None
    scale: float
    gain: float

    def complete(self, sources: Tensor) -> Tensor:
        """Make missing points of measured ones. From `(... tap*source*coil)` to `(... target*coil)`."""
        made = sources @ self.linear
        if self.rest is None:
            return made
        more: Tensor = self.rest(torch.view_as_real(sources / self.scale).flatten(-2))
        return made + torch.view_as_complex(more.reshape(*more.shape[:-1], -1, 2).contiguous()) * self.gain


def learn(block: Tensor, kernel: Kernel, linear: Tensor, *, width: int, steps: int) -> Completion:
    """Learn what the linear kernel leaves over; the same calibration gives the same bits.

    Parameters
    ----------
    block
        Calibration in hybrid space. Shape `(coil z y x)`.
    linear
        From `grappa.learn_taps`. Shape `(tap source*coil target*coil)`.
    """
    sources, targets = _examples(block, kernel)
    linear = linear.flatten(0, 1)
    with torch.inference_mode(mode=False), torch.enable_grad():
        sources, targets = sources.clone(), targets.clone()
        left = targets - sources @ linear.clone()
        scale, gain = (float(each.abs().square().mean().sqrt().clamp_min(1e-30)) for each in (sources, left))
        inputs = torch.view_as_real(sources / scale).flatten(-2)
        wanted = torch.view_as_real(left / gain).flatten(-2)
        n_together = min(MOST_READOUT, block.shape[-1]) - kernel.n_readout + 1
        judge = torch.arange(len(inputs), device=inputs.device) // n_together % HELD_OUT == 0
        rest = _fitted(inputs, wanted, judge, width=width, steps=steps)
    return Completion(linear=linear, rest=rest, scale=scale, gain=gain)


def _examples(block: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Collect every place of k-space where the kernel fits, one line after the other.

    Returns
    -------
        Shapes `(line*sample tap*source*coil)` and `(line*sample target*coil)`.
    """
    n_x, half = block.shape[-1], kernel.n_readout // 2
    width = min(MOST_READOUT, n_x)
    kspace = fourier(block, (-1,)).narrow(-1, n_x // 2 - width // 2, width)
    sources, targets = (each.transpose(0, 1) for each in neighbours(kspace, kernel))
    taps = sources.unfold(1, kernel.n_readout, 1).transpose(-1, -2)
    return taps.flatten(2).flatten(0, 1), targets[:, half : half + taps.shape[1]].flatten(0, 1)


def _fitted(inputs: Tensor, wanted: Tensor, judge: Tensor, *, width: int, steps: int) -> nn.Module | None:
    """Fit by Adam, and keep the weights that are best on what was held out; None where zero is better."""
    network = _network(inputs.shape[1], width, wanted.shape[1]).to(inputs.device)
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    kept, best = None, float(wanted[judge].square().mean())
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        loss = (network(inputs[~judge]) - wanted[~judge]).square().mean()
        loss.backward()
        optimiser.step()
        if step % LOOK_EVERY == 0:
            with torch.no_grad():
                score = float((network(inputs[judge]) - wanted[judge]).square().mean())
            if score < best:
                kept, best = {name: one.clone() for name, one in network.state_dict().items()}, score
    if kept is None:
        return None
    network.load_state_dict(kept)
    return network.requires_grad_(requires_grad=False)


def _network(n_in: int, width: int, n_out: int) -> nn.Module:
    """Two rectified layers; the last begins at zero, so that nothing is added before something was learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        layers = nn.Sequential(
            nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last := nn.Linear(width, n_out)
        )
    for weights in last.parameters():
        nn.init.zeros_(weights)
    return layers


def fill(hybrid: Tensor, lattice: Lattice, kernel: Kernel, learned: Completion) -> Tensor:
    """Make what the lattice leaves out; beyond the edge of k-space neighbours count as zero.

    Parameters
    ----------
    hybrid
        Readouts transformed; only what lies on the lattice is looked at. Shape `(coil z y x)`.

    Returns
    -------
        The points of the lattice as they are, the others made. Shape `(coil z y x)`.
    """
    _, n_z, n_y, n_x = hybrid.shape
    (z_low, z_high), (y_low, y_high) = kernel.reach
    margin_z, margin_y = lattice.step_z + max(-z_low, z_high), lattice.step_y + max(-y_low, y_high)
    half = kernel.n_readout // 2
    kspace = fourier(hybrid, (-1,)).permute(1, 2, 0, 3)
    padded = functional.pad(kspace, (half, half, 0, 0, margin_y, margin_y, margin_z, margin_z))
    filled = padded[..., half : half + n_x].clone()
    to_source, to_target = (torch.tensor(each) for each in (kernel.sources, kernel.targets))
    for z, y in zip(*anchors(lattice, n_z, n_y), strict=True):
        at = torch.tensor([int(z) + margin_z, int(y) + margin_y])
        from_z, from_y = (at + to_source).unbind(dim=1)
        taps = padded[from_z, from_y].unfold(-1, kernel.n_readout, 1)
        made = learned.complete(taps.permute(2, 3, 0, 1).flatten(1))
        put_z, put_y = (at + to_target).unbind(dim=1)
        filled[put_z, put_y] = made.reshape(n_x, len(to_target), -1).permute(1, 2, 0)
    whole = filled[margin_z : margin_z + n_z, margin_y : margin_y + n_y]
    return inverse_fourier(whole.permute(2, 0, 1, 3), (-1,))


def anchors(lattice: Lattice, n_z: int, n_y: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List the points of the lattice whose cells reach into the matrix."""
    z = np.arange(1 - lattice.step_z, n_z)
    y = np.arange(1 - lattice.step_y, n_y)
    at_z, at_y = np.nonzero(lattice.holds(z[:, np.newaxis], y))
    return z[at_z], y[at_y]
