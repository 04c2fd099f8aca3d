"""Sites by Flower reach what they reach in one process: its messages and its averaging, ours at both ends.

Flower holds back libraries that the gateway has newer, so it is installed apart (docs/adr/0035); else this is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from gateway.model.errors import GatewayError, WrongCall
from gateway.model.training import Plan
from gateway.zoo.folder import WEIGHTS
from tests.training.plans import HEADS, plan, run

pytest.importorskip("flwr", reason="Flower is installed apart")
app, serverapp = pytest.importorskip("flwr.app"), pytest.importorskip("flwr.serverapp")
identity = pytest.importorskip("flwr.supercore.task_identity").TaskIdentity
flower = pytest.importorskip("gateway.training.flower")

SITES = [{"name": "east", "data": [HEADS], "weight": 3}, {"name": "south", "data": [HEADS]}]


def _loopback(load: Callable[[Path], Plan], nodes: dict[int, dict[str, str]]) -> Any:  # noqa: ANN401 - Flower's
    """Carry messages to sites of this process and back; everything else is Flower's.

    Parameters
    ----------
    nodes
        What the machine of each site tells.
    """
    site = flower.site_app(load)

    class Loopback(serverapp.Grid):  # type: ignore[misc, name-defined] # Flower may be absent
        run = property(lambda _: None)
        set_run = create_message = push_messages = pull_messages = lambda *_, **__: None

        def get_node_ids(self) -> Iterable[int]:
            return list(nodes)

        def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> Iterable[Any]:
            del timeout
            return [self._answer(message) for message in messages]

        def _answer(self, message: Any) -> Any:  # noqa: ANN401 - of Flower's classes
            told = nodes[message.metadata.dst_node_id]
            context = app.Context(run_id=0, node_id=0, node_config=told, state=app.RecordDict(), run_config={})
            try:
                return site(message, context)
            except WrongCall as fault:  # as a process of Flower tells it
                return app.Message(app.Error(code=0, reason=str(fault)), reply_to=message)

    return Loopback()


def test_sites_by_flower_reach_what_they_reach_in_one_process(tmp_path: Path) -> None:

    identity.task_id = identity.run_id = identity.node_id = 1  # as a process of Flower has it
    federation = {"sites": SITES, "local_steps": 2}
    chosen = plan(data=[], federation=federation, fit={"steps": 3, "epoch": 3, "average": 0.0})
    assert chosen.federation is not None
    run(chosen, tmp_path / "here")
    nodes = {7: _told(tmp_path, "east"), 8: _told(tmp_path, "south")}
    flower.average(chosen, chosen.federation, _loopback(lambda _: chosen, nodes), tmp_path / "server")
    here, far = (safetensors.torch.load_file(tmp_path / place / "tiny" / WEIGHTS) for place in ("here", "server"))
    for name, weight in here.items():
        torch.testing.assert_close(far[name], weight, rtol=1e-4, atol=1e-6)
    assert (tmp_path / "east" / "tiny" / WEIGHTS).exists()


def _told(folder: Path, site: str) -> dict[str, str]:
    return {"plan": "tiny.toml", "site": site, "folder": str(folder / site)}


def test_where_a_site_fails_no_model_is_written(tmp_path: Path) -> None:
    identity.task_id = identity.run_id = identity.node_id = 1
    chosen = plan(data=[], federation={"sites": SITES, "local_steps": 1}, fit={"steps": 1, "epoch": 1})
    nodes = {7: _told(tmp_path, "east"), 8: _told(tmp_path, "nobody")}
    with pytest.raises(GatewayError, match="round 1: 1 of 2 sites answered"):
        flower.average(chosen, chosen.federation, _loopback(lambda _: chosen, nodes), tmp_path / "server")
    assert not (tmp_path / "server").exists()


def test_a_site_that_the_configuration_does_not_know_is_refused(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    with pytest.raises(WrongCall, match="there are: east, south"):
        flower.at_site(lambda _: plan(data=[], federation={"sites": SITES}), _told(tmp_path, "north"), cpu)
    with pytest.raises(WrongCall, match="is no federation"):
        flower.at_site(lambda _: plan(), _told(tmp_path, "north"), cpu)
    with pytest.raises(WrongCall, match="does not say plan, site, folder"):
        flower.at_site(lambda _: plan(), {}, cpu)
