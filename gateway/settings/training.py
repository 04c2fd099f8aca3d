"""A configuration for ``gateway train``: its text, read and held to the plan it must be."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from gateway.model.errors import SettingsFault
from gateway.model.training import Data, Plan
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
    return plan.model_copy(
        update={
            "data": tuple(_placed(one, folder) for one in plan.data),
            "validation": tuple(_placed(one, folder) for one in plan.validation),
        }
    )


def _placed(data: Data, folder: Path) -> Data:
    if data.kind == "procedural":
        return data
    return data.model_copy(update={"paths": tuple(folder / path for path in data.paths)})
