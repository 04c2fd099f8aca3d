"""Commands for those who compare methods and bring their own; no logic lives here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway import show
from gateway.options import Config, Json, err, out
from gateway.settings import load_settings
from gateway.stations import zoo_of

if TYPE_CHECKING:
    from gateway.evaluation.conformal import Known, Looked

Scans = Annotated[list[Path], typer.Argument(help="Scans of every line: ISMRMRD .h5 files, recordings, or folders.")]
Recipes = Annotated[list[str], typer.Option("--recipe", help="A recipe of the routes; give several to compare them.")]
Masks = Annotated[
    list[str],
    typer.Option(
        "--mask",
        help="Lines that are kept, of 3D scans points of lines and partitions: PATTERN:ACCELERATION or "
        "PATTERN:ACCELERATION:CALIBRATION, where PATTERN is equispaced, random, variable-density, poisson-disc or "
        "centre. Several may be given.",
    ),
]
MoreScans = Annotated[
    list[Path], typer.Argument(help="Scans of every line: ISMRMRD .h5 files, recordings, or folders.")
]
NO_SCANS: list[Path] = []
USUAL = ["equispaced:4:24"]
DRAWN_SEED = 2_718
"""Of drawn heads that no training draws: those begin elsewhere."""
NOBODY: list[str] = []

models = typer.Typer(no_args_is_help=True, help="Learned models: what each was made for, and whether it is whole.")


@models.command("list")
def models_list(config: Config = None, as_json: Json = False) -> None:
    """List the models that recipes may name, and whether each is what its card says. Exit code 1 where one is not."""
    zoo = zoo_of(load_settings(config))
    found = zoo.examine()
    print(show.as_json(found)) if as_json else show.show_models(out, found)  # noqa: T201
    raise typer.Exit(1 if any(one.fault for one in found) else 0)


@models.command("verify")
def models_verify(
    model: Annotated[list[str] | None, typer.Argument(help="Their names; all models without.")] = None,
    config: Config = None,
) -> None:
    """Check that models are what their cards say, weights to the last bit. Exit code 1 where one is not."""
    found = zoo_of(load_settings(config)).examine(model or ())
    for one in found:
        out.print(f"{one.name}: {one.fault or 'whole'}", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1 if any(one.fault for one in found) else 0)


@models.command("show")
def models_show(model: Annotated[str, typer.Argument(help="Its name.")], config: Config = None) -> None:
    """Print the card of a model."""
    from gateway.zoo.folder import card_text  # noqa: PLC0415 - commands load only what they use

    print(card_text(zoo_of(load_settings(config)).find(model).card), end="")  # noqa: T201


@models.command("import")
def models_import(
    checkpoint: Annotated[Path, typer.Argument(help="A U-Net or E2E-VarNet of fastMRI: a state_dict or a checkpoint.")],
    name: Annotated[str, typer.Option(help="What recipes shall call it.")],
    licence: Annotated[str, typer.Option(help="What binds who uses it.")],
    trained_on: Annotated[str, typer.Option(help="What it learned from.")],
    config: Config = None,
) -> None:
    """Make a model of a published checkpoint, for training and tests until a person widens its card."""
    from gateway.adoption import Provenance, adopt  # noqa: PLC0415 - torch

    folder = load_settings(config).models_folder
    provenance = Provenance(name=name, version="imported", licence=licence, trained_on=trained_on)
    model = adopt(checkpoint, folder, provenance)
    out.print(f"model {name} in {model.path}; say in its card.toml what it is made for", soft_wrap=True)


@models.command("calibrate")
def models_calibrate(
    model: Annotated[str, typer.Argument(help="Its name.")],
    scans: MoreScans = NO_SCANS,
    mask: Masks = USUAL,
    drawn: Annotated[
        int, typer.Option(min=0, help="Calibrate on so many drawn heads, and check on the scans what was found.")
    ] = 0,
    write: Annotated[
        bool, typer.Option("--write", help="Write what was found into the card of the site's model.")
    ] = False,
    config: Config = None,
) -> None:
    """Find the factor by which the uncertainty of a model's images holds nine of ten pixels, on scans of every line."""
    from gateway.evaluation.compare import Masking, read_scans  # noqa: PLC0415 - torch
    from gateway.evaluation.conformal import Known, calibrate, held_by, look  # noqa: PLC0415
    from gateway.model.recipes import LearnedRecipe  # noqa: PLC0415
    from gateway.recon.networks.ready import ReadyModel  # noqa: PLC0415
    from gateway.zoo.folder import check_own, with_calibration  # noqa: PLC0415

    settings = load_settings(config)
    folder = zoo_of(settings).find(model)
    if write:
        check_own(folder, within=settings.models_folder)
    asked = LearnedRecipe(model=model, allow_tests=True)
    learned = ReadyModel(recipe=asked, card=folder.card, weights=folder.weights)
    maskings = [Masking.parse(text) for text in mask]
    given = [Known(scan=one, truth=one) for one in read_scans(scans)]

    def looked(at: Sequence[Known]) -> list[Looked]:
        return look(at, learned, maskings, device=settings.workers.device, tell=err.print)

    found = calibrate(looked(_drawn(drawn) if drawn else given))
    if write:
        with_calibration(folder, found.factor, found.saw if drawn else None, within=settings.models_folder)
    out.print(found.told, soft_wrap=True, highlight=False)
    if drawn and given:
        out.print(held_by(found.factor, looked(given)).told, soft_wrap=True, highlight=False)


def _drawn(n: int) -> list[Known]:
    """Draw heads as scans, whose truth is known."""
    from gateway.evaluation.compare import Scan  # noqa: PLC0415 - torch
    from gateway.evaluation.conformal import Known  # noqa: PLC0415
    from gateway.model.training_data import ProceduralData  # noqa: PLC0415
    from gateway.training.as_scan import drawn_scans  # noqa: PLC0415

    return [
        Known(
            scan=Scan(name=one.name, acquisition=one.noisy, header=one.header),
            truth=Scan(name=one.name, acquisition=one.clean, header=one.header),
        )
        for one in drawn_scans(n, ProceduralData(), seed=DRAWN_SEED)
    ]


def evaluate(
    scans: Scans,
    folder: Annotated[Path, typer.Option("--out", help="Folder for the report.")],
    recipe: Recipes,
    mask: Masks = USUAL,
    page: Annotated[
        Path | None, typer.Option("--page", help="Also write a page of Markdown, pictures beside it.")
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Instead: what becomes of each recipe as scans get harder, of small structures, and at the worst.",
        ),
    ] = False,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Of the search for the worst perturbation.")] = 10,
    figures_only: Annotated[
        list[str], typer.Option("--figures-only", help="A scan (its file's name) whose images the page must not show.")
    ] = NOBODY,
    write: Annotated[
        bool, typer.Option("--write", help="Write what was measured into the cards of the site's models.")
    ] = False,
    guide: Annotated[
        Path | None, typer.Option(help="Scan of the same exam that guides all of them, for guided-tv.")
    ] = None,
    config: Config = None,
) -> None:
    """Compare recipes on scans of every line, of which lines are left out: numbers, box plots, and the worst cases."""
    from gateway.routing.choose import named_recipe  # noqa: PLC0415 - commands load only what they use
    from gateway.settings import load_routes  # noqa: PLC0415

    if robustness and write:
        raise typer.BadParameter("--robustness measures nothing that a model's card holds: leave --write out")
    settings = load_settings(config)
    routes = load_routes(settings)
    asked = {name: named_recipe(routes, name) for name in recipe}
    learned = {name: one.model for name, one in asked.items() if one.method == "learned"}
    zoo = zoo_of(settings)
    if write:
        from gateway.zoo.folder import check_own  # noqa: PLC0415

        for model in learned.values():
            check_own(zoo.find(model), within=settings.models_folder)

    from gateway.evaluation.compare import Masking, compare, read_scans  # noqa: PLC0415 - torch
    from gateway.evaluation.report import write_report  # noqa: PLC0415
    from gateway.offline import ready_for  # noqa: PLC0415

    given = read_scans(scans)
    recipes = ready_for(given, asked, zoo, guide, device=settings.workers.device)
    if robustness:
        from gateway.evaluation.robustness import Effort, stress  # noqa: PLC0415
        from gateway.evaluation.robustness_report import write_robustness  # noqa: PLC0415

        effort = Effort(steps=steps, device=settings.workers.device)
        cards = list(stress(given, recipes, effort, tell=err.print))
        out.print(f"cards in {write_robustness(cards, folder)}", soft_wrap=True)
        return
    maskings = [Masking.parse(text) for text in mask]
    trials = list(compare(given, recipes, maskings, device=settings.workers.device, tell=err.print))
    out.print(f"report in {write_report(trials, folder)}", soft_wrap=True)
    if page is not None:
        from gateway.evaluation.page import write_page  # noqa: PLC0415

        title, hidden = "Image quality, recipe by recipe", frozenset(figures_only)
        write_page(trials, page, title=title, learned=frozenset(learned), hidden=hidden)
    if write:
        from gateway.evaluation.measured import measured  # noqa: PLC0415
        from gateway.zoo.folder import with_measured  # noqa: PLC0415

        for model, rows in measured(trials, learned).items():
            with_measured(zoo.find(model), rows, within=settings.models_folder)


def train(
    plan: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train, and on what.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the model, the log and the pictures.")],
    config: Config = None,
) -> None:
    """Train a network, or go on where this folder's training was stopped; leaves a model's folder, for tests at first.

    Copy that folder to the site's models to let recipes name it.
    """
    from gateway.settings import load_plan  # noqa: PLC0415 - commands load only what they use
    from gateway.training.product import train as run  # noqa: PLC0415 - torch

    settings = load_settings(config)
    model = run(load_plan(plan), folder, zoo_of(settings), err.print, device=settings.workers.device)
    if model is not None:
        out.print(f"model {model.card.label} in {model.path}", soft_wrap=True)
