"""A configuration for ``gateway train``: its text, read and held to the plan it must be."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from gateway.model.errors import SettingsFault
from gateway.model.training import Plan
from gateway.model.training_data import Data
from gateway.model.training_parties import Federation
from gateway.routing.text import faults_of, key_places, toml_tree
from gateway.settings.files import read_text


def load_plan(path: Path) -> Plan:
    """Read a configuration; relative paths in it start at its folder.

    Raises
    ------
    SettingsFault
        It cannot be read, or says something impossible; all faults at once.
    """
    text = read_text(path)
    try:
        tree = toml_tree(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsFault(str(path), [str(error)]) from None
    try:
        plan = Plan.model_validate(tree)
    except ValidationError as error:
        raise SettingsFault(str(path), faults_of(error, Plan, tree, places=key_places(text))) from None
    folder = path.absolute().parent
    tables = ("data", "unlabelled", "references", "validation")
    placed = {name: _placed(getattr(plan, name), folder) for name in tables}
    return plan.model_copy(update={**placed, "federation": _placed_sites(plan.federation, folder)})


def _placed_sites(federation: Federation | None, folder: Path) -> Federation | None:
    if federation is None:
        return None
    sites = [site.model_copy(update={"data": _placed(site.data, folder)}) for site in federation.sites]
    return federation.model_copy(update={"sites": tuple(sites)})


def _placed(data: tuple[Data, ...], folder: Path) -> tuple[Data, ...]:
    return tuple(_placed_one(one, folder) for one in data)


def _placed_one(data: Data, folder: Path) -> Data:
    if data.kind == "procedural":
        return data
    return data.model_copy(update={"paths": tuple(folder / path for path in data.paths)})
