"""Routing as data: the rules that choose among recipes and destinations (the shape of ``routes.toml``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.model.destinations import Destination, FolderDestination
from gateway.model.identity import HEADER
from gateway.model.match import Match
from gateway.model.policy import DEFAULT, Policy
from gateway.model.projects import Project
from gateway.model.recipes import RouteRecipe
from gateway.model.sources import Asked, Source
from gateway.model.table import Table
from gateway.model.trend import Phantom

RecipeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Rule(Table):
    """What happens to the scans that match; the first rule that matches decides."""

    name: str = Field(min_length=1)
    """What the page and the timeline call it."""
    match: Match = Match()
    """Which scans it is for."""
    recipe: RecipeName
    """Name of the recipe that reconstructs them."""
    destinations: tuple[str, ...] = Field(min_length=1)
    """Names of the destinations that the series goes to."""
    incomplete: Literal["hold", "reconstruct"] = "hold"
    """What to do with a scan that ended without CLOSE: hold it, or reconstruct it if what came is enough."""
    stream: bool = False
    """Whether slices become images while the rest of the scan arrives; nothing leaves before the scan is whole."""
    identity: Literal["header", "lookup", "hold"] = "header"
    """Who says who the patient is: the scanner; a source, where one study fits, and a person where not; or a person."""
    sources: tuple[str, ...] = ()
    """Names of the sources, and of PACS and archives among the destinations, in the order in which they are asked."""
    identity_patience_s: Annotated[float, Field(ge=0)] = 3600
    """How long a source that does not answer is asked again, before a person is."""
    unknown_direction: Literal["hold", "mark"] = "hold"
    """What to do with images of which the scanner has sent no orientation: hold them, or send them as Secondary Capture
    marked so, of which no viewer claims to know left and right."""
    table_position: Literal["ignore", "add"] = "ignore"
    """What to do with the header's relativeTablePosition: nothing, as MRD counts positions from the isocentre; or add
    it, where an exporter leaves the table out of them. Compare with a DICOM image of the vendor (docs/pacs.md)."""
    respond: Literal["ack", "images"] = "ack"
    """What the sender gets before CLOSE: the receipt, or the images too (message 1022) if they are made in time."""
    deidentify: str | None = None
    """Name of the project for which the patient is taken out of all that leaves."""
    policy: str = DEFAULT
    """Name of the policy for images of learned recipes that fail a check."""
    phantom: Phantom | None = None
    """These are scans of a phantom: their images are measured (NEMA, ACR) and followed in control charts."""
    phantom_every_h: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24
    """An alarm is raised where a scanner has sent no scan of the phantom for so long."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Among series that wait for a destination, those with more are sent first."""
    series_description: str = "{protocol} {recipe}"
    """Text with ``{protocol}`` and ``{recipe}`` in it."""

    @field_validator("series_description")
    @classmethod
    def _placeholders_are_known(cls, text: str) -> str:
        unknown = {name for _, name, _, _ in Formatter().parse(text) if name is not None} - {"protocol", "recipe"}
        if unknown:
            raise ValueError(f"{{{min(unknown)}}} is not known; known are {{protocol}} and {{recipe}}")
        return text

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> Self:
        if self.identity == "lookup" and not self.sources:
            raise ValueError('identity = "lookup" needs sources')
        if self.identity == "header" and self.sources:
            raise ValueError('sources are asked only where identity is "lookup" or "hold"')
        return self


class RuleFaults(ValueError):
    """Rules contradict each other or name what is not defined; each fault with the number of its rule."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"rules.{number}: {fault}" for number, fault in faults))
        self.faults = faults


class Routes(Table):
    """All of ``routes.toml``."""

    recipes: dict[RecipeName, RouteRecipe]
    destinations: dict[str, Destination]
    sources: dict[str, Source] = Field(default_factory=dict)
    projects: dict[str, Project] = Field(default_factory=dict)
    policies: dict[str, Policy] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = Field(min_length=1)

    @property
    def asked(self) -> dict[str, Asked]:
        """Everybody who can be asked who a patient is."""
        places = self.destinations.items()
        return {name: one for name, one in places if not isinstance(one, FolderDestination)} | self.sources

    @property
    def known_policies(self) -> dict[str, Policy]:
        """Every policy by its name, the default among them."""
        return {DEFAULT: Policy()} | self.policies

    @field_validator("sources")
    @classmethod
    def _nobody_is_called_scanner(cls, sources: dict[str, Source]) -> dict[str, Source]:
        if HEADER in sources:
            raise ValueError(f"a source cannot be called {HEADER!r}: this is what the scanner itself says")
        return sources

    @model_validator(mode="after")
    def _names_mean_one_thing(self) -> Self:
        if both := sorted(self.sources.keys() & self.destinations.keys()):
            raise ValueError(
                f"{both[0]!r} is both a source and a destination; a PACS among these can be asked as it is"
            )
        return self

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = [
            (number, f"rule {name!r} is there twice; the page and the timeline tell rules apart by name")
            for number, name in enumerate(names)
            if name in names[:number]
        ]
        undefined = [
            (number, f"rule {rule.name!r} names {what} {name!r}, which is not defined")
            for number, rule in enumerate(self.rules)
            for what, used, known in (
                ("recipe", [rule.recipe], self.recipes),
                ("destination", list(rule.destinations), self.destinations),
                ("source", list(rule.sources), self.asked),
                ("policy", [rule.policy], self.known_policies),
                ("project", [rule.deidentify] if rule.deidentify is not None else [], self.projects),
            )
            for name in used
            if name not in known
        ]
        hidden = [
            (number, f"rule {below!r} is never reached: rule {above!r} above it takes every scan that fits it")
            for number, below, above in _hidden(self.rules)
        ]
        if twice or undefined or hidden:
            raise RuleFaults(twice + undefined + hidden)
        return self


def _hidden(rules: Sequence[Rule]) -> Iterator[tuple[int, str, str]]:
    """Find the rules that can never decide: number and name of each, and the name of the one that hides it."""
    for number, rule in enumerate(rules):
        above = next((earlier for earlier in rules[:number] if earlier.match.covers(rule.match)), None)
        if above is not None:
            yield number, rule.name, above.name
