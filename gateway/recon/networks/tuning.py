"""How the convolutions of a network run: laid out for the device, in half precision or compiled where that is faster.

Only convolutions: k-space, coils and conjugate gradients stay in single precision, and what convolutions take off an
image is added to it in single precision, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from torch import nn

from gateway.recon.networks.residual import ResidualNetwork
from gateway.recon.networks.stack import FactoredNetwork
from gateway.recon.networks.unet import Unet
from gateway.recon.workplace import ran_out

logger = logging.getLogger(__name__)

HALF = torch.bfloat16
"""It has the range of single precision, so that nothing needs scaling."""
PROBE = 32
"""Pixels along the edges of what a compiled network is tried on."""


def parts_of(network: nn.Module) -> Iterator[ResidualNetwork | FactoredNetwork | Unet]:
    """Find what a network's convolutions are made of."""
    yield from (one for one in network.modules() if isinstance(one, ResidualNetwork | FactoredNetwork | Unet))


def by_pixels(network: nn.Module, device: torch.device) -> None:
    """Lay the channels of a pixel beside each other, for inference on a processor (docs/adr/0038).

    Images follow the weights that they are convolved with; what is in half precision, or for other devices, stays.
    """
    for layer in network.modules() if device.type == "cpu" else ():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.dtype == torch.float32:
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)


def halved(network: nn.Module, device: torch.device) -> str:
    """Take half precision where the device computes it faster, and say so; a network for one device is told once."""
    if not faster_halved(device):
        return f"Half precision was asked for, and not used: {device.type} computes it no faster here."
    for part in parts_of(network):
        part.to(HALF)
    return "Convolutions in half precision (bfloat16)."


def faster_halved(device: torch.device) -> bool:
    """Say whether a device has instructions for it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    instructions = torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported  # noqa: SLF001 - nothing else tells
    return any(bool(there()) for there in instructions)


@torch.inference_mode()
def compiled(network: nn.Module) -> str:
    """Compile, try it, and say whether it works; where it does not, all stays as it was."""
    try:
        for part in parts_of(network):
            part.compile()
            weight = next(part.parameters())
            edges = [PROBE] * (weight.ndim - 2)
            part(weight.new_zeros((1, part.n_in, *edges), dtype=torch.float32))
    except RuntimeError as error:  # torch's own for all that its compilers say
        if ran_out(error):
            raise
        logger.warning("a network could not be compiled", extra={"why": type(error).__name__})
        for part in parts_of(network):
            part._compiled_call_impl = None  # noqa: SLF001 - there is no other way back
        return "Compilation was asked for, and failed: the network ran as it is."
    return "Convolutions compiled."
