"""A real mail server of the test's own, which takes, refuses or drops as it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.engine.servers import free_port

PATIENCE_S = 60.0


@dataclass
class MailServer:
    """`says` is what it answers next to a recipient, or to a whole mail; then all is well again."""

    port: int = 0
    to_recipients: list[str] = field(default_factory=list)
    to_mails: list[str] = field(default_factory=list)
    drops: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_recipients:
            return self.to_recipients.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.drops:
            self.drops -= 1
            transport: Any = server.transport
            transport.abort()
            return "421 gone"
        if self.to_mails:
            return self.to_mails.pop(0)
        assert isinstance(envelope.content, bytes)
        found: Any = message_from_bytes(envelope.content, policy=default)
        self.taken.append(found)
        self.recipients += envelope.rcpt_tos
        return "250 OK"


@contextmanager
def mail_server(**ways: Any) -> Iterator[MailServer]:
    """`ways` to speak TLS: `ssl_context` from the first byte, `tls_context` after the greeting."""
    server = MailServer(port=free_port())
    controller = Controller(server, hostname="127.0.0.1", port=server.port, ready_timeout=PATIENCE_S, **ways)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
