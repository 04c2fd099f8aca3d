"""What training leaves for the gateway: a model's folder, whose card says what it learned from, and what flatters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from gateway.model.card import ModelCard, Purpose, TrainedOn
from gateway.model.errors import StorageFault
from gateway.model.training import Plan
from gateway.recon.engine import choose_device
from gateway.recon.networks.weights import load_network, save_tensors
from gateway.recon.workplace import CPU
from gateway.training.fit import Outcome, Place, fit
from gateway.training.ranks import together
from gateway.whole import whole_folder
from gateway.zoo.folder import CARD, WEIGHTS, ModelFolder, card_text, read_folder, sha256_of
from gateway.zoo.zoo import Zoo

CAVEAT = (
    "K-space was computed from images: coils, phase and noise are simulated, nothing drifts, moves or decays, and what "
    "was reconstructed, filtered or compressed before is taken for the truth. Figures on such data flatter "
    "(doi:10.1073/pnas.2117203119); only measured raw data tell."
)


def train(
    plan: Plan, folder: Path, zoo: Zoo, tell: Callable[[str], None], *, device: str = "cpu"
) -> ModelFolder | None:
    """Train, or go on, and write the model that the best weights are; the run's own files lie beside it.

    Returns
    -------
        The model; None in all processes but the first, where torch's launcher has started several.

    Raises
    ------
    BadModel
        The model to begin with is not good, or of another network.
    WrongCall, UnreadableFile, BadScan
        As for `fit`.
    """
    first = None if plan.start is None else _weights(zoo.checked(plan.start))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFault(f"{folder} cannot be made: {error.strerror}") from error
    where = choose_device(device)
    with together(where) as ranks:
        outcome = fit(plan, first, Place(folder=folder, device=ranks.own(where), ranks=ranks, tell=tell))
        if ranks.leads:
            if why := _ending(plan, outcome):
                tell(why)
            write_model(plan, outcome, folder)
        ranks.meet()
    return read_folder(folder / plan.name) if ranks.leads else None


def _ending(plan: Plan, outcome: Outcome) -> str:
    """Say why training ended early, and which weights the model has; nothing where it has the last ones."""
    kept = f"the model has the weights of step {outcome.step}"
    if not outcome.finished:
        return f"time is up; {kept}, run again to go on"
    if outcome.taken < plan.fit.steps:
        return f"no better for {plan.fit.patience} looks: stopped after step {outcome.taken}; {kept}"
    return kept if outcome.step < outcome.taken else ""


def _weights(model: ModelFolder) -> Mapping[str, Tensor]:
    return load_network(model.card, model.weights, CPU).state_dict()


def write_model(plan: Plan, outcome: Outcome, folder: Path) -> None:
    """Write the folder of the model; it appears whole, in the place of an earlier one."""
    place = folder / plan.name
    try:
        with whole_folder(place, 0o777) as part:
            save_tensors(outcome.weights, part / WEIGHTS)
            card = card_of(plan, outcome, sha256_of(part / WEIGHTS))
            (part / CARD).write_text(card_text(card), encoding="utf-8")
    except OSError as error:
        raise StorageFault(f"{place} cannot be written: {error.strerror}") from error


def card_of(plan: Plan, outcome: Outcome, sha256: str) -> ModelCard:
    """Write what is known: for training and tests, until somebody has measured it."""
    data = "; ".join(one.told for one in plan.learned_from)
    begun = "" if plan.start is None else f", begun with {plan.start}"
    return ModelCard(
        name=plan.name,
        version=plan.version,
        purpose=Purpose.TESTS,
        licence=plan.licence,
        weights_sha256=sha256,
        network=plan.network,
        made_for=plan.made_for.model_copy(update={"encoded": plan.encoded, "after": plan.begins_with}),
        trained_on=TrainedOn(
            data=f"{data}: {plan.paradigm}, {outcome.step} steps, seed {plan.seed}{begun}",
            synthetic=plan.synthetic,
            caveat=CAVEAT if plan.synthetic else "",
        ),
    )
