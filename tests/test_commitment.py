"""Orthanc commits what we have sent, over an association of its own: in the clear, and over TLS of both sides."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
import tomlkit

from gateway.answer import our_service
from gateway.dicom.session import Gate, ServiceLimits
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database
from gateway.jobs.presence import Presences
from gateway.jobs.proofs import Proofs
from gateway.model.delivery import DeliveryState
from tests import peers
from tests.dicom.certificates import authority, signed
from tests.dicom.outbox import pacs
from tests.running import Gateway, configured, running
from tests.test_deliver import N_IMAGES, Site, run_next, wait_until_due

pytestmark = pytest.mark.peer("Orthanc", "openssl")


def knowing(port: int, **more: object) -> Mapping[str, object]:
    """Settings of an Orthanc that knows the gateway, and reports to it there."""
    gateway = {"AET": "MRGW", "Host": peers.LOOPBACK, "Port": port, "AllowStorageCommitment": True, **more}
    return {"DicomModalities": {"gateway": gateway}}


class Accident(Proofs):
    """Loses an instance at the PACS just before it is asked for the first time."""

    orthanc: peers.Orthanc
    happened = False

    def request(self, transaction_uid: str, delivery: int) -> None:
        instances = self.orthanc.get("/instances")
        if len(instances) == N_IMAGES and not self.happened:
            self.happened = True
            url = f"{self.orthanc.http_url}/instances/{instances[0]}"
            with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")):
                pass
        super().request(transaction_uid, delivery)


def test_what_orthanc_does_not_keep_is_sent_again(tmp_path: Path, free_port: int) -> None:
    site = Site(tmp_path / "data")
    site.finish("a")
    queue = site.deliveries
    queue.proofs = accident = Accident(queue.engine, queue.clock, queue)
    service = our_service((peers.LOOPBACK, free_port), Gate(ae_title="MRGW", callers=None), ServiceLimits(), accident)
    with service, peers.running_orthanc(tmp_path, settings=knowing(free_port)) as orthanc:
        accident.orthanc = orthanc
        destination = pacs(orthanc.dicom_port, orthanc.ae_title, commitment="required", report_wait_s=30)
        run_next(site, site.deliverer(a=destination))
        assert site.states() == {"a": DeliveryState.WAITING}
        assert len(orthanc.get("/instances")) == N_IMAGES - 1
        wait_until_due(site)
        run_next(site, site.deliverer(a=destination))
        assert site.states() == {"a": DeliveryState.COMMITTED}
        assert len(orthanc.get("/instances")) == N_IMAGES
    lines = [one for one in site.queries.timeline(site.queries.job(1)) if "commitment reported" in one.what]
    assert [(line.who, line.text) for line in lines] == [
        (orthanc.ae_title, f"{N_IMAGES - 1} of {N_IMAGES} instances are kept; no such instance"),
        (orthanc.ae_title, f"1 of {N_IMAGES} instances are kept"),
    ]


def test_the_whole_gateway_is_committed_to_over_tls(tmp_path: Path, small_scan: Path, free_port: int) -> None:
    ca = authority(tmp_path, "ca")
    ours, theirs = (signed(ca, tmp_path, name, "IP:127.0.0.1") for name in ("gateway", "pacs"))
    tls = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(theirs.certificate),
        "DicomTlsPrivateKey": str(theirs.key),
        "DicomTlsTrustedCertificates": str(ca.certificate),
        "DicomTlsRemoteCertificateRequired": True,
    }
    known = {**knowing(free_port, UseDicomTls=True), **tls}
    files = {"ca_file": str(ca.certificate), "certificate_file": str(ours.certificate), "key_file": str(ours.key)}
    with peers.running_orthanc(tmp_path, "TLSPACS", known) as orthanc:
        address = {"kind": "pacs", "host": orthanc.host, "port": orthanc.dicom_port, "ae_title": "TLSPACS"}
        config = configured(tmp_path / "site", {"pacs": {**address, "tls": files, "commitment": "required"}})
        with_port(config, {"port": free_port, "tls": files})
        with running(config) as site:
            assert site.send(small_scan).returncode == 0
            story = site.settled()
            assert "dicom" in at_work(site)
    assert [one["state"] for one in story["job"]["deliveries"]] == ["COMMITTED"]
    (report,) = [line for line in story["timeline"] if "commitment reported" in line["what"]]
    assert report["who"] == "TLSPACS"
    assert "PATIENT" not in config.with_suffix(".log").read_text().upper()


def with_port(config: Path, dicom: Mapping[str, object]) -> None:
    """Open our DICOM port too."""
    settings = tomlkit.parse(config.read_text())
    caller = {"ae_title": "TLSPACS", "addresses": [peers.LOOPBACK]}
    settings["dicom"] = {"enabled": True, "callers": [caller], **dicom}
    config.write_text(tomlkit.dumps(settings))


def at_work(site: Gateway) -> list[str]:
    """Who an operator sees at work."""
    engine = open_database(f"sqlite:///{site.data}/gateway.db")
    return [one.role for one in Presences(engine, utc_now).all()]
