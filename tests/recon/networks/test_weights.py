"""Weights are taken only if every tensor is what the network wants; a checkpoint only if it is nothing but tensors."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from gateway.model.card import ModelCard
from gateway.model.errors import BadModel
from gateway.model.networks import VarnetNetwork
from gateway.model.recipes import LearnedRecipe
from gateway.recon.networks.architectures import build
from gateway.recon.networks.checkpoint import convert, import_checkpoint
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.weights import load_network, ready_network
from gateway.zoo.folder import sha256_of
from tests.zoo.models import SMALL_UNET, card, put_model

CPU = torch.device("cpu")
SMALL_VARNET = VarnetNetwork(n_cascades=2, n_channels=4, n_pools=2, sens_channels=3, sens_pools=2)


def _saved(path: Path, tensors: Mapping[str, Tensor]) -> ModelCard:
    safetensors.torch.save_file(dict(tensors), path)
    return card(sha256=sha256_of(path))


def test_a_network_computes_with_the_weights_of_its_file(tmp_path: Path) -> None:
    made = put_model(tmp_path)
    weights = tmp_path / "small" / "weights.safetensors"
    network = load_network(made, weights, CPU)
    for name, tensor in safetensors.torch.load_file(weights).items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=0, atol=0)
    assert not network.training


def test_a_worker_keeps_its_networks_warm_and_who_learns_from_one_gets_his_own(tmp_path: Path) -> None:
    weights = tmp_path / "small" / "weights.safetensors"
    made = ReadyModel(recipe=LearnedRecipe(model="small"), card=put_model(tmp_path), weights=weights)
    assert ready_network(made, CPU) is ready_network(made, CPU)
    assert load_network(made.card, weights, CPU) is not load_network(made.card, weights, CPU)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("conv.layers.0.weight"), "conv.layers.0.weight is missing"),
        (lambda t: t.update(extra=torch.ones(1)), "extra is not known"),
        (lambda t: t.update({"up_conv.1.1.bias": torch.ones(2)}), r"has shape \(2,\), the network \(1,\)"),
        (lambda t: t.update({"up_conv.1.1.bias": torch.ones(1, dtype=torch.int64)}), "is torch.int64, not floating"),
        (lambda t: t.update({"up_conv.1.1.bias": torch.full((1,), float("nan"))}), "not finite"),
    ],
)
def test_weights_that_do_not_fit_say_which_tensor(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], said: str
) -> None:
    tensors = build(SMALL_UNET).state_dict()
    change(tensors)
    made = _saved(tmp_path / "w", tensors)
    with pytest.raises(BadModel, match=said):
        load_network(made, tmp_path / "w", CPU)


def _table(n_bytes: int) -> bytes:
    return struct.pack("<Q", n_bytes) + b"{}"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", _table(10 << 30), _table((1 << 64) - 1), _table(2)[:9]],
    ids=["empty", "pickle", "10 GB header", "endless header", "cut off"],
)
def test_a_hostile_file_of_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(BadModel, match=r"not safetensors|do not fit"):
        load_network(card(sha256=sha256_of(tmp_path / "w")), tmp_path / "w", CPU)


def test_what_was_hashed_is_what_is_loaded(tmp_path: Path) -> None:
    _saved(tmp_path / "w", build(SMALL_UNET).state_dict())
    with pytest.raises(BadModel, match="its card says 0000"):
        load_network(card(), tmp_path / "w", CPU)


@pytest.mark.parametrize("network", [SMALL_UNET, SMALL_VARNET], ids=lambda one: one.method)
@pytest.mark.parametrize("prefix", ["", "unet.", "module."])
def test_a_checkpoint_becomes_weights_and_tells_its_network(
    tmp_path: Path, network: VarnetNetwork, prefix: str
) -> None:
    state = build(network).state_dict()
    nested = {"state_dict": {prefix + name: one for name, one in state.items()}, "epoch": 3}
    torch.save(nested if prefix else state, tmp_path / "published.pt")
    assert convert(tmp_path / "published.pt", tmp_path / "w") == network
    for name, tensor in safetensors.torch.load_file(tmp_path / "w").items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


class _Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    torch.save(build(SMALL_VARNET).state_dict(), tmp_path / "published.pt")
    assert import_checkpoint(tmp_path / "published.pt", tmp_path / "w") == SMALL_VARNET


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": _Hostile(tmp_path / "owned")}, tmp_path / "published.pt")
    with pytest.raises(BadModel, match=r"holds more than tensors \(\S+\), and may hold code"):
        import_checkpoint(tmp_path / "published.pt", tmp_path / "w")
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, kept: int) -> None:
    torch.save(build(SMALL_UNET).state_dict(), tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:kept])
    with pytest.raises(BadModel, match=r"is no checkpoint|cannot be read"):
        convert(tmp_path / "cut.pt", tmp_path / "w")


@pytest.mark.parametrize(
    ("n_bytes", "said"), [(4096, "is no safetensors: .*header too large"), (10 << 30, "is larger than 8 GiB")]
)
def test_a_header_of_10_gb_is_refused_with_a_reason(tmp_path: Path, n_bytes: int, said: str) -> None:
    (tmp_path / "published.safetensors").write_bytes((10 << 30).to_bytes(8, "little") + b'{"a":')
    os.truncate(tmp_path / "published.safetensors", n_bytes)  # the rest is a hole
    with pytest.raises(BadModel, match=said):
        import_checkpoint(tmp_path / "published.safetensors", tmp_path / "w")


def test_another_network_is_not_taken_for_one_of_these(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.ones(3)}, tmp_path / "published.pt")
    with pytest.raises(BadModel, match=r"published.pt: is neither a U-Net nor an E2E-VarNet"):
        import_checkpoint(tmp_path / "published.pt", tmp_path / "w")
