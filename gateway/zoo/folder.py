"""A model as a folder: ``card.toml`` and ``weights.safetensors``, and nothing that could run code."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from pydantic import ValidationError

from gateway.model.card import LARGEST_WEIGHTS_BYTES, Measured, ModelCard, Saw
from gateway.model.errors import BadModel
from gateway.whole import READABLE, write_whole

CARD, WEIGHTS = "card.toml", "weights.safetensors"

LARGEST_CARD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model whose card could be read; its weights are another matter, see `check_weights`."""

    path: Path
    card: ModelCard

    @property
    def weights(self) -> Path:
        """Its weights."""
        return self.path / WEIGHTS


def read_folder(path: Path) -> ModelFolder:
    """Read the card of a model.

    Raises
    ------
    BadModel
        There is none, or it does not say what it must; all faults at once.
    """
    file = path / CARD
    try:
        if file.stat().st_size > LARGEST_CARD_BYTES:
            raise BadModel(f"{file} is larger than any card")
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadModel(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadModel(f"{file} is not TOML: {error}") from None
    try:
        return ModelFolder(path=path, card=ModelCard.model_validate(tree))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise BadModel(f"{file}: {'; '.join(faults)}") from None


def check_weights(model: ModelFolder) -> None:
    """Hold the weights to the hash on the card.

    Raises
    ------
    BadModel
        They are not there, are larger than any, or are others.
    """
    try:
        n_bytes = model.weights.stat().st_size
    except OSError as error:
        raise BadModel(f"{model.weights} cannot be read: {error.strerror}") from error
    if n_bytes > LARGEST_WEIGHTS_BYTES:
        raise BadModel(f"the weights of {model.card.label} are larger than {LARGEST_WEIGHTS_BYTES >> 30} GiB")
    found = sha256_of(model.weights)
    if found != model.card.weights_sha256:
        raise BadModel(
            f"the weights of {model.card.label} are not those of its card: sha256 {found[:16]}..., "
            f"the card says {model.card.weights_sha256[:16]}..."
        )


def sha256_of(weights: Path) -> str:
    """Hash a file block by block.

    Raises
    ------
    BadModel
        It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with weights.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise BadModel(f"{weights} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def card_text(card: ModelCard) -> str:
    """Write a card as TOML; `read_folder` reads it again."""
    return tomlkit.dumps(card.model_dump(mode="json", exclude_none=True))


def with_calibration(model: ModelFolder, factor: float, saw: Saw | None, *, within: Path) -> None:
    """Write the factor of its uncertainty into a card, and what the scans were like that it is from; leave all else.

    Parameters
    ----------
    saw
        None where they are not what the model learned from.
    within
        The site's models.

    Raises
    ------
    BadModel
        The model is not one of the site's own folder: those that ship are not changed.
    """
    with _edited(model, within) as tree:
        tree["uncertainty_factor"] = round(factor, 3)
        if saw is not None:
            tree["saw"] = tomlkit.item(saw.model_dump(mode="json", exclude_none=True))


def with_measured(model: ModelFolder, rows: Sequence[Measured], *, within: Path) -> None:
    """Write what a model reached into its card, in the place of what stood there, and leave all else.

    Raises
    ------
    BadModel
        As for `with_calibration`.
    """
    tables = tomlkit.aot()
    for row in rows:
        tables.append(tomlkit.item(row.model_dump(mode="json")))
    with _edited(model, within) as tree:
        tree.pop("measured", None)
        tree.append("measured", tables)


def check_own(model: ModelFolder, *, within: Path) -> None:
    """Refuse to change a model that ships.

    Raises
    ------
    BadModel
        The model is not one of the site's own folder.
    """
    if not model.path.resolve().is_relative_to(within.resolve()):
        raise BadModel(f"{model.card.label} ships with the gateway: copy {model.path} to {within} to change its card")


@contextmanager
def _edited(model: ModelFolder, within: Path) -> Iterator[tomlkit.TOMLDocument]:
    check_own(model, within=within)
    file = model.path / CARD
    tree = tomlkit.parse(file.read_text(encoding="utf-8"))
    yield tree
    write_whole(file, tomlkit.dumps(tree).encode(), READABLE)
