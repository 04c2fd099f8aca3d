"""The text of the routes that the settings name, and those in force where they name none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import RoutesFault
from gateway.model.route import Routes
from gateway.routing.text import parse_routes
from gateway.settings.files import read_text
from gateway.settings.load import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesSource:
    """The text of the routes, and where it comes from."""

    text: str
    name: str


DEFAULT_ROUTES = """\
# Every scan is reconstructed by the method that fits it, and its series goes to a folder.

[recipes.auto]
method = "auto"

[recipes.fft]
method = "fft"

[recipes.grappa]
method = "grappa"

[recipes.sense]
method = "sense"

[recipes.cg-sense]
method = "cg-sense"

[recipes.spirit]
method = "spirit"

[recipes.l1-spirit]
method = "l1-spirit"

[recipes.l1-wavelet]
method = "l1-wavelet"

[recipes.tv]
method = "tv"

[recipes.guided-tv]
method = "guided-tv"

[recipes.subspace]
method = "subspace"

[recipes.low-rank-sparse]
method = "low-rank-sparse"

[recipes.nufft]
method = "nufft"

[recipes.cg-nufft]
method = "cg-nufft"

[destinations.folder]
kind = "folder"
path = "series"

[[rules]]
name = "everything"
recipe = "auto"
destinations = ["folder"]
"""
"""In force as long as no routes are given."""


def routes_source(settings: Settings, path: Path | None = None) -> RoutesSource:
    """Read the text of the routes: from ``path``, else from the file that the settings name, else the default.

    Raises
    ------
    RoutesFault
        The file cannot be read.
    """
    file = path or settings.routes.file
    if file is None:
        return RoutesSource(text=DEFAULT_ROUTES, name="the default routes")
    return RoutesSource(text=read_text(file, RoutesFault), name=str(file))


def routes_folder(settings: Settings) -> Path:
    """Say where relative paths in the routes start, in whatever version of them."""
    return settings.routes.file.parent if settings.routes.file else settings.data.folder


def load_routes(settings: Settings) -> Routes:
    """Read the routes that are in force before any were applied.

    Raises
    ------
    RoutesFault
        The file cannot be read, or says something impossible, all faults at once.
    """
    source = routes_source(settings)
    return parse_routes(source.text, source=source.name, folder=routes_folder(settings))
