"""A recipe that names a model together with that model: what the engine needs to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.model.card import ModelCard
from gateway.model.learned import LearnedModel
from gateway.model.recipes import LearnedRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyModel:
    """A recipe that names a model, and the model that it names."""

    recipe: LearnedRecipe
    card: ModelCard
    weights: Path

    @property
    def taking_part(self) -> LearnedModel:
        """What a series says of it."""
        return LearnedModel(
            name=self.card.name,
            version=self.card.version,
            weights_sha256=self.card.weights_sha256,
            trained_for=str(self.card.made_for),
        )
