"""The critic of an adversarial loss: says of each patch of a magnitude whether it looks measured or made.

Goodfellow 2014, arXiv:1406.2661, in the form that does not saturate; by patches: Isola 2017, arXiv:1611.07004. Its
layers are kept from growing by their spectral norm (Miyato 2018, arXiv:1802.05957).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from gateway.model.training_parties import Critic
from gateway.training.players import Player

SLOPE = 0.2
DEPTH = 3


class CriticNetwork(nn.Module):
    """Convolutions that halve the image at each level."""

    def __init__(self, sizes: Critic) -> None:
        super().__init__()
        widths = [1, *(sizes.n_channels << level for level in range(DEPTH))]
        pairs = pairwise(widths)
        self.layers = nn.ModuleList(_calm(nn.Conv2d(n, n_out, 4, stride=2, padding=1)) for n, n_out in pairs)
        self.out = _calm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Judge magnitudes `(batch x y)`: the larger the truer. Shape `(batch 1 patch patch)`."""
        hidden = images[:, None]
        for layer in self.layers:
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
        judged: Tensor = self.out(hidden)
        return judged


def _calm(layer: nn.Module) -> nn.Module:
    calm: nn.Module = parametrizations.spectral_norm(layer)
    return calm


def unconvincing(critic: nn.Module, made: Tensor) -> Tensor:
    """Say how easily the critic tells images from true ones; 0 where it takes them for true."""
    return functional.softplus(-critic(made.abs())).mean()


def learn_to_tell(critic: Player, true: Tensor, made: Tensor) -> None:
    """Let the critic take a step: true images up, made ones down. Shape `(batch x y)`."""
    loss = unconvincing(critic.module, true) + functional.softplus(critic.module(made.detach().abs())).mean()
    critic.descend(loss)
