"""The whole way on one machine: a synthetic scan over the real socket, reconstructed, in an embedded PACS."""

from __future__ import annotations

import socket
import threading
from datetime import datetime
from pathlib import Path

import tomlkit
from rich.console import Console
from rich.progress import Progress

from gateway.app import everything
from gateway.dicom.picture import png_of
from gateway.dicom.scp import StoreScp
from gateway.jobs.queries import JobView
from gateway.mrd.client import send_session
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.operations import set_up_link
from gateway.recon.phantom import head_phantom
from gateway.show import show_job
from gateway.stations import Stations, page_address

AE_TITLE = "DEMOPACS"
LOOPBACK = "127.0.0.1"
LOOK_EVERY_S = 0.1


def run_demo(console: Console, folder: Path | None, *, once: bool, stop: threading.Event) -> bool:
    """Show the way; say whether the series arrived whole. Without ``once``, keep running until stopped."""
    folder = folder or Path("gateway-data") / f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with StoreScp(AE_TITLE, LOOPBACK, 0, folder / "pacs") as pacs:
        config = write_configuration(folder, pacs.port)
        with everything(config, stop) as stations:
            arrived = _show_the_way(console, stations, folder, stop)
            web = stations.settings.web
            if not once and not stop.is_set():
                console.print(f"page at {page_address(web)} - stop with Ctrl-C")
                console.print(f"to steer there, choose a password: {set_up_link(stations)}", soft_wrap=True)
                stop.wait()
    return arrived


def write_configuration(folder: Path, pacs_port: int) -> Path:
    """Write the settings and routes of the demo: free ports, everything in one folder, one PACS."""
    folder.mkdir(parents=True, exist_ok=True)
    listener, page = _free_ports(2)
    settings = {
        "data": {"folder": "."},
        "listener": {"port": listener},
        "web": {"port": page, "allow_unauthenticated": True},  # the head is synthetic
        "queue": {"poll_s": LOOK_EVERY_S},
        "routes": {"file": "routes.toml"},
        "log": {"level": "warning"},
    }
    address = {"kind": "pacs", "host": LOOPBACK, "port": pacs_port, "ae_title": AE_TITLE, "plain": True}
    routes = {
        "recipes": {"fft": {"method": "fft"}},
        "destinations": {"pacs": address},
        "rules": [{"name": "everything", "recipe": "fft", "destinations": ["pacs"]}],
    }
    (folder / "routes.toml").write_text(tomlkit.dumps(routes), "utf-8")
    (folder / "gateway.toml").write_text(tomlkit.dumps(settings), "utf-8")
    return folder / "gateway.toml"


def _free_ports(n: int) -> list[int]:
    """Find ports that nobody uses; held together, so that they differ."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(n)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _show_the_way(console: Console, stations: Stations, folder: Path, stop: threading.Event) -> bool:
    with Progress(console=console) as progress:
        making = progress.add_task("making a head phantom: 8 coils, analytic k-space", total=None)
        acquisition, header = head_phantom()
        scan = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
        progress.update(making, total=1, completed=1)
        sending = progress.add_task(
            "sending it as a scanner would", total=sum(run.samples.nbytes for run in acquisition)
        )
        address = stations.settings.listener
        send_session(write_session(scan), address.host, address.port, on_sent=lambda n: progress.advance(sending, n))
        progress.update(sending, completed=progress.tasks[sending].total)
        job = _follow(progress, stations, stop)
    show_job(console, job, stations.queries.timeline(job))
    return _look(console, stations, job, folder)


def _follow(progress: Progress, stations: Stations, stop: threading.Event) -> JobView:
    """Show how far the job is until nothing more happens by itself."""
    working = progress.add_task("waiting for a worker", total=1.0)
    while True:
        (job,) = stations.queries.jobs(1)
        progress.update(working, completed=job.progress, description=job.doing or f"job {job.id} {job.state.lower()}")
        if job.settled or stop.wait(LOOK_EVERY_S):
            return job


def _look(console: Console, stations: Stations, job: JobView, folder: Path) -> bool:
    """Compare what the PACS has with what was sent, and draw the middle slice as the PACS has it."""
    sent = [stations.settings.data.outbox_folder / path for path in stations.queries.instance_paths(job.id)]
    received = {path.stem for path in (folder / "pacs").rglob("*.dcm")}
    console.print(f"the PACS has {len(received)} of {len(sent)} images, in {folder / 'pacs'}", soft_wrap=True)
    if not (job.arrived and sent and len(received) == len(sent)):
        return False
    picture = folder / "middle-slice.png"
    picture.write_bytes(png_of(sent[len(sent) // 2]))
    console.print(f"middle slice: {picture}", soft_wrap=True)
    return True
