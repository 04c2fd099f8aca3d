"""A network from its card and its file of weights: every name, shape and number is checked before it is used.

Only safetensors is read: a table of tensors, in which there is no place for code.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gateway.model.card import LARGEST_WEIGHTS_BYTES, ModelCard
from gateway.model.errors import BadModel
from gateway.model.networks import Network
from gateway.recon.networks.architectures import build
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.tuning import by_pixels, compiled, halved

WARM = 4
"""How many networks a worker keeps."""


def check_tensors(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not those of the network, name by name.

    Raises
    ------
    BadModel
        Naming the first few faults.
    """
    with torch.device("meta"):
        wanted = build(network).state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [f"{name} is not known" for name in tensors if name not in wanted]
    for name in wanted.keys() & tensors.keys():
        found, right = tensors[name], wanted[name]
        if found.shape != right.shape:
            faults.append(f"{name} has shape {tuple(found.shape)}, the network {tuple(right.shape)}")
        elif not found.is_floating_point():
            faults.append(f"{name} is {found.dtype}, not floating point")
        elif not torch.isfinite(found).all():
            faults.append(f"{name} has values that are not finite")
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""  # noqa: PLR2004 - so that it ends
        raise BadModel(f"the weights do not fit a {network.method}: {'; '.join(sorted(faults)[:3])}{more}")


def save_tensors(tensors: Mapping[str, Tensor], weights: Path) -> None:
    """Write weights that whoever reads the card can read, too; safetensors alone leaves them to their owner.

    Raises
    ------
    OSError
        The disk did not take them.
    """
    weights.touch()
    readers = weights.stat().st_mode
    try:
        safetensors.torch.save_file({name: one.cpu().contiguous() for name, one in tensors.items()}, weights)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error)) from error
    weights.chmod(readers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A network, and what was done to make it fast.

    Parameters
    ----------
    notes
        For the reader of the series.
    """

    network: nn.Module
    notes: tuple[str, ...] = ()


def load_network(card: ModelCard, weights: Path, device: torch.device) -> nn.Module:
    """Load a network as it is in its file, for its caller alone; what was hashed is what is used.

    Raises
    ------
    BadModel
        The file cannot be read, is not what the card says, or does not fit the network.
    """
    tensors = _read(card, weights)
    check_tensors(card.network, tensors)
    network = build(card.network)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return network.requires_grad_(requires_grad=False).eval().to(device)


def ready_network(ready: ReadyModel, device: torch.device) -> Tuned:
    """Load the network of a recipe as the recipe wants it to run, or take the one that is warm.

    Raises
    ------
    BadModel
        As for `load_network`.
    """
    half = ready.recipe.precision == "half"
    return _tuned(ready.card, ready.weights, device, half=half, compile_=ready.recipe.compiled)


@lru_cache(maxsize=WARM)
def _tuned(card: ModelCard, weights: Path, device: torch.device, *, half: bool, compile_: bool) -> Tuned:
    network = load_network(card, weights, device)
    notes = [*([halved(network, device)] if half else []), *([compiled(network)] if compile_ else [])]
    if not compile_:
        by_pixels(network, device)
    return Tuned(network=network, notes=tuple(notes))


def _read(card: ModelCard, weights: Path) -> dict[str, Tensor]:
    try:
        if weights.stat().st_size > LARGEST_WEIGHTS_BYTES:
            raise BadModel(f"the weights of {card.label} are larger than {LARGEST_WEIGHTS_BYTES >> 30} GiB")
        content = weights.read_bytes()
    except OSError as error:
        raise BadModel(f"the weights of {card.label} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.weights_sha256:
        raise BadModel(
            f"the weights of {card.label} have sha256 {found[:16]}..., its card says {card.weights_sha256[:16]}..."
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise BadModel(f"the weights of {card.label} are not safetensors: {error}") from None
