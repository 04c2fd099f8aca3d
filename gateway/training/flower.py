"""A federation whose sites are far apart, by Flower (Beutel 2020, arXiv:2007.14390): this is the other half of it.

Flower carries weights between a server and sites, over TLS, and averages them; what a site does with them is
`LocalCourse`, as in one process. Nothing else here imports Flower, and it is installed apart (docs/adr/0035).
"""

from __future__ import annotations

from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from gateway.model.errors import WrongCall
from gateway.model.training import Federation, Plan, Site
from gateway.training.course import begun, site_name
from gateway.training.federation import LocalCourse, shared
from gateway.training.fit import Outcome
from gateway.training.product import write_model
from gateway.training.ranks import ALONE
from gateway.training.state import load, save

ARRAYS, METRICS, ROUND = "arrays", "metrics", "server-round"
"""Names by which Flower's averaging finds what it needs."""
CPU = torch.device("cpu")


def site_app(plan: Plan, name: str, folder: Path, device: torch.device = CPU) -> ClientApp:
    """Make what runs at a site: it keeps its scans, its optimiser and its own weights in its folder.

    Raises
    ------
    WrongCall
        The configuration has no such site.
    """
    federation = _federation(plan)
    places = {site.name: number for number, site in enumerate(federation.sites)}
    if name not in places:
        raise WrongCall(f"there is no site {name!r}; there are: {', '.join(places)}")
    site, stream = federation.sites[places[name]], places[name]

    def train(message: Message, _context: Context) -> Message:
        return _answer(plan, site, _Desk(folder=folder, device=device, stream=stream), message)

    app = ClientApp()
    app.train()(train)
    return app


class _Desk:
    """Where a site works."""

    def __init__(self, *, folder: Path, device: torch.device, stream: int) -> None:
        self.folder, self.device, self.stream = folder, device, stream


def _answer(plan: Plan, site: Site, desk: _Desk, message: Message) -> Message:
    """Take the steps of a round; Flower may have begun a new process for it, so everything comes from the folder."""
    number = int(message.content["config"][ROUND]) - 1
    player = begun(plan, None, desk.device, ALONE).rivals[site_name(site)]
    course = LocalCourse(plan, site, player, device=desk.device, stream=desk.stream)
    desk.folder.mkdir(parents=True, exist_ok=True)
    fingerprint = f"{site.name}: {plan.model_dump_json()}"
    load(course.state, desk.folder, fingerprint)
    loss = course.learn(message.content[ARRAYS].to_torch_state_dict(), number)
    save(course.state, desk.folder, fingerprint)
    if number + 1 == plan.fit.steps:
        write_model(plan, Outcome(weights=course.weights, step=number + 1, score=loss, finished=True), desk.folder)
    sent = ArrayRecord({weight: one.cpu() for weight, one in shared(course.weights, _federation(plan).own).items()})
    told = MetricRecord({"num-examples": site.weight, "loss": loss})
    return Message(content=RecordDict({ARRAYS: sent, METRICS: told}), reply_to=message)


def server_app(plan: Plan, folder: Path) -> ServerApp:
    """Make what runs in the middle: it has no scans, waits for all sites, and leaves the model of their means."""
    federation = _federation(plan)

    def main(grid: Grid, _context: Context) -> None:
        average(plan, federation, grid, folder)

    app = ServerApp()
    app.main()(main)
    return app


def average(plan: Plan, federation: Federation, grid: Grid, folder: Path) -> None:
    """Run all rounds; weights that sites keep to themselves are in the model as they were before training."""
    first = begun(plan, None, CPU, ALONE).learner.module.state_dict()
    n_sites = len(federation.sites)
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=n_sites, min_available_nodes=n_sites)
    sent = ArrayRecord(dict(shared(first, federation.own)))
    result = strategy.start(grid=grid, initial_arrays=sent, num_rounds=plan.fit.steps)
    weights = {**first, **result.arrays.to_torch_state_dict()}
    folder.mkdir(parents=True, exist_ok=True)
    write_model(plan, Outcome(weights=weights, step=plan.fit.steps, score=0.0, finished=True), folder)


def _federation(plan: Plan) -> Federation:
    if plan.federation is None:
        raise WrongCall(f"{plan.name} is no federation: [federation] is missing")
    return plan.federation
