"""Published fastMRI checkpoints become safetensors: read where nothing in them can run, in a process of its own.

``python -m gateway.recon.networks.checkpoint CHECKPOINT WEIGHTS`` writes the weights and prints the network as JSON.
"""

from __future__ import annotations

import json
import pickle
import re
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import is_zipfile

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from torch import Tensor

from gateway.model.card import LARGEST_WEIGHTS_BYTES
from gateway.model.errors import BadModel
from gateway.model.networks import Network, UnetNetwork, VarnetNetwork
from gateway.recon.networks.weights import check_tensors, save_tensors

TIMEOUT_S = 300
MEMORY_BYTES = 4 * LARGEST_WEIGHTS_BYTES
"""Of the child; a larger file is not opened."""
PREFIXES = ("unet.", "varnet.", "module.")
"""What Lightning and DataParallel put before every name."""
REFUSED = 3
"""Exit status of the child where the checkpoint is not good; standard error says why."""


def import_checkpoint(checkpoint: Path, weights: Path) -> Network:
    """Convert a checkpoint in a child process; find out which network it is from its names and shapes.

    Raises
    ------
    BadModel
        It cannot be read, holds more than tensors, or is no U-Net or VarNet of fastMRI.
    """
    try:
        if checkpoint.stat().st_size > MEMORY_BYTES:
            raise BadModel(f"{checkpoint} is larger than {MEMORY_BYTES >> 30} GiB, and no network that is known")
    except OSError as error:
        raise BadModel(f"{checkpoint}: cannot be read: {error.strerror}") from error
    command = [sys.executable, "-m", __spec__.name, str(checkpoint), str(weights)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - ourselves
    except subprocess.TimeoutExpired:
        raise BadModel(f"{checkpoint} took longer than {TIMEOUT_S} s to read") from None
    if child.returncode:
        said = (
            child.stderr.strip().rpartition("\n")[2] if child.returncode == REFUSED else "reading it ended the process"
        )
        raise BadModel(f"{checkpoint}: {said}")
    network: Network = TypeAdapter(Network).validate_json(child.stdout)
    return network


def convert(checkpoint: Path, weights: Path) -> Network:
    """Convert a checkpoint in this process.

    Raises
    ------
    BadModel
        It cannot be read, holds more than tensors, or is no U-Net or VarNet of fastMRI.
    """
    tensors = _stripped(_tensors(checkpoint))
    network = recognise(tensors)
    check_tensors(network, tensors)
    save_tensors({name: tensor.float() for name, tensor in tensors.items()}, weights)
    return network


def _tensors(checkpoint: Path) -> Mapping[str, Tensor]:
    try:
        loaded = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=is_zipfile(checkpoint) or None)
    except OSError as error:
        raise BadModel(f"cannot be read: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise BadModel(_more_than_tensors(str(error))) from None
    except SafetensorError as error:
        raise BadModel(f"is no safetensors: {error}") from None
    except MemoryError:
        raise BadModel(f"asks for more memory than {MEMORY_BYTES >> 30} GiB") from None
    except (RuntimeError, EOFError, ValueError, KeyError):
        raise BadModel("is no checkpoint that torch reads") from None
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(one, Tensor) for one in loaded.values()):
        raise BadModel("is no state_dict: names with tensors")
    return loaded


def _more_than_tensors(said: str) -> str:
    """Say what a file holds that is no tensor, by what torch says of it, and how a person gets at the weights."""
    named = re.search(r"GLOBAL ([\w.]+)", said)
    if named is None:
        return "is no checkpoint, or holds more than tensors; it is not read"
    return (
        f"holds more than tensors ({named[1]}), and may hold code; it is not read. "
        "Where it comes from somebody you trust, write its state_dict alone to another file, elsewhere, and import that"
    )


def _stripped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what a trainer put before every name, and leave out what is not of the network."""
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
    return dict(tensors)


def recognise(tensors: Mapping[str, Tensor]) -> Network:
    """Find out which network weights belong to, and its sizes.

    Raises
    ------
    BadModel
        None that is known.
    """
    if "down_sample_layers.0.layers.0.weight" in tensors:
        return UnetNetwork(n_channels=_channels(tensors, ""), n_pools=_pools(tensors, ""))
    sens, first = "sens_net.norm_unet.unet.", "cascades.0.model.unet."
    if f"{sens}conv.layers.0.weight" in tensors and f"{first}conv.layers.0.weight" in tensors:
        return VarnetNetwork(
            n_cascades=len({name.split(".")[1] for name in tensors if name.startswith("cascades.")}),
            n_channels=_channels(tensors, first),
            n_pools=_pools(tensors, first),
            sens_channels=_channels(tensors, sens),
            sens_pools=_pools(tensors, sens),
        )
    raise BadModel("is neither a U-Net nor an E2E-VarNet of fastMRI")


def _channels(tensors: Mapping[str, Tensor], unet: str) -> int:
    return len(tensors[f"{unet}down_sample_layers.0.layers.0.weight"])


def _pools(tensors: Mapping[str, Tensor], unet: str) -> int:
    before = f"{unet}down_sample_layers."
    return len({name.removeprefix(before).split(".")[0] for name in tensors if name.startswith(before)})


def main() -> int:
    """Convert what the command line names; for `import_checkpoint`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    checkpoint, weights = map(Path, sys.argv[1:])
    try:
        network = convert(checkpoint, weights)
    except BadModel as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - to the parent
        return REFUSED
    print(json.dumps(network.model_dump()))  # noqa: T201 - to the parent
    return 0


if __name__ == "__main__":
    sys.exit(main())
