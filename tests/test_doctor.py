"""The doctor: what is well is good, what is broken is named with its remedy, and the exit code tells."""

from __future__ import annotations

import json
import socket
import sqlite3
import ssl
import threading
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import event

from gateway.dicom.scp import StoreScp
from gateway.doctor.certificates import certificates, of_peer, own
from gateway.doctor.database import database
from gateway.doctor.destinations import destination
from gateway.doctor.finding import Health, attempt
from gateway.doctor.machine import disk, gpu, versions
from gateway.doctor.ports import port
from gateway.jobs.audit import AuditTrail
from gateway.jobs.breaker import FAILURES_TO_OPEN, Breaker
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.forwarding import Forwarding
from gateway.model.destinations import FolderDestination
from gateway.model.errors import StorageFault
from tests import peers
from tests.dicom.certificates import authority, signed
from tests.running import configured, gateway, running

NOW = datetime.now(UTC) + timedelta(hours=1)


def test_the_software_that_the_tests_run_with_is_good() -> None:
    assert {one.health for one in versions()} == {Health.GOOD}


def test_a_folder_that_is_not_there_is_bad_and_says_who_must_do_what(tmp_path: Path) -> None:
    (found,) = disk("spool", tmp_path / "none")
    assert found.health is Health.BAD
    assert str(tmp_path / "none") in found.remedy


def test_a_disk_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    speed, room = disk("spool", tmp_path)
    assert "MB/s" in speed.said
    assert "GB are free" in room.said
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_asked_for_only_where_one_may_be_used() -> None:
    assert list(gpu("cpu")) == []
    (found,) = gpu("auto")
    assert found.health is Health.GOOD


def test_a_folder_destination_may_still_have_to_be_made(tmp_path: Path) -> None:
    (found,) = destination("shelf", FolderDestination(path=tmp_path / "a" / "b"), now=NOW)
    assert found.health is Health.GOOD


def test_what_does_not_work_is_bad_with_its_reason() -> None:
    def ask() -> None:
        raise StorageFault("the database did not answer")

    found = attempt("database", ask, said="answers", remedy="start it")
    assert (found.health, found.said, found.remedy) == (Health.BAD, "the database did not answer", "start it")
    assert attempt("database", lambda: None, said="answers", remedy="start it").health is Health.GOOD


def test_a_site_whose_pacs_is_silent_is_not_ready(tmp_path: Path) -> None:
    pacs = {"kind": "pacs", "host": peers.LOOPBACK, "port": peers.free_port(), "ae_title": "PACS", "plain": True}
    config = configured(tmp_path, {"pacs": pacs, "shelf": {"kind": "folder", "path": "shelf"}})
    done = gateway("doctor", "--json", "--config", config)
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["destination pacs"]["health"] == "bad"
    assert "AE titles" in found["destination pacs"]["remedy"]
    assert found["destination shelf"]["health"] == "good"
    assert found["database"]["said"].endswith("is made at the first start")
    assert found["port for scanners"]["said"].endswith("is free")
    assert not (tmp_path / "gateway-data").exists()


def test_certificates_are_good_end_soon_and_have_ended(tmp_path: Path) -> None:
    file = authority(tmp_path, "ours").certificate
    for days, health in ((0, Health.DOUBTFUL), (3, Health.BAD), (-1, Health.BAD)):
        (found,) = certificates("ca", file, now=NOW + timedelta(days=days))
        assert (found.health, bool(found.remedy)) == (health, True), found
    (found,) = certificates("ca", tmp_path / "none", now=NOW)
    assert "No such file" in found.said
    (tmp_path / "text").write_text("hello")
    (found,) = certificates("ca", tmp_path / "text", now=NOW)
    assert found.health is Health.BAD


def test_a_certificate_whose_key_is_another_is_bad(tmp_path: Path) -> None:
    ours, other = authority(tmp_path, "ours"), authority(tmp_path, "other")
    (found,) = own("page", ours.certificate, other.key, now=NOW)
    assert found.health is Health.BAD
    assert "with its key" in found.said
    (found,) = own("page", ours.certificate, ours.key, now=NOW)
    assert found.health is Health.DOUBTFUL  # it is good for two days


def test_the_certificate_of_a_peer_is_looked_at_by_a_handshake(tmp_path: Path) -> None:
    ours, stranger = authority(tmp_path, "ours"), authority(tmp_path, "stranger")
    identity = signed(ours, tmp_path, "pacs", f"IP:{peers.LOOPBACK}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with socket.create_server((peers.LOOPBACK, 0)) as server:
        where = (peers.LOOPBACK, server.getsockname()[1])
        for trusted, said in ((ours, "is good until"), (stranger, "is not trusted")):
            answering = threading.Thread(target=_shake_hands, args=(server, context))
            answering.start()
            found = of_peer("pacs", where, ssl.create_default_context(cafile=trusted.certificate), timeout_s=5)
            answering.join()
            assert said in found.said


def _shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        context.wrap_socket(connection, server_side=True).close()


def test_a_port_is_free_ours_or_somebody_elses(free_port: int) -> None:
    assert port("page", peers.LOOPBACK, free_port, ours=False).said.endswith("is free")
    with socket.create_server((peers.LOOPBACK, free_port)):
        taken = port("page", peers.LOOPBACK, free_port, ours=False)
        assert (taken.health, "another program" in taken.said) == (Health.BAD, True)
        assert port("page", peers.LOOPBACK, free_port, ours=True).health is Health.GOOD
    assert port("page", "192.0.2.1", free_port, ours=False).health is Health.BAD


def test_a_database_that_is_old_or_forgetful_is_told_and_not_changed(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/gateway.db")
    upgrade(engine)
    assert {one.health for one in database(engine)} == {Health.GOOD}
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    (schema,) = [one for one in database(engine) if one.what == "schema"]
    assert (schema.health, "gateway db upgrade" in schema.remedy) == (Health.DOUBTFUL, True)
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    engine.dispose()
    (durable,) = [one for one in database(engine) if one.what == "durability"]
    assert (durable.health, durable.said) == (Health.BAD, "PRAGMA synchronous says 0")
    engine.dispose()


def test_a_site_that_runs_by_tls_is_recognised_and_its_certificate_watched(tmp_path: Path) -> None:
    identity = authority(tmp_path, "localhost")
    pem = tmp_path / "page.pem"
    pem.write_text(identity.certificate.read_text() + identity.key.read_text())
    config = configured(tmp_path / "site", {"shelf": {"kind": "folder", "path": "shelf"}})
    config.write_text(config.read_text().replace("[web]\n", f'[web]\ncertificate_file = "{pem}"\n'))
    with running(config) as site:
        context = ssl.create_default_context(cafile=identity.certificate)
        context.check_hostname = False
        address = f"https://{peers.LOOPBACK}:{site.page}/health/ready"
        with urllib.request.urlopen(address, context=context) as answer:
            assert json.load(answer) == {"status": "ready"}
        done = gateway("doctor", "--json", "--config", config)
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert "the gateway listens" in found["port of the page"]["said"]
    assert "the gateway listens" in found["port for scanners"]["said"]
    assert found["certificate of the page"]["health"] == "doubtful"
    assert found["schema"]["health"] == found["durability"]["health"] == "good"


def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "page.pem").write_text("no certificate")
    config = configured(tmp_path, {"shelf": {"kind": "folder", "path": "shelf"}})
    config.write_text(config.read_text().replace("[web]\n", '[web]\ncertificate_file = "page.pem"\n'))
    done = gateway("web", "--config", config)
    assert (done.returncode, "cannot be used" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def findings(config: Path) -> dict[str, dict[str, str]]:
    return {one["what"]: one for one in json.loads(gateway("doctor", "--json", "--config", config).stdout)}


def test_a_pacs_is_asked_by_what_it_proves_that_it_keeps_a_series(tmp_path: Path) -> None:
    with StoreScp("PACS", peers.LOOPBACK, 0, tmp_path / "pacs") as scp:
        pacs = {"kind": "pacs", "host": peers.LOOPBACK, "port": scp.port, "ae_title": "PACS", "plain": True}
        found = findings(configured(tmp_path, {"commits": pacs, "asked": {**pacs, "commitment": "query"}}))
    assert found["destination commits: proof"]["said"] == "proves by storage commitment that it keeps a series"
    assert found["destination commits: way"]["said"] == "gets patients' data in the clear"
    assert found["destination asked: proof"]["health"] == "bad"
    assert "let it give us queries" in found["destination asked: proof"]["remedy"]
    assert "does not reach us" in found["dicom port"]["said"]


def test_a_destination_that_the_deliverers_leave_alone_is_told(tmp_path: Path) -> None:
    config = configured(tmp_path, {"shelf": {"kind": "folder", "path": "shelf"}})
    engine = open_database(f"sqlite:///{tmp_path}/gateway-data/gateway.db")
    upgrade(engine)
    breaker = Breaker(engine, utc_now)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed("shelf", "nobody answers")
    found = findings(config)
    assert found["destination shelf: deliveries"]["said"] == "is left alone: nobody answers"
    assert found["accounts"]["remedy"] == "gateway users invite NAME --role admin"


def test_a_record_repository_in_the_clear_that_takes_nothing_is_told(tmp_path: Path) -> None:
    config = configured(tmp_path, {"shelf": {"kind": "folder", "path": "shelf"}})
    where = '\n[atna]\nhost = "127.0.0.1"\nallowed_hosts = ["127.0.0.1"]\nplain = true\n'
    config.write_text(config.read_text() + where)
    engine = open_database(f"sqlite:///{tmp_path}/gateway-data/gateway.db")
    upgrade(engine)
    forwarding = Forwarding(engine, utc_now)
    forwarding.open()
    AuditTrail(engine, utc_now).add("anna", "signed in")
    forwarding.failed("nobody answers", wait=timedelta(seconds=5))
    found = findings(config)
    assert found["audit messages"]["said"] == "1 lines wait: nobody answers"
    assert (found["record repository"]["health"], found["record repository"]["said"]) == (
        "doubtful",
        "gets patients' data in the clear, by UDP, which nobody confirms",
    )
