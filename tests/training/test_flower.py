"""Sites by Flower reach what they reach in one process: its messages and its averaging, ours at both ends.

Flower holds back libraries that the gateway has newer, so it is installed apart (docs/adr/0035); else this is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from gateway.model.errors import WrongCall
from gateway.zoo.folder import WEIGHTS
from tests.training.plans import HEADS, plan, run

pytest.importorskip("flwr", reason="Flower is installed apart")
app, serverapp = pytest.importorskip("flwr.app"), pytest.importorskip("flwr.serverapp")
identity = pytest.importorskip("flwr.supercore.task_identity").TaskIdentity
flower = pytest.importorskip("gateway.training.flower")

SITES = [{"name": "east", "data": [HEADS], "weight": 3}, {"name": "south", "data": [HEADS]}]


def _loopback(apps: dict[int, Any]) -> Any:  # noqa: ANN401 - of Flower's classes, which may be absent
    """Carry messages to apps of this process and back; everything else is Flower's."""

    class Loopback(serverapp.Grid):  # type: ignore[misc, name-defined] # Flower may be absent
        run = property(lambda _: None)
        set_run = create_message = push_messages = pull_messages = lambda *_, **__: None

        def get_node_ids(self) -> Iterable[int]:
            return list(apps)

        def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> Iterable[Any]:
            del timeout
            empty = app.Context(run_id=0, node_id=0, node_config={}, state=app.RecordDict(), run_config={})
            return [apps[message.metadata.dst_node_id](message, empty) for message in messages]

    return Loopback()


def test_sites_by_flower_reach_what_they_reach_in_one_process(tmp_path: Path) -> None:

    identity.task_id = identity.run_id = identity.node_id = 1  # as a process of Flower has it
    federation = {"sites": SITES, "local_steps": 2}
    chosen = plan(data=[], federation=federation, fit={"steps": 3, "epoch": 3, "average": 0.0})
    assert chosen.federation is not None
    run(chosen, tmp_path / "here")
    apps = {
        7: flower.site_app(chosen, "east", tmp_path / "east"),
        8: flower.site_app(chosen, "south", tmp_path / "south"),
    }
    flower.average(chosen, chosen.federation, _loopback(apps), tmp_path / "server")
    here, far = (safetensors.torch.load_file(tmp_path / place / "tiny" / WEIGHTS) for place in ("here", "server"))
    for name, weight in here.items():
        torch.testing.assert_close(far[name], weight, rtol=1e-4, atol=1e-6)
    assert (tmp_path / "east" / "tiny" / WEIGHTS).exists()


def test_a_site_that_the_configuration_does_not_know_is_refused(tmp_path: Path) -> None:

    with pytest.raises(WrongCall, match="there are: east, south"):
        flower.site_app(plan(data=[], federation={"sites": SITES}), "north", tmp_path)
    with pytest.raises(WrongCall, match="is no federation"):
        flower.site_app(plan(), "north", tmp_path)
