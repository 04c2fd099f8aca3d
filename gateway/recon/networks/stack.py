"""Frames that are reconstructed together: phases of a heart, neighbouring slices, contrasts of one slice.

Convolutions within each frame and from one to the next by turns (Tran 2018, arXiv:1711.11248): (2+1)D for slices,
(3+1)D for slabs (CINENet; Kuestner 2020, doi:10.1038/s41598-020-70551-8), in a cascade with the data (Schlemper 2018,
doi:10.1109/TMI.2017.2760978). Contrasts guide each other where they lie on each other, so they are moved there first
(Xiang 2019, doi:10.1109/TBME.2018.2883958), and back before the data are asked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.networks import StackNetwork
from gateway.recon.networks.cascade import DOUBT, consistent, share_of
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import SLOPE, noise_channel, to_channels, to_complex
from gateway.recon.registration import shifted, shifts_to_first


class Stack(nn.Module):
    """Every network has weights of its own; the batch is one stack, in its order."""

    def __init__(self, sizes: StackNetwork) -> None:
        super().__init__()
        self.nets = nn.ModuleList(FactoredNetwork(sizes) for _ in range(sizes.n_cascades))
        self.log_doubt = nn.Parameter(torch.full((sizes.n_cascades,), DOUBT).log())
        self.hard, self.along = sizes.consistency == "hard", sizes.along

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(frame x y)`, of volumes `(frame x z y)`."""
        image = seen.start
        shifts = shifts_to_first(image.abs()) if self.along == "contrasts" else None
        noise = noise_channel(seen.noise, image)
        for net, log_doubt in zip(self.nets, self.log_doubt, strict=True):
            there = image if shifts is None else shifted(image, -shifts)
            guess = to_complex(net(torch.cat([to_channels(there), noise], dim=1)))
            back = guess if shifts is None else shifted(guess, shifts)
            share = torch.ones_like(seen.noise) if self.hard else share_of(seen.noise, log_doubt.exp())
            image = consistent(seen, back, share)
        return image


class FactoredNetwork(nn.Module):
    """Add a correction to the first two channels; nobody trained, it adds nothing."""

    def __init__(self, sizes: StackNetwork) -> None:
        super().__init__()
        self.n_in, self.around = 3, sizes.along == "time"
        convolution: type[nn.Conv2d | nn.Conv3d] = nn.Conv3d if sizes.within == "volumes" else nn.Conv2d
        widths = [self.n_in, *(sizes.n_channels for _ in sizes.dilations)]
        self.within = nn.ModuleList(
            convolution(before, after, 3, padding=step, dilation=step)
            for before, after, step in zip(widths[:-1], widths[1:], sizes.dilations, strict=True)
        )
        self.between = nn.ModuleList(convolution(3 * sizes.n_channels, sizes.n_channels, 1) for _ in sizes.dilations)
        self.out = convolution(sizes.n_channels, 2, 3, padding=1)
        for weights in self.out.parameters():
            nn.init.zeros_(weights)

    def forward(self, channels: Tensor) -> Tensor:
        """Correct a stack. From `(frame channel *space)` to `(frame 2 *space)`."""
        hidden = channels.to(self.out.weight.dtype)
        for within, between in zip(self.within, self.between, strict=True):
            here = functional.leaky_relu(within(hidden), SLOPE)
            hidden = here if hidden.shape[1] == self.n_in else hidden + here
            hidden = hidden + functional.leaky_relu(between(self._beside(hidden)), SLOPE)
        corrected: Tensor = channels[:, :2] + self.out(hidden)
        return corrected

    def _beside(self, hidden: Tensor) -> Tensor:
        """Lay the frames before and after beside each; time goes round, the ends of other stacks stand alone."""
        before, after = hidden.roll(1, dims=0), hidden.roll(-1, dims=0)
        if not self.around:
            before, after = torch.cat([hidden[:1], hidden[:-1]]), torch.cat([hidden[1:], hidden[-1:]])
        return torch.cat([before, hidden, after], dim=1)
