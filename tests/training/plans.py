"""Trainings small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.model.training import Plan
from gateway.training.product import train
from gateway.zoo.folder import ModelFolder
from gateway.zoo.zoo import Zoo

NETWORK = {"method": "modl", "n_channels": 8, "dilations": [1, 2], "n_unrolls": 2, "cg_steps": 6}
HEADS = {"kind": "procedural", "matrix": [48], "n_coils": [4], "noisiest": 0.02}
MASKS = {"accelerations": [3], "n_calibration": [12]}


def plan(**changes: Any) -> Plan:  # noqa: ANN401 - a table of TOML
    """Make a configuration."""
    said: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "licence": "Apache-2.0",
        "network": NETWORK,
        "data": [HEADS],
        "masks": MASKS,
        "n_validation": 1,
        **changes,
    }
    said["fit"] = {"steps": 4, "epoch": 2, "slab": 24, "reuse": 1, "warm_up": 0, **said.get("fit", {})}
    return Plan.model_validate(said)


def run(chosen: Plan, folder: Path, *models: Path, tell: Callable[[str], None] = lambda _: None) -> ModelFolder:
    """Train in a folder."""
    model = train(chosen, folder, Zoo(models), tell)
    assert model is not None, "the first process has the model"
    return model


def column(folder: Path, name: str) -> list[float]:
    """Read one column of the log."""
    head, *rows = (line.split(",") for line in (folder / "log.csv").read_text().splitlines())
    return [float(row[head.index(name)]) for row in rows]
