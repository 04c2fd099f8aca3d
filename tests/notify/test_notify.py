"""Whoever must know is told: once, signed or encrypted, as long as it takes, and never who the patient is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from sqlalchemy import Engine

from gateway.jobs.notices import LEASE, Notices
from gateway.jobs.reconstructions import JobQueue
from gateway.model.errors import NotTold
from gateway.model.notice import Notice, NoticeKind
from gateway.model.work import WorkEvent
from gateway.notifier import FIRST_WAIT_S, Channel, Notifier
from gateway.notify.mail import Mail
from gateway.notify.message import Message, digest
from gateway.notify.webhook import Webhook, signature
from tests.dicom.certificates import authority, signed
from tests.notify.receivers import Postbox, Site, taking
from tests.peers import LOOPBACK, free_port
from tests.web.scene import Scene

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a key that nobody knows").decode()
PAGE = "https://gateway.example.org/"


def notice(number: int, kind: NoticeKind = NoticeKind.HELD, job: int = 7, destination: str = "") -> Notice:
    return Notice(id=number, at=NOON, kind=kind, job=job, destination=destination)


class Inbox:
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.refuses = False

    def __call__(self, message: Message) -> None:
        if self.refuses:
            raise NotTold("nobody answers")
        self.got.append(message)

    def told(self) -> list[tuple[int, str, str]]:
        return [(one.job, one.destination, one.kind.value) for message in self.got for one in message.notices]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.opened(tmp_path)
    yield scene
    scene.engine.dispose()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def notifier(scene: Scene, inbox: Inbox) -> Notifier:
    notices = Notices(scene.engine, scene.clock)
    notifier = Notifier(notices=notices, channels=(Channel(name="x", send=inbox, digest_s=60),), page=PAGE)
    notifier.open()
    return notifier


def later(scene: Scene, seconds: float = 61) -> None:
    scene.clock.now += timedelta(seconds=seconds)


def test_what_is_held_fails_and_recovers_is_told_once(scene: Scene, inbox: Inbox, notifier: Notifier) -> None:
    job = scene.start()
    scene.jobs.hold(job.lease, "two patients match: Zwitscher^Karla")
    notifier.tell()
    notifier.tell()
    assert inbox.told() == [(job.job, "", "held")]
    scene.jobs.act(job.job, WorkEvent.RELEASE, who="anna")
    again = scene.jobs.claim("w")
    assert again is not None
    scene.jobs.fail(again.lease, "no")
    later(scene)
    notifier.tell()
    scene.jobs.act(job.job, WorkEvent.RETRY, who="anna")
    last = scene.jobs.claim("w")
    assert last is not None
    scene.jobs.succeed(last, [], [])
    later(scene)
    notifier.tell()
    assert [kind for _, _, kind in inbox.told()] == ["held", "failed", "recovered"]
    assert "Zwitscher" not in repr(inbox.got)


def test_what_goes_well_is_not_told_and_what_a_person_holds_neither(
    scene: Scene, inbox: Inbox, notifier: Notifier
) -> None:
    scene.finish()
    scene.send(12)
    scene.jobs.act(scene.scan() or 0, WorkEvent.HOLD, who="anna")
    notifier.tell()
    assert inbox.got == []


def test_a_delivery_is_named_with_its_destination(scene: Scene, inbox: Inbox, notifier: Notifier) -> None:
    job = scene.finish().job
    scene.send(3, failure="refused")
    notifier.tell()
    assert inbox.told() == [(job, "pacs", "failed")]


def test_a_flood_is_one_message(scene: Scene, inbox: Inbox, notifier: Notifier) -> None:
    for _ in range(5):
        scene.jobs.fail(scene.start().lease, "no")
        notifier.tell()
    later(scene)
    notifier.tell()
    assert [len(message.notices) for message in inbox.got] == [1, 4]
    assert inbox.got[1].subject == "MRI gateway: 4 failed"


def test_what_could_not_be_told_is_told_later_and_waits_longer_each_time(
    scene: Scene, inbox: Inbox, notifier: Notifier
) -> None:
    inbox.refuses = True
    scene.jobs.fail(scene.start().lease, "no")
    notifier.tell()
    state = notifier.notices.state("x")
    assert state is not None
    assert (state.attempt, state.reason) == (1, "nobody answers")
    notifier.tell()
    assert notifier.notices.state("x") == state
    later(scene, FIRST_WAIT_S + 1)
    notifier.tell()
    later(scene, FIRST_WAIT_S + 1)
    inbox.refuses = False
    notifier.tell()
    assert inbox.got == []
    later(scene, FIRST_WAIT_S)
    notifier.tell()
    assert len(inbox.told()) == 1


def test_whoever_dies_while_telling_is_followed_by_another_with_the_same_message(
    scene: Scene, inbox: Inbox, notifier: Notifier
) -> None:
    scene.jobs.fail(scene.start().lease, "no")
    taken = notifier.notices.due("x")
    notifier.tell()
    assert inbox.got == []
    later(scene, LEASE.total_seconds() + 1)
    notifier.tell()
    assert inbox.got[0].id == digest("x", taken, page=PAGE).id


def test_a_channel_tells_nothing_from_before_it_was_opened(scene: Scene, inbox: Inbox) -> None:
    scene.jobs.fail(scene.start().lease, "no")
    notices = Notices(scene.engine, scene.clock)
    late = Notifier(notices=notices, channels=(Channel(name="late", send=inbox, digest_s=1),), page=PAGE)
    late.open()
    late.tell()
    assert inbox.got == []


def test_the_last_word_counts() -> None:
    told = digest("x", [notice(1), notice(2, NoticeKind.RECOVERED), notice(3, job=8)], page=PAGE)
    assert [(one.job, one.kind) for one in told.notices] == [(7, "recovered"), (8, "held")]
    assert told.id != digest("x", [notice(1)], page=PAGE).id


@pytest.fixture
def site() -> Iterator[Site]:
    with taking() as server:
        yield server


def webhook(port: int, **more: Any) -> Webhook:  # noqa: ANN401 - fields
    given: dict[str, Any] = {"url": f"http://{LOOPBACK}:{port}/hook?team=mri", "secret": SECRET, "ca_file": None}
    return Webhook(**{**given, "timeout_s": 5, "clock": lambda: NOON, **more})


def test_a_webhook_is_signed_as_the_standard_says(site: Site) -> None:
    message = digest("webhook", [notice(1, destination="pacs")], page=PAGE)
    webhook(site.server_port)(message)
    headers, body = site.got[0]
    moment = str(int(NOON.timestamp()))
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (message.id, moment)
    expected = hmac.new(b"a key that nobody knows", f"{message.id}.{moment}.".encode() + body, hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected.digest()).decode()
    (told,) = json.loads(body)["data"]["notices"]
    assert told == {
        "kind": "held",
        "job": 7,
        "chart": None,
        "destination": "pacs",
        "at": "2026-03-01T12:00:00+00:00",
        "page": f"{PAGE}jobs/7",
    }


def test_a_signature_follows_the_standards_own_example() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed_ = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signed_ == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_is_refused_or_sent_elsewhere_was_not_told(site: Site, status: int) -> None:
    site.status = status
    with pytest.raises(NotTold, match=str(status)):
        webhook(site.server_port)(digest("webhook", [notice(1)], page=PAGE))
    assert len(site.got) == 1


def test_a_webhook_whose_certificate_nobody_vouches_for_is_not_told(site: Site, tmp_path: Path) -> None:
    ours, stranger = authority(tmp_path, "ours"), authority(tmp_path, "stranger")
    identity = signed(stranger, tmp_path, "site", f"IP:{LOOPBACK}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    address = f"https://{LOOPBACK}:{site.server_port}/"
    with pytest.raises(NotTold, match="SSLCertVerificationError"):
        webhook(site.server_port, url=address, ca_file=ours.certificate)(digest("webhook", [notice(1)], page=PAGE))
    webhook(site.server_port, url=address, ca_file=stranger.certificate)(digest("webhook", [notice(1)], page=PAGE))
    assert len(site.got) == 1


def _is_anna(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:  # noqa: ANN401
    return AuthResult(success=(data.login, data.password) == (b"anna", b"secret"), handled=False)


@contextmanager
def mail_server(folder: Path) -> Iterator[tuple[Postbox, Mail]]:
    """A server that wants STARTTLS and a password, and a way to reach it."""
    vouching = authority(folder, "authority")
    identity = signed(vouching, folder, "mail", f"IP:{LOOPBACK}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    box = Postbox()
    options: dict[str, Any] = {"require_starttls": True, "auth_required": True, "authenticator": _is_anna}
    port = free_port()
    server = Controller(box, hostname=LOOPBACK, port=port, tls_context=context, **options)
    server.start()
    try:
        yield (
            box,
            Mail(
                host=LOOPBACK,
                port=port,
                security="starttls",
                user="anna",
                password="secret",  # noqa: S106 - of the test
                sender="mri@example.org",
                to=("team@example.org",),
                ca_file=vouching.certificate,
                timeout_s=10,
            ),
        )
    finally:
        server.stop()


def test_a_mail_goes_encrypted_and_says_what_and_where(tmp_path: Path) -> None:
    with mail_server(tmp_path) as (box, mail):
        mail(digest("email", [notice(1), notice(2, NoticeKind.FAILED, destination="pacs")], page=PAGE))
    (got,) = box.got
    assert (got["Subject"], got["To"]) == ("MRI gateway: 1 held, 1 failed", "team@example.org")
    assert got["Auto-Submitted"] == "auto-generated"
    text = got.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert f"job 7 waits for a person's decision: {PAGE}jobs/7" in text.decode()
    assert b"delivery to pacs, was given up" in text


def test_a_mail_server_that_cannot_prove_itself_or_does_not_know_us_gets_nothing(tmp_path: Path) -> None:
    message = digest("email", [notice(1)], page=PAGE)
    with mail_server(tmp_path) as (box, mail):
        fields = {name: getattr(mail, name) for name in Mail.__dataclass_fields__}
        for change, why in (
            ({"ca_file": None}, "SSLCertVerificationError"),
            ({"password": "wrong"}, smtplib.SMTPAuthenticationError.__name__),
            ({"security": "none", "user": ""}, "SMTP"),
        ):
            with pytest.raises(NotTold, match=why):
                Mail(**{**fields, **change})(message)
    assert box.got == []


def test_notices_keep_their_promises_on_both_databases(engine: Engine, jobs: JobQueue, new_job: Any) -> None:  # noqa: ANN401
    notices = Notices(engine, jobs.clock)
    notices.open("a")
    notices.open("a")
    new_job(1)
    claimed = jobs.claim("w")
    assert claimed is not None
    jobs.hold(claimed.lease, "look")
    (due,) = notices.due("a")
    assert (due.kind, due.job, notices.due("a")) == ("held", claimed.job, [])
    notices.told("a", [due], pause=timedelta(0))
    assert notices.due("a") == []
