"""The only place that speaks with a mail server."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from email.errors import MessageDefect
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import (
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)
from email_validator import validate_email

from widget_server.domain.messages import Delivered, Handover, Mail
from widget_server.errors import Fault

TIMEOUT_S = 20.0
"""For each thing that is said to the server."""
TRY_S = 80.0
"""For all of one try: a server that is slow with every word would outlast the time for which a message is claimed."""
_FORMS = {"smtp": (25, False, None), "smtp+starttls": (587, False, True), "smtps": (465, True, False)}
"""Scheme -> port, TLS from the first byte, STARTTLS: None takes it where it is offered."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail on its way."""

    to: str
    from_name: str
    mail: Mail
    message_id: str
    """Without brackets and host."""


class Mailer:
    """A mail server, and the address that mails come from. Raises Fault for a URL or an address that makes no sense."""

    def __init__(self, url: str, sender: str, *, try_s: float = TRY_S) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as problem:
            raise Fault("TENUTO_SMTP_URL has a port that is no number.") from problem
        if parts.scheme not in _FORMS or not parts.hostname:
            raise Fault("TENUTO_SMTP_URL is not a URL such as smtp+starttls://user:password@mail.example.org:587.")
        if _CONTROLS.search(sender) or "@" not in sender:
            raise Fault("TENUTO_MAIL_FROM is not an e-mail address.")
        options = parse_qs(parts.query)
        if options.keys() - {"ssl_ca_certs"}:
            raise Fault("TENUTO_SMTP_URL takes no option but ssl_ca_certs.")
        usual_port, self._tls, self._starttls = _FORMS[parts.scheme]
        self.sender, self.try_s = on_the_wire(sender), try_s
        self._host, self._port = parts.hostname, port or usual_port
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._authority = options.get("ssl_ca_certs", [None])[0]

    @asynccontextmanager
    async def round(self) -> AsyncIterator["Round"]:
        """For some mails one after the other. Nothing is connected before the first."""
        one = Round(self)
        try:
            yield one
        finally:
            await one.close()

    async def connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            timeout=TIMEOUT_S,
            use_tls=self._tls,
            start_tls=self._starttls,
            cert_bundle=self._authority,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client


class Round:
    """A connection that is made when it is needed, and again when it broke."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer
        self._client: aiosmtplib.SMTP | None = None

    async def send(self, envelope: Envelope) -> Handover:
        """One try. Whatever the network or the server does, it ends within TRY_S, with an answer."""
        try:
            recipient = on_the_wire(envelope.to)
            message = write_message(replace(envelope, to=recipient), self._mailer.sender)
        except (ValueError, MessageDefect, IndexError):
            return Handover(Delivered.REFUSED, "The address cannot be written into a mail.")
        try:
            async with asyncio.timeout(self._mailer.try_s):
                return await self._hand_over(message, recipient)
        except TimeoutError:
            self._hang_up()
            return Handover(Delivered.LATER, "The mail server took too long.")

    async def _hand_over(self, message: EmailMessage, recipient: str) -> Handover:
        try:
            client = await self._connected()
        except (SMTPException, OSError, ValueError) as problem:
            await self.close()
            return Handover(Delivered.LATER, f"The mail server cannot be reached: {_said(problem)}")
        try:
            await client.send_message(message, sender=self._mailer.sender, recipients=[recipient])
        except (SMTPException, OSError, ValueError) as problem:
            if not isinstance(problem, SMTPRecipientsRefused | SMTPResponseException):
                await self.close()
            return Handover(Delivered.REFUSED if _is_for_good(problem) else Delivered.LATER, _said(problem))
        return Handover(Delivered.SENT)

    async def close(self) -> None:
        client = self._client
        if client is not None:
            with suppress(SMTPException, OSError):
                if client.is_connected:
                    await client.quit()
        self._hang_up()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None or not self._client.is_connected:
            self._client = await self._mailer.connect()
        return self._client


def on_the_wire(address: str) -> str:
    """With the domain as every mail server knows it: `müller.example` is `xn--mller-kva.example`. Raises ValueError."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return local + at + validate_email(f"anybody@{domain}", check_deliverability=False).ascii_domain


def write_message(envelope: Envelope, sender: str) -> EmailMessage:
    """As it is sent. Raises ValueError or MessageDefect for an address that no header can hold."""
    mail, host = envelope.mail, sender.rpartition("@")[2]
    message = EmailMessage(policy=SMTP_LINES)
    message["Message-ID"] = f"<{envelope.message_id}@{host}>"
    message["From"] = Address(_in_one_line(envelope.from_name), addr_spec=sender)
    message["To"] = Address(addr_spec=envelope.to)
    message["Subject"] = _in_one_line(mail.subject)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.plain)
    message.add_alternative(mail.html, subtype="html")
    if mail.calendar is not None:
        message.add_attachment(mail.calendar.encode(), maintype="text", subtype="calendar", filename="booking.ics")
        method = "CANCEL" if "\r\nMETHOD:CANCEL\r\n" in mail.calendar else "PUBLISH"
        part = list(message.iter_attachments())[-1]
        part.set_param("method", method)
        part.set_param("charset", "utf-8")
    return message


def _in_one_line(text: str) -> str:
    """Whatever somebody is called: it never begins another header."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _is_for_good(problem: Exception) -> bool:
    """Said of this mail or its recipient. What is said of us, of our password or our sender, somebody can mend."""
    if isinstance(problem, SMTPRecipientsRefused):
        return all(refused.code >= 500 for refused in problem.recipients)
    if isinstance(problem, SMTPNotSupported):
        return True
    return (
        isinstance(problem, SMTPResponseException)
        and problem.code >= 500
        and not isinstance(problem, SMTPSenderRefused | aiosmtplib.SMTPAuthenticationError)
    )


def _said(problem: Exception) -> str:
    if isinstance(problem, SMTPRecipientsRefused) and problem.recipients:
        problem = problem.recipients[0]
    if isinstance(problem, SMTPResponseException):
        return f"{problem.code} {problem.message}"
    return str(problem) or type(problem).__name__
