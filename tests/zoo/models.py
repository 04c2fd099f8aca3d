"""Folders with models for tests: small networks that nobody trained."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch

from gateway.model.card import MadeFor, ModelCard, Purpose, TrainedOn
from gateway.model.networks import Network, UnetNetwork
from gateway.recon.networks.architectures import build
from gateway.zoo.folder import CARD, WEIGHTS, card_text, sha256_of

ANY = MadeFor()
SMALL_UNET = UnetNetwork(n_channels=4, n_pools=2)


def card(
    network: Network = SMALL_UNET, *, name: str = "small", sha256: str = "0" * 64, made_for: MadeFor = ANY
) -> ModelCard:
    """Make the card of a model for patients."""
    return ModelCard(
        name=name,
        version="1.0",
        purpose=Purpose.PATIENTS,
        licence="Apache-2.0",
        weights_sha256=sha256,
        network=network,
        made_for=made_for,
        trained_on=TrainedOn(data="nothing", synthetic=True, caveat="for tests"),
    )


def put_model(zoo: Path, network: Network = SMALL_UNET, *, name: str = "small", made_for: MadeFor = ANY) -> ModelCard:
    """Write a model into a folder of models; its weights are random, from a seed."""
    folder = zoo / name
    folder.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        safetensors.torch.save_file(build(network).state_dict(), folder / WEIGHTS)
    made = card(network, name=name, sha256=sha256_of(folder / WEIGHTS), made_for=made_for)
    (folder / CARD).write_text(card_text(made))
    return made
