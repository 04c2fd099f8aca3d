"""Canaries: whoever the patient is stands in recordings and series, and in nothing else that the service writes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.model.header import ScanHeader, Study, Subject
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from tests import peers
from tests.running import Gateway, configured, running

CANARIES = ("Zwitscher", "KANARI-4711", "19370214", "1937-02-14", "ACC-0815-PIEP", "Doktorvogel")


def _of_a_patient(header: ScanHeader) -> ScanHeader:
    subject = Subject(patient_name="Zwitscher^Karla", patient_id="KANARI-4711", birth_date="1937-02-14", sex="F")
    study = Study(accession_number="ACC-0815-PIEP", referring_physician="Doktorvogel^A", description="head")
    return replace(header, subject=subject, study=study)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that tells everything, after a scan that went well and three that did not."""
    folder = tmp_path_factory.mktemp("canary")
    silent = {"kind": "pacs", "host": peers.LOOPBACK, "port": peers.free_port(), "ae_title": "NOBODY", "plain": True}
    config = configured(folder, {"silent": silent, "shelf": {"kind": "folder", "path": "series"}})
    with config.open("a") as file:
        file.write('\n[log]\nlevel = "debug"\nformat = "json"\n')
    acquisition, header = head_phantom(PhantomScan(n_slices=1, n_coils=2, seed=1))
    xml = write_header(_of_a_patient(header))
    with running(config) as site:
        for number, (text, recipe) in enumerate(
            [(xml, ""), (xml, "nobodys"), (xml.replace(b"cartesian", b"rosette"), ""), (xml[:-9], "")]
        ):
            scan = RecordedSession(header_xml=text, recipe_asked=recipe, acquisition=acquisition)
            path = folder / f"{number}.mrd"
            path.write_bytes(b"".join(write_session(scan)))
            site.send(path)
        site.wait_until(lambda: len(site.queries.jobs()) >= 3)
        site.wait_until(lambda: all(job.attempt and job.state != "RUNNING" for job in site.queries.jobs()))
        site.wait_until(lambda: any(one.n_stored for one in site.queries.job(1).deliveries))
        yield site


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


def test_no_canary_is_on_a_page(site: Gateway) -> None:
    paths = ["", "health/ready", *(f"jobs/{job.id}" for job in site.queries.jobs())]
    for path in paths:
        with urllib.request.urlopen(f"http://{peers.LOOPBACK}:{site.page}/{path}") as answer:
            assert _found(answer.read().decode()) == []
