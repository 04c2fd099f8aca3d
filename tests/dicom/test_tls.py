"""Over TLS both sides know who the other one is, or nothing is said."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway.dicom.association import VERIFICATION
from gateway.dicom.command import Field
from gateway.dicom.service import DicomService
from gateway.dicom.session import Gate, ServiceLimits, answer_echo
from gateway.dicom.store import echo, store
from gateway.dicom.tls import client_context, server_context as our_server_context
from gateway.model.callers import ServerTls
from gateway.model.destinations import Tls
from gateway.model.errors import PeerRefused, PeerUnreachable, SendError, SettingsFault
from gateway.model.refusal import Refusal, Refused, nobody_hears
from tests.dicom.certificates import Identity, authority, server_context, signed
from tests.dicom.outbox import pacs, written
from tests.dicom.scripted import scripted_pacs
from tests.dicom.test_peers import storescp
from tests.peers import LOOPBACK

pytestmark = pytest.mark.peer("openssl")


@dataclass(frozen=True)
class Town:
    """Who lives in this test."""

    ca: Identity
    pacs: Identity
    elsewhere: Identity
    gateway: Identity
    stranger: Identity

    def tls(self, **changed: Path | None) -> Tls:
        """What the gateway is told."""
        ours = {
            "ca_file": self.ca.certificate,
            "certificate_file": self.gateway.certificate,
            "key_file": self.gateway.key,
        }
        return Tls.model_validate(ours | changed)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("tls")
    ca, rogue = authority(folder, "ca"), authority(folder, "rogue")
    return Town(
        ca=ca,
        pacs=signed(ca, folder, "pacs", "IP:127.0.0.1"),
        elsewhere=signed(ca, folder, "elsewhere", "DNS:elsewhere.example.org"),
        gateway=signed(ca, folder, "gateway", "DNS:gateway.example.org"),
        stranger=signed(rogue, folder, "stranger", "IP:127.0.0.1"),
    )


def test_a_series_goes_over_tls(town: Town, tmp_path: Path) -> None:
    series = written(tmp_path)
    arrived: list[int] = []
    with scripted_pacs(lambda _event: 0, tls=server_context(town.pacs, town.ca)) as (port, _):
        store(series, pacs(port, tls=town.tls()), lambda instance, _status: arrived.append(instance.number))
    assert arrived == [1, 2, 3]


REFUSED: dict[str, tuple[Callable[[Town], Identity], Callable[[Town], Tls]]] = {
    "another name": (lambda town: town.elsewhere, lambda town: town.tls()),
    "a stranger's certificate": (lambda town: town.stranger, lambda town: town.tls()),
    "nobody we trust": (lambda town: town.pacs, lambda town: town.tls(ca_file=None)),
    "we show no certificate": (
        lambda town: town.pacs,
        lambda town: town.tls(certificate_file=None, key_file=None),
    ),
    "we show a stranger's": (
        lambda town: town.pacs,
        lambda town: town.tls(certificate_file=town.stranger.certificate, key_file=town.stranger.key),
    ),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("why", REFUSED)
def test_whoever_is_not_proven_is_not_spoken_to(why: str, town: Town) -> None:
    identity, tls = REFUSED[why]
    with (
        scripted_pacs(lambda _event: 0, tls=server_context(identity(town), town.ca)) as (port, _),
        pytest.raises(SendError),
    ):
        echo(pacs(port, tls=tls(town)))


def test_a_name_that_does_not_fit_is_a_refusal_not_an_outage(town: Town) -> None:
    with (
        scripted_pacs(lambda _event: 0, tls=server_context(town.elsewhere, town.ca)) as (port, _),
        pytest.raises(PeerRefused, match=r"no TLS connection.*127\.0\.0\.1"),
    ):
        echo(pacs(port, tls=town.tls()))


def test_a_pacs_that_speaks_in_the_clear_gets_nothing(town: Town) -> None:
    with scripted_pacs(lambda _event: 0) as (port, _), pytest.raises((PeerRefused, PeerUnreachable)):
        echo(pacs(port, tls=town.tls(), timeout_s=0.5))


def test_old_versions_are_not_spoken(town: Town) -> None:
    context = client_context(town.tls())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_file_that_is_none_is_named(town: Town, tmp_path: Path) -> None:
    for missing in (tmp_path / "no.crt", town.ca.key):
        with pytest.raises(SettingsFault, match=missing.name):
            client_context(town.tls(ca_file=missing))


def test_a_key_needs_its_certificate(town: Town) -> None:
    with pytest.raises(ValueError, match="certificate_file"):
        town.tls(certificate_file=None)


@pytest.mark.peer("storescp")
def test_a_strict_dcmtk_takes_the_series(town: Town, tmp_path: Path) -> None:
    series = written(tmp_path / "outbox")
    (tmp_path / "pacs").mkdir()
    switches = ("+tls", str(town.pacs.key), str(town.pacs.certificate), "+cf", str(town.ca.certificate))
    with storescp(tmp_path / "pacs", *switches, "--require-peer-cert", "--profile-bcp195-nd") as port:
        store(series, pacs(port, tls=town.tls()), lambda _instance, _status: None)
        with pytest.raises(SendError):
            echo(pacs(port))
        known = ["-aec", "PACS", "--enable-tls", str(town.gateway.key), str(town.gateway.certificate)]
        peer = [*known, "+cf", str(town.ca.certificate), "127.0.0.1", str(port)]
        subprocess.run(["/usr/bin/echoscu", *peer], check=True)
    kept = {dcmread(file).SOPInstanceUID for file in (tmp_path / "pacs").iterdir()}
    assert kept == {instance.sop_instance_uid for instance, _ in series}


@contextmanager
def our_port(town: Town, refused: Refused = nobody_hears) -> Iterator[int]:
    """Our own port, which wants to know who calls."""
    tls = ServerTls(certificate_file=town.pacs.certificate, key_file=town.pacs.key, ca_file=town.ca.certificate)
    gate = Gate(ae_title="PACS", callers=None, tls=our_server_context(tls), refused=refused)
    limits = ServiceLimits(request_s=0.5)
    with DicomService((LOOPBACK, 0), gate, {(VERIFICATION, Field.C_ECHO): answer_echo}, limits) as service:
        yield service.port


def test_our_own_port_talks_to_whom_it_can_prove(town: Town) -> None:
    with our_port(town) as port:
        echo(pacs(port, tls=town.tls()))


@pytest.mark.parametrize("who", ["nobody", "a stranger", "in the clear"])
def test_our_own_port_talks_to_nobody_else(who: str, town: Town) -> None:
    tls = {
        "nobody": town.tls(certificate_file=None, key_file=None),
        "a stranger": town.tls(certificate_file=town.stranger.certificate, key_file=town.stranger.key),
    }
    heard: list[tuple[str, Refusal, str]] = []
    with our_port(town, refused=lambda *refusal: heard.append(refusal)) as port:
        destination = pacs(port, tls=tls[who]) if who in tls else pacs(port)
        with pytest.raises(SendError):
            echo(destination)
        echo(pacs(port, tls=town.tls()))
    assert [refusal[:2] for refusal in heard] == [(LOOPBACK, Refusal.TLS)]


def test_a_probe_that_only_knocks_was_not_refused(town: Town) -> None:
    heard: list[tuple[str, Refusal, str]] = []
    with our_port(town, refused=lambda *refusal: heard.append(refusal)) as port:
        socket.create_connection((LOOPBACK, port)).close()
        echo(pacs(port, tls=town.tls()))
    assert heard == []


@pytest.mark.parametrize(
    ("version", "spoken"), [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)]
)
def test_our_own_port_speaks_no_old_version(version: str, spoken: bool, town: Town) -> None:
    ours = ["-cert", town.gateway.certificate, "-key", town.gateway.key, "-CAfile", town.ca.certificate]
    with our_port(town) as port:
        where = ["-connect", f"{LOOPBACK}:{port}", version, "-cipher", "ALL:@SECLEVEL=0"]
        command = ["/usr/bin/openssl", "s_client", *where, *map(str, ours)]
        said = subprocess.run(command, input=b"", capture_output=True, check=False).stdout
        assert (b"Cipher is (NONE)" not in said) is spoken
        echo(pacs(port, tls=town.tls()))


def test_a_handshake_that_drips_ends_in_time(town: Town) -> None:
    begun = time.monotonic()
    with our_port(town) as port, socket.create_connection((LOOPBACK, port)) as caller:
        caller.settimeout(5)
        try:
            for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500):
                caller.sendall(bytes([byte]))
                select.select([caller], [], [], 0.01)
            assert caller.recv(10) == b""
        except ConnectionError:
            pass  # cut off while it was still talking
    assert time.monotonic() - begun < 5


def test_our_own_certificate_that_is_none_is_named(town: Town, tmp_path: Path) -> None:
    missing = ServerTls(certificate_file=tmp_path / "no.crt", key_file=None, ca_file=town.ca.certificate)
    with pytest.raises(SettingsFault, match=r"no\.crt"):
        our_server_context(missing)
