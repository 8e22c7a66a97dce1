"""What becomes of one try to send, by a real mail server."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.certificates import made_in
from tests.engine.servers import free_port
from tests.messages.servers import MailServer, mail_server
from widget_server.domain.messages import Delivered, Handover, Mail
from widget_server.errors import Fault
from widget_server.messages.smtp import Envelope, Mailer

pytestmark = pytest.mark.anyio

MAIL = Mail(
    "Your booking", "All of it, plain: ä", "<p>All of it: ä</p>", "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR"
)
FROM = "bookings@studio.example"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def envelope(to: str = "anna@example.org", *, from_name: str = "The studio") -> Envelope:
    return Envelope(to=to, from_name=from_name, mail=MAIL, message_id="1.2.1")


async def sent(server: MailServer, *envelopes: Envelope) -> list[Handover]:
    async with Mailer(server.url, FROM).round() as one_round:
        return [await one_round.send(each) for each in envelopes or (envelope(),)]


async def test_a_mail_arrives_with_both_bodies_and_its_calendar_file(server: MailServer) -> None:
    assert await sent(server) == [Handover(Delivered.SENT)]

    (mail,) = server.taken
    assert (mail["from"], mail["to"], mail["subject"]) == (f"The studio <{FROM}>", "anna@example.org", "Your booking")
    assert mail["message-id"] == "<1.2.1@studio.example>"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip() == "All of it, plain: ä"
    assert html.get_content().strip() == "<p>All of it: ä</p>"
    (file,) = mail.iter_attachments()
    assert (file.get_content_type(), file.get_filename(), file.get_param("method")) == (
        "text/calendar",
        "booking.ics",
        "CANCEL",
    )


async def test_a_recipient_that_is_refused_for_good_keeps_back_nobody_else(server: MailServer) -> None:
    server.to_recipients = ["550 no such person"]

    first, second = await sent(server, envelope("nobody@example.org"), envelope())

    assert first == Handover(Delivered.REFUSED, "550 no such person")
    assert second == Handover(Delivered.SENT)
    assert server.recipients == ["anna@example.org"]


async def test_a_mail_that_is_refused_for_now_may_be_tried_again(server: MailServer) -> None:
    server.to_mails = ["451 too busy"]

    first, second = await sent(server, envelope(), envelope())

    assert first.delivered is Delivered.LATER
    assert second.delivered is Delivered.SENT


async def test_a_mail_that_is_refused_for_good_says_why(server: MailServer) -> None:
    server.to_mails = ["554 looks like spam"]

    assert await sent(server) == [Handover(Delivered.REFUSED, "554 looks like spam")]


async def test_a_connection_that_breaks_in_the_middle_is_made_again_for_the_next_mail(server: MailServer) -> None:
    server.drops = 1

    first, second = await sent(server, envelope(), envelope())

    assert first.delivered is Delivered.LATER
    assert first.why
    assert second.delivered is Delivered.SENT


async def test_where_nobody_listens_it_is_tried_later() -> None:
    async with Mailer(f"smtp://127.0.0.1:{free_port()}", FROM).round() as one_round:
        handover = await one_round.send(envelope())

    assert handover.delivered is Delivered.LATER
    assert handover.why.startswith("The mail server cannot be reached")


async def test_a_server_that_is_slow_with_every_word_does_not_outlast_the_try() -> None:
    hung_up = asyncio.Event()

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(dawdle, "127.0.0.1") as slow:
        port = slow.sockets[0].getsockname()[1]
        async with Mailer(f"smtp://127.0.0.1:{port}", FROM, try_s=0.2).round() as one_round:
            handover = await one_round.send(envelope())

        assert handover == Handover(Delivered.LATER, "The mail server took too long.")
        await asyncio.wait_for(hung_up.wait(), 60)


async def test_an_address_with_umlauts_in_its_domain_is_written_as_every_server_knows_it(server: MailServer) -> None:
    assert await sent(server, envelope("anna@müller.example")) == [Handover(Delivered.SENT)]

    assert server.recipients == [server.taken[0]["to"]] == ["anna@xn--mller-kva.example"]


@pytest.mark.parametrize(("scheme", "way"), [("smtps", "ssl_context"), ("smtp+starttls", "tls_context")])
async def test_mail_goes_over_tls_to_whom_the_authority_knows_and_to_nobody_else(
    scheme: str, way: str, tmp_path: Path
) -> None:
    made = made_in(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with mail_server(**{way: context}) as server:
        url = f"{scheme}://127.0.0.1:{server.port}"
        async with Mailer(f"{url}?ssl_ca_certs={made.authority}", FROM).round() as known:
            assert await known.send(envelope()) == Handover(Delivered.SENT)
        async with Mailer(url, FROM).round() as unknown:
            assert (await unknown.send(envelope())).delivered is Delivered.LATER
    assert len(server.taken) == 1


async def test_no_password_and_no_mail_goes_where_starttls_is_wanted_and_not_offered(server: MailServer) -> None:
    url = server.url.replace("smtp://", "smtp+starttls://mia:secret@")

    async with Mailer(url, FROM).round() as one_round:
        handover = await one_round.send(envelope())

    assert handover.delivered is Delivered.LATER
    assert "secret" not in handover.why
    assert server.taken == []


@pytest.mark.parametrize("name", ["The studio\nBcc: eve@example.org", "a\r\n\r\nb", "\x00x\u2028y"])
async def test_no_name_begins_another_header(server: MailServer, name: str) -> None:
    await sent(server, envelope(from_name=name))

    (mail,) = server.taken
    assert mail["bcc"] is None
    assert server.recipients == ["anna@example.org"]
    assert mail["from"].addresses[0].addr_spec == FROM


@pytest.mark.parametrize("address", ["anna@example.org\nBcc: eve@example.org", "jürgen@example.org", "", "anna"])
async def test_an_address_that_no_header_can_hold_is_refused(server: MailServer, address: str) -> None:
    (handover,) = await sent(server, envelope(address))

    assert handover.delivered is Delivered.REFUSED
    assert server.taken == []


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://mail.example.org", FROM),
        ("smtp://", FROM),
        ("smtp://mail.example.org:port", FROM),
        ("smtp://mail.example.org?verify=no", FROM),
        ("smtp://mail.example.org", "bookings"),
        ("smtp://mail.example.org", "a@b\nc"),
    ],
)
def test_settings_that_make_no_sense_are_told_at_the_start(url: str, sender: str) -> None:
    with pytest.raises(Fault):
        Mailer(url, sender)
