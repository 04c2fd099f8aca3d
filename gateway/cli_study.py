"""Commands about reader studies; no logic lives here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any

import typer

from gateway import operations, show
from gateway.model.ids import RecordingId
from gateway.model.reading import CRITERIA, FEWEST_POINTS, MOST_POINTS, Design, StudyPlan
from gateway.options import Config, Json, out
from gateway.stations import open_stations
from gateway.studies import ReaderStudies, criterion_of

study = typer.Typer(no_args_is_help=True, help="Blinded reader studies: which recipe do people like better?")

NOBODY = ""
"""Who reads a study reads it on the page; whoever may run commands may see everything."""

StudyName = Annotated[str, typer.Argument(help="Its name, or its number.")]


def _studies(config: Config) -> ReaderStudies:
    return open_stations(config).studies


@study.command("make")
def study_make(
    name: Annotated[str, typer.Argument(help="Readers see it: it should not say what is compared.")],
    scan: Annotated[list[str], typer.Option(help="Id of a scan, or the beginning of it; may be repeated.")],
    recipe: Annotated[list[str], typer.Option(help="A recipe of the routes; two or more.")],
    reader: Annotated[list[str] | None, typer.Option(help="Who reads; may be repeated, and others can follow.")] = None,
    criterion: Annotated[
        list[str] | None, typer.Option(help="'name: question'; without any: sharpness, noise, artefacts, confidence.")
    ] = None,
    design: Annotated[
        Design, typer.Option(help="One image at a time, or two recipes of the same scan side by side.")
    ] = Design.SCORES,
    points: Annotated[
        int, typer.Option(help="Scores go from 1 to this; of pairs 3 or 5.", min=FEWEST_POINTS, max=MOST_POINTS)
    ] = 5,
    repeats: Annotated[
        int, typer.Option(help="So many images, or pairs, are shown twice, to hold readers to themselves.", min=0)
    ] = 0,
    project: Annotated[str, typer.Option(help="Project of the routes for which patients are taken out.")] = "",
    seed: Annotated[str, typer.Option(help="Every order follows from it; without one, it is drawn.")] = "",
    config: Config = None,
) -> None:
    """Make a study: each of the scans is reconstructed by each of the recipes, and sent nowhere."""
    plan = StudyPlan(
        name=name,
        scans=tuple(RecordingId(one) for one in scan),
        recipes=tuple(recipe),
        readers=tuple(reader or ()),
        criteria=tuple(criterion_of(one) for one in criterion or ()) or CRITERIA,
        design=design,
        points=points,
        repeats=repeats,
        project=project,
        seed=seed,
    )
    studies = _studies(config)
    made = studies.make(plan, who=operations.person())
    counted = f"{len(studies.kept.images(made.id))} images, {len(studies.cases(made.id))} to read"
    out.print(f"study {made.id} is made: {counted}; seed {made.seed}", soft_wrap=True)


@study.command("list")
def study_list(config: Config = None, as_json: Json = False) -> None:
    """List every study, newest first."""
    found = _studies(config).kept.all()
    if as_json:
        print(show.as_json(found))  # noqa: T201
        return
    rows = [(one.id, one.name, "closed" if one.closed_at else "open", one.made_by, one.made_at) for one in found]
    show.show_rows(out, ("study", "name", "", "made by", "made"), rows)


@study.command("show")
def study_show(name: StudyName, config: Config = None, as_json: Json = False) -> None:
    """Show a study: its images, and how far its readers are."""
    studies = _studies(config)
    found = studies.kept.named(name)
    images, readers = studies.images(found.id), studies.kept.readers(found.id)
    if as_json:
        print(show.as_json({"study": found, "readers": readers, "images": images}))  # noqa: T201
        return
    show.show_rows(
        out, ("scan", "recipe", "job", ""), [(one.scan[:12], one.recipe, one.job, one.state) for one in images]
    )
    n_cases = len(studies.cases(found.id))
    rows = [(one.name, f"{one.n_scored} of {n_cases}", one.finished_at or "") for one in readers]
    show.show_rows(out, ("reader", "scored", "finished"), rows)


@study.command("results")
def study_results(name: StudyName, config: Config = None, as_json: Json = False) -> None:
    """Count what the readers who have finished have said."""
    studies = _studies(config)
    found = studies.outcome(studies.kept.named(name).id, asks=NOBODY)
    if as_json:
        print(show.as_json(found))  # noqa: T201
        return
    out.print(f"of {len(found.readers)} readers who have finished")
    for field in fields(found):
        if field.name != "readers" and (part := getattr(found, field.name)):
            rows = [_flat(asdict(one)) for one in part]
            columns = max((tuple(one) for one in rows), key=len)
            show.show_rows(out, columns, [[one.get(name) for name in columns] for one in rows])


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Put what stands within a column beside the others."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        found |= _flat(value) if isinstance(value, dict) else {name: value}
    return found


@study.command("scores")
def study_scores(name: StudyName, config: Config = None) -> None:
    """Print every score that counts as CSV."""
    studies = _studies(config)
    print(studies.table(studies.kept.named(name).id, asks=NOBODY), end="")  # noqa: T201


@study.command("remarks")
def study_remarks(name: StudyName, config: Config = None) -> None:
    """Print what the readers who have finished have written as CSV."""
    studies = _studies(config)
    print(studies.remark_table(studies.kept.named(name).id, asks=NOBODY), end="")  # noqa: T201


@study.command("key")
def study_key(name: StudyName, config: Config = None) -> None:
    """Print which image is which as CSV; it is on the audit trail."""
    studies = _studies(config)
    print(studies.key(studies.kept.named(name).id, who=operations.person(), asks=NOBODY), end="")  # noqa: T201


@study.command("readers")
def study_readers(
    name: StudyName,
    reader: Annotated[list[str], typer.Argument(help="Who reads, too.")],
    config: Config = None,
) -> None:
    """Let more people read a study."""
    studies = _studies(config)
    studies.add_readers(studies.kept.named(name).id, reader, who=operations.person())
    out.print(f"{len(reader)} more may read")


@study.command("export")
def study_export(
    name: StudyName,
    to: Annotated[str, typer.Option("--to", help="A destination of the routes.")],
    config: Config = None,
) -> None:
    """Send the images of a study, without patients and recipes, to a reader's own PACS."""
    studies = _studies(config)
    sent = studies.export(studies.kept.named(name).id, to, who=operations.person())
    out.print(f"{len(sent)} series are on their way")


@study.command("close")
def study_close(name: StudyName, config: Config = None) -> None:
    """End a study: nobody scores any more."""
    studies = _studies(config)
    studies.kept.close(studies.kept.named(name).id, who=operations.person())
    out.print("closed")


@study.command("delete")
def study_delete(
    name: StudyName,
    reason: Annotated[str, typer.Option(help="Why; it is on the audit trail.")],
    config: Config = None,
) -> None:
    """Forget a study that was closed: what was said of its images, and by whom."""
    studies = _studies(config)
    studies.kept.delete(studies.kept.named(name).id, who=operations.person(), reason=reason)
    out.print("deleted")
