"""A federation whose sites are far apart, by Flower (Beutel 2020, arXiv:2007.14390): this is the other half of it.

Flower carries weights between a server and sites, over TLS, and averages them; what a site does with them is
`LocalCourse`, as in one process. Nothing else here imports Flower, and it is installed apart (docs/adr/0035).

Flower sends the same app to every site, so who a site is stands in what its own machine tells it, and its configuration
is a file of its own: nobody else says what a site opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from gateway.model.errors import GatewayError, WrongCall
from gateway.model.training import Plan
from gateway.model.training_parties import Federation, Site
from gateway.training.course import begun, site_name
from gateway.training.federation import LocalCourse, shared
from gateway.training.fit import Outcome
from gateway.training.product import write_model
from gateway.training.ranks import ALONE
from gateway.training.state import load, save

ARRAYS, METRICS, ROUND = "arrays", "metrics", "server-round"
"""Names by which Flower's averaging finds what it needs."""
CPU = torch.device("cpu")


TOLD = ("plan", "site", "folder")
"""What the machine of a site tells: its configuration, its name there, and where it keeps what it learns."""
Load = Callable[[Path], Plan]


def site_app(load_plan: Load, device: torch.device = CPU) -> ClientApp:
    """Make what runs at a site: it keeps its scans, its optimiser and its own weights in its folder.

    What ``flower-supernode --node-config`` says of `TOLD` makes it that site.

    Parameters
    ----------
    load_plan
        Reads a configuration.
    """

    def train(message: Message, context: Context) -> Message:
        plan, site, desk = at_site(load_plan, context.node_config, device)
        return _answer(plan, site, desk, message)

    app = ClientApp()
    app.train()(train)
    return app


def at_site(load_plan: Load, told: Mapping[str, object], device: torch.device) -> tuple[Plan, Site, _Desk]:
    """Find out which site this is.

    Raises
    ------
    WrongCall
        Its machine does not say, or the configuration has no such site.
    """
    missing = [name for name in TOLD if not told.get(name)]
    if missing:
        raise WrongCall(f"--node-config of this site does not say {', '.join(missing)}")
    plan, name = load_plan(Path(str(told["plan"]))), str(told["site"])
    sites = _federation(plan).sites
    places = {site.name: number for number, site in enumerate(sites)}
    if name not in places:
        raise WrongCall(f"there is no site {name!r}; there are: {', '.join(places)}")
    stream = places[name]
    return plan, sites[stream], _Desk(folder=Path(str(told["folder"])), device=device, stream=stream)


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
        write_model(
            plan,
            Outcome(weights=course.weights, step=number + 1, taken=number + 1, score=loss, finished=True),
            desk.folder,
        )
    sent = ArrayRecord({weight: one.cpu() for weight, one in shared(course.weights, _federation(plan).own).items()})
    told = MetricRecord({"num-examples": site.weight, "loss": loss})
    return Message(content=RecordDict({ARRAYS: sent, METRICS: told}), reply_to=message)


def server_app(load_plan: Load) -> ServerApp:
    """Make what runs in the middle: it has no scans, waits for all sites, and leaves the model of their means.

    ``plan`` and ``folder`` are those of the run's configuration (``flwr run --run-config``).
    """

    def main(grid: Grid, context: Context) -> None:
        plan = load_plan(Path(str(context.run_config["plan"])))
        average(plan, _federation(plan), grid, Path(str(context.run_config["folder"])))

    app = ServerApp()
    app.main()(main)
    return app


class _OfEverySite(FedAvg):  # type: ignore[misc] # Flower may be absent, and has no types then
    """Averages all sites or none: Flower would go on with those that are left, and with nobody's weights."""

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average what the sites of a round have learned.

        Raises
        ------
        GatewayError
            A site failed, or did not answer.
        """
        answers = list(replies)
        good = sum(not answer.has_error() for answer in answers)
        if good < self.min_available_nodes:
            raise GatewayError(
                f"round {server_round}: {good} of {self.min_available_nodes} sites answered; no model is written"
            )
        mean: tuple[ArrayRecord | None, MetricRecord | None] = super().aggregate_train(server_round, answers)
        return mean


def average(plan: Plan, federation: Federation, grid: Grid, folder: Path) -> None:
    """Run all rounds; weights that sites keep to themselves are in the model as they were before training.

    Raises
    ------
    GatewayError
        A site failed: what is written is of all sites and all rounds, or not at all.
    """
    first = begun(plan, None, CPU, ALONE).learner.module.state_dict()
    n_sites = len(federation.sites)
    strategy = _OfEverySite(fraction_evaluate=0.0, min_train_nodes=n_sites, min_available_nodes=n_sites)
    sent = ArrayRecord(dict(shared(first, federation.own)))
    result = strategy.start(grid=grid, initial_arrays=sent, num_rounds=plan.fit.steps)
    weights = {**first, **result.arrays.to_torch_state_dict()}
    folder.mkdir(parents=True, exist_ok=True)
    write_model(
        plan, Outcome(weights=weights, step=plan.fit.steps, taken=plan.fit.steps, score=0.0, finished=True), folder
    )


def _federation(plan: Plan) -> Federation:
    if plan.federation is None:
        raise WrongCall(f"{plan.name} is no federation: [federation] is missing")
    return plan.federation
