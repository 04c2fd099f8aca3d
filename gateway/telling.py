"""From the settings to the channels by which people are told."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.jobs.clock import utc_now
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
