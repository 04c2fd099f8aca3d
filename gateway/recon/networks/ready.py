"""A recipe that names a model together with that model: what the engine needs to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.model.card import ModelCard
from gateway.model.learned import LearnedModel
from gateway.model.networks import needs_image_alone
from gateway.model.recipes import LearnedRecipe, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyModel:
    """A recipe that names a model, and the model that it names."""

    recipe: LearnedRecipe
    card: ModelCard
    weights: Path

    @property
    def refines(self) -> Recipe | None:
        """The recipe whose images are all that the network needs; None where it needs measured lines, too."""
        return self.recipe.after if needs_image_alone(self.card.network) else None

    @property
    def begins_with(self) -> str:
        """The method whose image the network begins with."""
        return "sense" if self.recipe.after is None else self.recipe.after.method

    @property
    def taking_part(self) -> LearnedModel:
        """What a series says of it."""
        return LearnedModel(
            name=self.card.name,
            version=self.card.version,
            weights_sha256=self.card.weights_sha256,
            trained_for=str(self.card.made_for),
        )
