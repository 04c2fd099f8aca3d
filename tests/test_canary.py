"""Canaries: whoever the patient is stands in recordings and series, and in nothing else that the service writes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tomlkit
from aiosmtpd.controller import Controller

from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database
from gateway.jobs.tokens import Tokens
from gateway.model.header import ScanHeader, Study, Subject
from gateway.model.person import Right
from gateway.mrd.client import send_session
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from tests import peers
from tests.notify.receivers import Postbox, Site, taking
from tests.running import Gateway, configured, running

CANARIES = ("Zwitscher", "KANARI-4711", "19370214", "1937-02-14", "ACC-0815-PIEP", "Doktorvogel")


def _of_a_patient(header: ScanHeader) -> ScanHeader:
    subject = Subject(patient_name="Zwitscher^Karla", patient_id="KANARI-4711", birth_date="1937-02-14", sex="F")
    study = Study(accession_number="ACC-0815-PIEP", referring_physician="Doktorvogel^A", description="head")
    return replace(header, subject=subject, study=study)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the gateway told anybody: on the page, by the API, in figures, to a webhook, by mail."""

    gateway: Gateway
    hook: Site
    box: Postbox

    def asked(self, path: str, secret: str = "") -> bytes:
        """What it answers."""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        address = f"http://{peers.LOOPBACK}:{self.gateway.page}/{path}"
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return bytes(answer.read())


def _configured(folder: Path, hook: Site, mail_port: int) -> Path:
    silent = {"kind": "pacs", "host": peers.LOOPBACK, "port": peers.free_port(), "ae_title": "NOBODY", "plain": True}
    config = configured(folder, {"silent": silent, "shelf": {"kind": "folder", "path": "series"}})
    url = f"http://{peers.LOOPBACK}:{hook.server_port}/"
    more = {
        "log": {"level": "debug", "format": "json"},
        "webhook": {"url": url, "allowed_hosts": [peers.LOOPBACK], "secret": "0123456789abcdef", "digest_s": 0.1},
        "email": {"host": peers.LOOPBACK, "port": mail_port, "security": "none", "to": ["team@example.org"]},
    }
    with config.open("a") as file:
        file.write(f"\n{tomlkit.dumps(more)}")
    return config


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A gateway that tells everything, after a scan that went well and three that did not."""
    acquisition, header = head_phantom(PhantomScan(n_slices=1, n_coils=2, seed=1))
    xml = write_header(_of_a_patient(header))
    box, mail_port = Postbox(), peers.free_port()
    mail = Controller(box, hostname=peers.LOOPBACK, port=mail_port)
    mail.start()
    folder = tmp_path_factory.mktemp("canary")
    with closing_mail(mail), taking() as hook, running(_configured(folder, hook, mail_port)) as site:
        sessions = [(xml, ""), (xml, "nobodys"), (xml.replace(b"cartesian", b"rosette"), ""), (xml[:-9], "")]
        for text, recipe in sessions:
            scan = RecordedSession(header_xml=text, recipe_asked=recipe, acquisition=acquisition)
            send_session(write_session(scan), peers.LOOPBACK, site.listener, on_sent=lambda _: None)
        site.wait_until(lambda: len(site.queries.jobs()) >= 3)
        site.wait_until(lambda: all(job.attempt and job.state != "RUNNING" for job in site.queries.jobs()))
        site.wait_until(lambda: any(one.n_stored for one in site.queries.job(1).deliveries))
        site.wait_until(lambda: bool(hook.got and box.got))
        yield Told(gateway=site, hook=hook, box=box)


@contextmanager
def closing_mail(server: Controller) -> Iterator[None]:
    """Stop a mail server when the block ends."""
    try:
        yield
    finally:
        server.stop()


@pytest.fixture
def site(told: Told) -> Gateway:
    return told.gateway


def _found(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


def test_the_canaries_are_in_what_the_scanner_sent(site: Gateway) -> None:
    recordings = [path.read_bytes() for path in (site.data / "spool").rglob("*.mrd")]
    assert any(b"Zwitscher" in recording for recording in recordings)


def test_no_canary_is_in_the_log(site: Gateway) -> None:
    lines = site.config.with_suffix(".log").read_text()
    assert _found(lines) == []
    assert any("job" in json.loads(line) for line in lines.splitlines() if line.startswith("{"))


def test_no_canary_is_in_the_database(site: Gateway) -> None:
    for path in site.data.glob("gateway.db*"):
        assert _found(path.read_bytes().decode("latin-1")) == []


def test_no_canary_is_in_the_name_of_a_file(site: Gateway) -> None:
    assert _found("\n".join(map(str, site.data.rglob("*")))) == []


def test_no_canary_is_on_a_page(told: Told) -> None:
    for path in ["", "held", "health/ready", *(f"jobs/{job.id}" for job in told.gateway.queries.jobs())]:
        assert _found(told.asked(path).decode()) == []


def test_no_canary_is_in_the_api_or_the_figures(told: Told) -> None:
    tokens = Tokens(open_database(f"sqlite:///{told.gateway.data}/gateway.db"), utc_now)
    secret = tokens.create("canary", set(Right), who="test", days=1).secret
    jobs = told.gateway.queries.jobs()
    values = {"number": str(jobs[0].id), "scan": jobs[0].scan.id, "name": "shelf", "image": "1"}
    addresses = json.loads(told.asked("api/v1/openapi.json"))["paths"]
    paths = [path.format(**values) for path, methods in addresses.items() if "get" in methods and "image}" not in path]
    without = ("/routes/difference", "/charts/", "/studies/")  # of which nothing is there
    paths = [path for path in paths if not path.startswith(without) and not path.endswith(".toml")]
    paths += [f"/jobs/{job.id}{part}" for job in jobs for part in ("", "/events", "/log")] + ["/routes/versions/0.toml"]
    assert len(paths) > 20
    for path in paths:
        assert _found(told.asked(f"api/v1{path}", secret).decode()) == [], path
    assert _found(told.asked("metrics", secret).decode()) == []


def test_no_canary_is_told_to_anybody(told: Told) -> None:
    assert _found("".join(body.decode() + str(headers) for headers, body in told.hook.got)) == []
    assert _found("".join(mail.as_string() for mail in told.box.got)) == []
    assert b'"kind": "held"' in b"".join(body for _, body in told.hook.got)
