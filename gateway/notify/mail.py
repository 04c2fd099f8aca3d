"""E-mail: one message over SMTP, encrypted unless the server is on this machine."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from gateway.model.errors import NotTold
from gateway.notify.message import Message

FOOT = "This names jobs, never patients. Who gets it stands in [email] of gateway.toml."


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Through which server, and to whom."""

    host: str
    port: int
    security: str
    """``starttls``, ``tls``, or ``none``."""
    user: str
    password: str
    sender: str
    to: tuple[str, ...]
    ca_file: Path | None
    timeout_s: float

    def __call__(self, message: Message) -> None:
        """Tell.

        Raises
        ------
        NotTold
            The server did not take it.
        """
        try:
            with self._connection() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(self._written(message))
        except (OSError, smtplib.SMTPException) as fault:
            raise NotTold(f"{self.host} did not take the mail: {type(fault).__name__}") from fault

    def check(self) -> None:
        """Knock, and let nobody know.

        Raises
        ------
        NotTold
            The server does not let us in.
        """
        try:
            with self._connection() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.noop()
        except (OSError, smtplib.SMTPException) as fault:
            raise NotTold(f"{self.host} does not let us in: {type(fault).__name__}") from fault

    def _connection(self) -> smtplib.SMTP:
        if self.security == "none":
            return smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
        with ExitStack() as half_way:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
            half_way.callback(server.close)
            server.starttls(context=context)
            half_way.pop_all()
        return server

    def _written(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.sender, ", ".join(self.to), message.subject
        mail["Date"] = formatdate()
        mail["Message-ID"] = f"<{message.id}@{self.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content("\n".join([*map(message.line, message.notices), "", FOOT]))
        return mail
