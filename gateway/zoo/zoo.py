"""All models of a site, by name: those that ship with the gateway, and above them those in the site's own folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import BadModel
from gateway.zoo.folder import CARD, ModelFolder, check_weights, read_folder

SHIPPED = Path(__file__).parent / "shipped"
"""Models that come with the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What there is to say of a model."""

    name: str
    version: str = ""
    network: str = ""
    purpose: str = ""
    licence: str = ""
    fault: str = ""
    """Why it cannot be used."""


@dataclass(frozen=True, slots=True)
class Zoo:
    """Folders of models; a model in an earlier folder hides one of the same name in a later."""

    folders: Sequence[Path]

    def names(self) -> list[str]:
        """List the names of all models, good or bad."""
        return sorted({path.name for folder in self.folders for path in _models_in(folder)})

    def find(self, name: str) -> ModelFolder:
        """Read a model's card.

        Raises
        ------
        BadModel
            There is no such model, or its card is not good.
        """
        path = next((path for folder in self.folders for path in _models_in(folder) if path.name == name), None)
        if path is None:
            raise BadModel(f"there is no model {name!r}; there are: {', '.join(self.names()) or 'none'}")
        model = read_folder(path)
        if model.card.name != name:
            raise BadModel(f"{path / CARD} is the card of {model.card.name!r}; its folder must have that name")
        return model

    def examine(self, names: Sequence[str] = ()) -> list[Finding]:
        """Hold models to their cards: those of some names, all without; a name that is none is a fault, too."""
        return [self._examined(name) for name in names or self.names()]

    def _examined(self, name: str) -> Finding:
        try:
            card = self.checked(name).card
        except BadModel as fault:
            return Finding(name=name, fault=str(fault))
        return Finding(
            name=name, version=card.version, network=card.network.method, purpose=card.purpose, licence=card.licence
        )

    def checked(self, name: str) -> ModelFolder:
        """Read a model's card, and hold its weights to it.

        Raises
        ------
        BadModel
            There is no such model, its card is not good, or its weights are others.
        """
        model = self.find(name)
        check_weights(model)
        return model


def _models_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        found = (path for path in folder.iterdir() if not path.name.startswith("."))  # those are being written
        yield from sorted(path for path in found if (path / CARD).is_file())
