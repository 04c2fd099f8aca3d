"""What a site sets: ``gateway.toml``, the environment above it, and the file of routes that it names."""

from gateway.settings.load import PREFIX, Settings, load_settings
from gateway.settings.routes import DEFAULT_ROUTES, RoutesSource, load_routes, routes_folder, routes_source
from gateway.settings.sections import Web
from gateway.settings.training import load_plan

__all__ = [
    "DEFAULT_ROUTES",
    "PREFIX",
    "RoutesSource",
    "Settings",
    "Web",
    "load_plan",
    "load_routes",
    "load_settings",
    "routes_folder",
    "routes_source",
]
