"""Commands: they read what the person typed, call, and print; no logic lives here."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Optional

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

from gateway import __version__, app as roles, operations, show
from gateway.cli_charts import charts
from gateway.cli_pacs import pacs
from gateway.cli_research import evaluate, models, train
from gateway.cli_steering import audit, routes, tokens, users
from gateway.cli_study import study
from gateway.cli_work import jobs, scans
from gateway.model.errors import GatewayError, UnreadableFile, WrongCall
from gateway.options import Config, Json, err, out
from gateway.stations import Stations, open_stations, page_address, zoo_of

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The MRI Reconstruction Gateway."
)
database = typer.Typer(no_args_is_help=True, help="The database.")
for name, group in (
    ("jobs", jobs),
    ("scans", scans),
    ("pacs", pacs),
    ("routes", routes),
    ("audit", audit),
    ("users", users),
    ("tokens", tokens),
    ("models", models),
    ("study", study),
    ("charts", charts),
    ("db", database),
):
    app.add_typer(group, name=name)


Owner = Annotated[Optional[str], typer.Option(hidden=True)]  # noqa: UP045
Leashed = Annotated[bool, typer.Option("--leashed", hidden=True)]
Scan = Annotated[Path, typer.Argument(help="An ISMRMRD .h5 file, or a recording (.mrd).")]


@app.command()
def run(config: Config = None) -> None:
    """Run everything on this machine: listener, page, workers, deliverer, and our DICOM port where it is enabled."""
    stop = roles.until_told_to_stop()
    with roles.everything(config, stop) as stations, operations.on_record(stations, "everything"):
        settings = stations.settings
        err.print(f"listening for scans on {settings.listener.host}:{settings.listener.port}")
        if settings.web.enabled:
            _tell_of_page(stations)
        err.print(f"data in {settings.data.folder}; stop with Ctrl-C")
        stop.wait()


@app.command()
def listen(config: Config = None) -> None:
    """Only take scans in, and do what has to be done again and again: put in order, delete what is old, tell people."""
    stop = roles.until_told_to_stop()
    stations = _stations(config)
    with operations.on_record(stations, "listener"), roles.listening(stations), roles.keeping(stations):
        stop.wait()


@app.command()
def work(config: Config = None, owner: Owner = None, leashed: Leashed = False) -> None:
    """Only reconstruct."""
    with _part("worker", config, leashed) as (stations, stop):
        roles.run_worker(stations, stop, owner)


@app.command()
def deliver(config: Config = None, owner: Owner = None, leashed: Leashed = False) -> None:
    """Only deliver."""
    with _part("deliverer", config, leashed) as (stations, stop):
        roles.run_deliverer(stations, stop, owner)


@app.command()
def dicom(config: Config = None, owner: Owner = None, leashed: Leashed = False) -> None:
    """Only answer a PACS that calls: C-ECHO, and reports of storage commitment."""
    with _part("DICOM port", config, leashed) as (stations, stop):
        roles.run_answerer(stations, stop, owner)


@app.command()
def web(config: Config = None) -> None:
    """Only serve the page."""
    from gateway.serving import showing  # noqa: PLC0415 - only what is used

    stop = roles.until_told_to_stop()
    stations = _stations(config)
    with operations.on_record(stations, "page"), showing(stations):
        _tell_of_page(stations)
        stop.wait()


@app.command()
def send(
    scan: Scan,
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Where to send it.")] = "127.0.0.1:9002",
    recipe: Annotated[str, typer.Option(help="Recipe to ask for; without it, the routes decide.")] = "",
    images: Annotated[Optional[Path], typer.Option(help="New .h5 file for images that come back.")] = None,  # noqa: UP045
) -> None:
    """Send a scan from a file, as a scanner would."""
    from gateway.mrd.client import IMAGES_TIMEOUT_S, Expect, send_session  # noqa: PLC0415 - only what is used
    from gateway.mrd.files import n_bytes_of, stream_of  # noqa: PLC0415
    from gateway.mrd.image_files import write_images  # noqa: PLC0415

    if images and images.exists():
        raise UnreadableFile(images, "is there already")
    host, port = _address(to)
    content, stream = stream_of(scan, recipe)
    with _progress(DownloadColumn()) as progress:
        task = progress.add_task(f"sending {scan.name}", total=n_bytes_of(content))
        with TemporaryFile() as answer:
            receipt = send_session(
                stream,
                host,
                port,
                on_sent=lambda n: progress.advance(task, n),
                expect=Expect(timeout_s=IMAGES_TIMEOUT_S, keep=answer) if images else Expect(),
            )
            answer.seek(0)
            n_images = write_images(answer, images) if images else 0
    for text in receipt.texts:
        out.print(show.clean(text), soft_wrap=True)
    if images:
        out.print(f"{n_images} images in {images}", soft_wrap=True)


@app.command()
def reconstruct(
    scan: Scan,
    folder: Annotated[Path, typer.Option("--out", help="Folder for the DICOM series.")],
    recipe: Annotated[str, typer.Option(help="Recipe to use; without it, the routes decide.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    guide: Annotated[Optional[Path], typer.Option(help="Scan of the same exam that guides, for guided-tv.")] = None,  # noqa: UP045
    config: Config = None,
) -> None:
    """Reconstruct a scan from a file into DICOM files, without a server."""
    from gateway.guidance import Means  # noqa: PLC0415 - torch
    from gateway.offline import guided_by_file, work_from_file  # noqa: PLC0415
    from gateway.reconstruction import Teller, make_series  # noqa: PLC0415
    from gateway.settings import load_routes, load_settings  # noqa: PLC0415

    settings = load_settings(config)
    routes_in_force, zoo, noise_folder = load_routes(settings), zoo_of(settings), settings.workers.noise_folder
    with _progress() as progress:
        task = progress.add_task("reading", total=1.0)
        work = work_from_file(scan, routes=routes_in_force, zoo=zoo, recipe=recipe, noise_folder=noise_folder)
        tell = Teller(
            progress=lambda fraction, doing: progress.update(task, completed=fraction, description=doing),
            note=lambda what, _text: progress.update(task, description=what),
        )
        memory_bytes = settings.workers.piece_memory_bytes
        if guide is not None:
            means = Means(device=device, memory_bytes=memory_bytes, progress=tell.progress)
            work = guided_by_file(work, guide, means=means, noise_folder=noise_folder)
        made = make_series(work, device=device, memory_bytes=memory_bytes, outbox=folder, tell=tell)
    for series in made:
        out.print(f"{len(series.instances)} images in {folder / series.series_instance_uid}", soft_wrap=True)


app.command()(evaluate)
app.command()(train)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself when the series has arrived.")] = False,
    folder: Annotated[Optional[Path], typer.Option(help="Where to keep everything.")] = None,  # noqa: UP045
) -> None:
    """Show the whole way on this machine: a synthetic scan, reconstructed, in a PACS."""
    from gateway.demo import run_demo  # noqa: PLC0415 - torch

    stop = roles.until_told_to_stop()
    arrived = run_demo(out, folder, once=once, stop=stop)
    raise typer.Exit(0 if arrived else 1)


@database.command("upgrade")
def db_upgrade(config: Config = None) -> None:
    """Bring the database to the schema of this version."""
    from gateway.settings import load_settings  # noqa: PLC0415

    out.print(f"the schema is {operations.upgrade_database(load_settings(config))}")


@app.command()
def doctor(config: Config = None, as_json: Json = False) -> None:
    """Look the site over before it goes live, and say what to do about each finding. Exit code 1 where one is bad."""
    from gateway.checkup import examine  # noqa: PLC0415 - commands load only what they use

    found = list(examine(config))
    print(show.as_json(found)) if as_json else show.show_findings(out, found)  # noqa: T201
    raise typer.Exit(1 if any(one.health == "bad" for one in found) else 0)


@app.command()
def version() -> None:
    """Say which version this is."""
    out.print(__version__)


def _stations(config: Path | None) -> Stations:
    return open_stations(config)


def _tell_of_page(stations: Stations) -> None:
    """Say where the page is and, as long as nobody has an account, by which link the first administrator comes in."""
    err.print(f"page at {page_address(stations.settings.web)}")
    if link := operations.set_up_link(stations):
        err.print(f"nobody has an account yet; this link makes the first administrator, once: {link}")


@contextmanager
def _part(name: str, config: Path | None, leashed: bool) -> Iterator[tuple[Stations, roles.Stop]]:
    """Open what a part of the gateway needs; as a child of the whole it goes on nobody's record."""
    stop = roles.until_leash_ends() if leashed else roles.until_told_to_stop()
    stations = _stations(config)
    with nullcontext() if leashed else operations.on_record(stations, name):
        yield stations, stop


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        msg = f"--to {text!r} is not HOST:PORT"
        raise WrongCall(msg)
    return host.strip("[]"), int(port)


def _progress(*more: ProgressColumn) -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), *more, TimeElapsedColumn()]
    return Progress(*columns, console=err, transient=False)


def main() -> None:
    """Run a command; what goes wrong is one clear sentence and the right exit code."""
    try:
        app(standalone_mode=True)
    except GatewayError as error:
        err.print(f"[red]gateway:[/red] {show.clean_lines(str(error))}", highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
