"""Commands for those who compare methods and bring their own; no logic lives here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.options import Config, err, out

Scans = Annotated[list[Path], typer.Argument(help="Scans of every line: ISMRMRD .h5 files, recordings, or folders.")]
Recipes = Annotated[list[str], typer.Option("--recipe", help="A recipe of the routes; give several to compare them.")]
Masks = Annotated[
    list[str],
    typer.Option(
        "--mask",
        help="Lines that are kept: PATTERN:ACCELERATION or PATTERN:ACCELERATION:CALIBRATION, where PATTERN is "
        "equispaced, random or variable-density. Several may be given.",
    ),
]
USUAL = ["equispaced:4:24"]


def evaluate(
    scans: Scans,
    folder: Annotated[Path, typer.Option("--out", help="Folder for the report.")],
    recipe: Recipes,
    mask: Masks = USUAL,
    config: Config = None,
) -> None:
    """Compare recipes on scans of every line, of which lines are left out: numbers, box plots, and the worst cases."""
    from gateway.routing.choose import named_recipe  # noqa: PLC0415 - commands load only what they use
    from gateway.settings import load_routes, load_settings  # noqa: PLC0415

    settings = load_settings(config)
    routes = load_routes(settings)
    recipes = {name: named_recipe(routes, name) for name in recipe}

    from gateway.evaluation.compare import Masking, compare, read_scans  # noqa: PLC0415 - torch
    from gateway.evaluation.report import write_report  # noqa: PLC0415

    maskings = [Masking.parse(text) for text in mask]
    trials = list(compare(read_scans(scans), recipes, maskings, device=settings.workers.device, tell=err.print))
    out.print(f"report in {write_report(trials, folder)}", soft_wrap=True)
