"""From the settings to the channels by which people are told, and to the repository that gets the audit trail."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial

from gateway.atna.message import Participant, Source
from gateway.atna.syslog import Syslog
from gateway.auditing import Auditor
from gateway.dicom.tls import client_context
from gateway.jobs.clock import utc_now
from gateway.jobs.transfers import transfer
from gateway.model.destinations import Tls
from gateway.notifier import Channel, Notifier
from gateway.notify.mail import Mail
from gateway.notify.webhook import Webhook
from gateway.settings import Settings
from gateway.stations import Stations, page_address

TELL_EVERY_S = 5.0


def notifier_of(stations: Stations) -> Notifier | None:
    """Open the channels that the settings name; nothing where they name none."""
    channels = tuple(channels_of(stations.settings))
    if not channels:
        return None
    notifier = Notifier(notices=stations.notices, channels=channels, page=page_address(stations.settings.web))
    notifier.open()
    return notifier


def channels_of(settings: Settings) -> Iterator[Channel]:
    """Make the channels that the settings name."""
    webhook = settings.webhook
    if webhook.url is not None and webhook.secret is not None:
        send = Webhook(
            url=webhook.url,
            secret=webhook.secret.get_secret_value(),
            ca_file=webhook.ca_file,
            timeout_s=webhook.timeout_s,
            clock=utc_now,
        )
        yield Channel(name="webhook", send=send, digest_s=webhook.digest_s)
    if (mail := mail_of(settings)) is not None:
        yield Channel(name="email", send=mail, digest_s=settings.email.digest_s)


def mail_of(settings: Settings) -> Mail | None:
    """Make the way by e-mail; nothing where the settings name none."""
    email = settings.email
    if email.host is None:
        return None
    return Mail(
        host=email.host,
        port=email.port,
        security=email.security,
        user=email.user,
        password=email.password.get_secret_value(),
        sender=email.sender,
        to=email.to,
        ca_file=email.ca_file,
        timeout_s=email.timeout_s,
    )


def auditor_of(stations: Stations) -> Auditor | None:
    """Open the way to the record repository; nothing where the settings name none."""
    settings = stations.settings
    syslog = syslog_of(settings)
    if syslog is None:
        return None
    title = settings.dicom.ae_title.strip()
    us = Participant(user=f"mri-gateway@{syslog.hostname}", other_id=f"AETITLES={title}", address=syslog.hostname)
    auditor = Auditor(
        forwarding=stations.forwarding,
        transfer=partial(transfer, stations.jobs.engine),
        routes=stations.steering.routes,
        in_force=stations.steering.in_force,
        outbox=settings.data.outbox_folder,
        page=page_address(settings.web),
        us=us,
        source=Source(id=settings.atna.source_id or syslog.hostname, site=settings.atna.site_id),
        send=syslog,
    )
    auditor.open()
    return auditor


def syslog_of(settings: Settings) -> Syslog | None:
    """Make the way to the syslog server; nothing where the settings name none."""
    atna = settings.atna
    if atna.host is None:
        return None
    tls = Tls(ca_file=atna.ca_file, certificate_file=atna.certificate_file, key_file=atna.key_file)
    context = None if atna.plain else partial(client_context, tls)
    return Syslog(
        host=atna.host, port=atna.port, context=context, hostname=socket.gethostname(), timeout_s=atna.timeout_s
    )
