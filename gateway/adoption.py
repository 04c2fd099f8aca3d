"""A published checkpoint becomes a model of this site: weights that cannot run code, and a card to be filled in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.model.card import MadeFor, ModelCard, Purpose, Sampling, TrainedOn
from gateway.model.errors import StorageFault, WrongCall
from gateway.recon.networks.checkpoint import import_checkpoint
from gateway.whole import whole_folder
from gateway.zoo.folder import CARD, WEIGHTS, ModelFolder, card_text, read_folder, sha256_of

UNDERSAMPLED = (Sampling.EQUISPACED, Sampling.IRREGULAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a person says of a checkpoint."""

    name: str
    version: str
    licence: str
    trained_on: str


def adopt(checkpoint: Path, folder: Path, provenance: Provenance) -> ModelFolder:
    """Convert a checkpoint into a model, for training and tests until a person widens its card.

    The folder appears whole or not at all.

    Raises
    ------
    WrongCall
        There is such a model already, or its name cannot be one.
    BadModel
        The checkpoint is not good.
    """
    place = folder / provenance.name
    if place.exists():
        raise WrongCall(f"there is a model {provenance.name!r} already in {folder}")
    try:
        with whole_folder(place, 0o777) as part:
            network = import_checkpoint(checkpoint, part / WEIGHTS)
            card = ModelCard(
                name=provenance.name,
                version=provenance.version,
                purpose=Purpose.TESTS,
                licence=provenance.licence,
                weights_sha256=sha256_of(part / WEIGHTS),
                network=network,
                made_for=MadeFor(sampling=UNDERSAMPLED),
                trained_on=TrainedOn(data=provenance.trained_on, synthetic=False),
            )
            (part / CARD).write_text(card_text(card), encoding="utf-8")
    except OSError as error:
        raise StorageFault(f"{place} cannot be written: {error.strerror}") from error
    return read_folder(place)
