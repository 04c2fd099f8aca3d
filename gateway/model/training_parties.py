"""Who takes part in a training beside the network, as tables of its configuration: rivals, and sites."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.model.card import ModelName
from gateway.model.table import Table
from gateway.model.training_data import Data, Positive

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Critic(Table):
    """The opponent of an adversarial loss: tells true images from a network's, patch by patch."""

    n_channels: Annotated[int, Field(ge=2, le=256)] = 16
    """Of its first layer; twice as many in each that follows."""
    learning_rate: Rate = 2e-4
    """Its own; the network's falls, this does not."""


class Opponent(Table):
    """Who disturbs the data in robust training: transposed convolutions that make what harms most."""

    radius: Positive = 0.1
    """Disturbances larger than this share of the data cost the opponent (a hinge)."""
    hinge: Positive = 10.0
    """How much: in losses, where the square is twice that of the radius."""
    weight: Positive = 1.0
    """Of the loss on disturbed data, beside that on the data as they are."""
    n_channels: Annotated[int, Field(ge=2, le=256)] = 16
    """Of its first layer."""
    learning_rate: Rate = 1e-3
    """Its own."""


class Site(Table):
    """One that takes part in a federation and keeps its scans."""

    name: ModelName
    """For the log."""
    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    """Its own scans."""
    weight: Positive = 1.0
    """In the mean: for instance, how many scans it has."""


class Federation(Table):
    """Sites that learn one network together and exchange weights alone (McMahan 2017, arXiv:1602.05629)."""

    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    """Who takes part."""
    local_steps: Count = 10
    """Steps of each site between two means; one step of the whole is one mean."""
    own: tuple[str, ...] = ()
    """Globs for weights that each site keeps to itself (Arivazhagan 2019, arXiv:1912.00818); their mean ships."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({site.name for site in self.sites}) < len(self.sites):
            raise ValueError("two sites have the same name")
        return self
