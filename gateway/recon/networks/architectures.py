"""From the sizes on a card to a network: one line for each method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from gateway.model.networks import (
    CascadeNetwork,
    DenoiserNetwork,
    DiffusionNetwork,
    KikiNetwork,
    MapNetwork,
    ModlNetwork,
    Network,
    PnpNetwork,
    RefineNetwork,
    StackNetwork,
    UnetNetwork,
    VariationalNetwork as VariationalSizes,
    VarnetNetwork,
)
from gateway.recon.networks.cascade import Cascade
from gateway.recon.networks.denoiser import Denoiser
from gateway.recon.networks.diffusion import Diffusion
from gateway.recon.networks.kiki import Kiki
from gateway.recon.networks.modl import Modl
from gateway.recon.networks.most_likely import MostLikely
from gateway.recon.networks.plug_and_play import PlugAndPlay
from gateway.recon.networks.refine import Refine
from gateway.recon.networks.stack import Stack
from gateway.recon.networks.unet import Unet
from gateway.recon.networks.variational import VariationalNetwork
from gateway.recon.networks.varnet import VarNet


def _unet(sizes: UnetNetwork) -> Unet:
    return Unet(1, 1, n_channels=sizes.n_channels, n_pools=sizes.n_pools, attention=sizes.attention)


def _varnet(sizes: VarnetNetwork) -> VarNet:
    return VarNet(**sizes.model_dump(exclude={"method"}))


ARCHITECTURES: Mapping[type, Callable[[Any], nn.Module]] = MappingProxyType(
    {
        UnetNetwork: _unet,
        VarnetNetwork: _varnet,
        ModlNetwork: Modl,
        CascadeNetwork: Cascade,
        VariationalSizes: VariationalNetwork,
        DenoiserNetwork: Denoiser,
        PnpNetwork: PlugAndPlay,
        KikiNetwork: Kiki,
        DiffusionNetwork: Diffusion,
        MapNetwork: MostLikely,
        RefineNetwork: Refine,
        StackNetwork: Stack,
    }
)
"""By the sizes on a card."""


def build(network: Network) -> nn.Module:
    """Make a network with weights that nobody trained."""
    return ARCHITECTURES[type(network)](network)
