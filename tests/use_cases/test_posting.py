"""Messages on their way: from a booking to a real mail server, whatever that says and whoever dies on the way."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from tests.house import Guest, House, slot
from tests.messages.servers import MailServer, mail_server
from tests.store.studio import YOGA
from tests.use_cases.office import MovedClock
from tests.web.desks import desk_in
from widget_server.domain.messages import KeptMessage, Kind, Mail, MessageState, Role
from widget_server.ids import hash_secret
from widget_server.messages.smtp import Mailer
from widget_server.store.letters import Letters
from widget_server.store.messages import Messages
from widget_server.store.sending import Sending
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.posting import LEASE, TRIES_MAX, Posting
from widget_server.use_cases.writing import Writing

pytestmark = pytest.mark.anyio

ANNA = {"name": "Anna Berg", "email": "anna@example.org", "zone": "America/New_York", "locale": "de-DE"}
FROM = "bookings@studio.example"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


class Worker:
    """One that can be stopped anywhere, with a clock to move."""

    def __init__(self, house: House, server: MailServer | None) -> None:
        self.clock, database = MovedClock(datetime.now(UTC)), house.parts.database
        links = OrderLinks(_key(house), "http://localhost:8000")
        self.posting = Posting(
            sending=Sending(database),
            writing=Writing(letters=Letters(database), links=links, sender=FROM if server else None),
            sites=house.parts.sites,
            mailer=Mailer(server.url, FROM) if server else None,
            clock=self.clock,
        )

    async def post_all(self) -> None:
        self.clock.at = max(self.clock.at, datetime.now(UTC))
        while await self.posting.post():
            pass


def _key(house: House) -> bytes:
    return (house.parts.settings.data_dir / "secret-key").read_bytes()


async def booked(house: House) -> Guest:
    anna = house.guest()
    await anna.hold()
    assert (await anna.confirm(customer=ANNA)).status_code == 201
    return anna


async def messages_of(house: House, kind: Kind = Kind.BOOKED) -> list[KeptMessage]:
    site = await house.site()
    return [one for one in await Messages(house.parts.database).listed(site.id, limit=100) if one.kind is kind]


async def only(house: House, kind: Kind = Kind.BOOKED) -> KeptMessage:
    (message,) = await messages_of(house, kind)
    return message


async def test_a_customer_reads_in_their_language_and_zone_how_to_get_back_and_the_link_works(
    house: House, server: MailServer
) -> None:
    anna = await booked(house)

    await Worker(house, server).post_all()

    (mail,) = [mail for mail in server.taken if mail["to"] == "anna@example.org"]
    plain = mail.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    assert "Ihre Buchung ist bestätigt" in text
    assert "Nordamerikanische Ostküsten" in text
    assert "Elm Street 12, first floor." in text
    link = re.search(rf"http://localhost:8000/o/studio/{anna.id}#(\S+)", text)
    assert link is not None
    anna.order_secret = link[1]
    assert (await anna.order()).status_code == 200
    assert (await anna.cancel()).status_code == 200
    message = await only(house)
    assert (message.state, message.tries, message.due_at) == (MessageState.SENT, 1, None)


async def test_what_was_booked_in_test_mode_is_written_of_as_a_test(house: House, server: MailServer) -> None:
    await house.change_settings(is_test=True)
    anna = await booked(house)
    await house.change_settings(is_test=False)

    await Worker(house, server).post_all()

    (mail,) = server.taken
    calendar = await anna.send("GET", f"/orders/{anna.id}/calendar.ics", secret=anna.order_secret)
    assert mail["subject"].startswith("Test: ")
    assert "SUMMARY:Test: " in calendar.text


async def test_nothing_that_is_kept_opens_an_order(house: House, server: MailServer) -> None:
    await booked(house)

    await Worker(house, server).post_all()

    (mail,) = [mail for mail in server.taken if mail["to"] == "anna@example.org"]
    (file,) = mail.iter_attachments()
    (event,) = Calendar.from_ical(file.get_content()).events
    secret = str(event["url"]).partition("#")[2]
    kept = (await only(house)).mail
    assert len(secret) == 22
    assert kept is not None
    assert secret not in kept.plain + kept.html + (kept.calendar or "")


async def test_every_owner_of_the_site_hears_of_an_order(house: House, server: MailServer) -> None:
    async with desk_in(house) as first, desk_in(house) as second:
        await booked(house)

        await Worker(house, server).post_all()

        told = {str(mail["to"]): mail for mail in server.taken if mail["to"] != "anna@example.org"}
        assert set(told) == {first.operator.email, second.operator.email}
    body = told[first.operator.email].get_body(("plain",))
    assert body is not None
    assert "Anna Berg · anna@example.org" in body.get_content()


async def test_without_a_mail_server_everything_is_kept(house: House) -> None:
    await booked(house)

    await Worker(house, None).post_all()

    message = await only(house)
    assert message.state is MessageState.KEPT
    assert message.mail is not None


async def test_what_is_refused_for_now_is_tried_again_and_gets_through(house: House, server: MailServer) -> None:
    server.to_recipients, worker = ["451 too busy"], Worker(house, server)
    await booked(house)

    await worker.post_all()
    waiting = await only(house)
    assert (waiting.state, waiting.tries, waiting.why) == (MessageState.WAITING, 1, "451 too busy")
    await worker.post_all()
    assert server.recipients == [], "not yet"
    worker.clock.advance(timedelta(seconds=31))
    await worker.post_all()

    sent = await only(house)
    assert (sent.state, sent.tries, sent.why) == (MessageState.SENT, 2, None)


async def test_a_link_to_all_bookings_lasts_from_when_its_mail_is_handed_over(house: House, server: MailServer) -> None:
    worker = Worker(house, server)
    await booked(house)
    await worker.post_all()
    await house.client.post("/v1/sites/studio/my-bookings/links", json={"email": "anna@example.org"})
    server.to_recipients = ["451 too busy"]
    await worker.post_all()

    worker.clock.advance(timedelta(hours=25))
    await worker.posting.prune()
    await worker.post_all()

    bodies = [str(mail.get_body(("plain",)).get_content()) for mail in server.taken]  # type: ignore[union-attr]
    (code,) = re.findall(r"/my/studio\?lang=[\w-]+#(\S{22})", "\n".join(bodies))
    shown = await house.client.get("/v1/sites/studio/my-bookings", headers={"authorization": f"Bearer {code}"})
    assert shown.status_code == 200
    until = datetime.fromisoformat(shown.json()["expires_at"])
    assert abs(until - worker.clock.at - timedelta(hours=24)) < timedelta(seconds=1)


async def test_what_is_refused_for_good_is_not_tried_again_and_shown(house: House, server: MailServer) -> None:
    server.to_recipients, worker = ["550 no such person"], Worker(house, server)
    await booked(house)

    await worker.post_all()
    worker.clock.advance(timedelta(days=2))
    await worker.post_all()

    refused = await only(house)
    assert (refused.state, refused.why) == (MessageState.REFUSED, "550 no such person")
    assert server.recipients == []


async def test_after_a_day_of_tries_a_message_is_given_up(house: House, server: MailServer) -> None:
    server.to_recipients, worker = ["451 too busy"] * TRIES_MAX, Worker(house, server)
    await booked(house)
    began_at = worker.clock.at

    while (message := await only(house)).state is MessageState.WAITING:
        await worker.post_all()
        worker.clock.at = max(worker.clock.at, (await only(house)).due_at or worker.clock.at)

    assert (message.state, message.tries, message.why) == (MessageState.GIVEN_UP, TRIES_MAX, "451 too busy")
    assert timedelta(hours=20) < worker.clock.at - began_at < timedelta(hours=28)


async def test_a_worker_killed_between_sending_and_writing_it_down_sends_it_again_as_the_same(
    house: House, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked(house)
    killed, other = Worker(house, server), Worker(house, server)

    class Killed(BaseException):
        pass

    async def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(killed.posting._sending, "ended", die)
    with pytest.raises(Killed):
        await killed.post_all()
    assert len(server.taken) == 1, "control: it has gone out"
    await other.post_all()
    assert len(server.taken) == 1, "the lease of the other one is not over"
    other.clock.advance(LEASE)
    await other.post_all()

    first, second = (mail for mail in server.taken if mail["to"] == "anna@example.org")
    assert first["message-id"] == second["message-id"]
    assert (await only(house)).state is MessageState.SENT


async def test_two_workers_never_send_the_same(house: House, server: MailServer) -> None:
    for _ in range(3):
        await booked(house)
    one, other = Worker(house, server), Worker(house, server)

    assert await one.posting.post() + await other.posting.post() > 0
    await one.post_all()
    await other.post_all()

    ids = [mail["message-id"] for mail in server.taken]
    assert len(ids) == len(set(ids)) == 3


async def test_a_message_that_cannot_be_written_keeps_back_no_other(
    house: House, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, _ = await booked(house), await booked(house)
    worker = Worker(house, server)
    facts = worker.posting._writing.facts

    def stumble(message: KeptMessage, subject: object) -> object:
        if message.order_id == broken.id:
            raise KeyError("anna@example.org")
        return facts(message, subject)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.posting._writing, "facts", stumble)

    await worker.post_all()

    states = {message.order_id == broken.id: message.state for message in await messages_of(house)}
    assert states == {True: MessageState.WAITING, False: MessageState.SENT}


async def test_a_message_that_cannot_be_handed_over_keeps_back_no_other_and_is_given_up(
    house: House, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, _ = await booked(house), await booked(house)
    worker = Worker(house, server)
    opened = worker.posting._writing.opened

    def stumble(message: KeptMessage, site_key: str) -> Mail | None:
        if message.order_id == broken.id:
            raise KeyError("anna@example.org")
        return opened(message, site_key)

    monkeypatch.setattr(worker.posting._writing, "opened", stumble)

    await worker.post_all()

    states = {message.order_id == broken.id: message.state for message in await messages_of(house)}
    assert states == {True: MessageState.WAITING, False: MessageState.SENT}
    for _ in range(TRIES_MAX):
        worker.clock.advance(timedelta(hours=4))
        await worker.post_all()
    assert MessageState.GIVEN_UP in {message.state for message in await messages_of(house)}


async def test_a_confirmation_that_was_overtaken_by_its_cancellation_is_not_sent(
    house: House, server: MailServer
) -> None:
    anna = await booked(house)
    await anna.cancel()

    await Worker(house, server).post_all()

    assert (await only(house)).state is MessageState.DROPPED
    (mail,) = server.taken
    (file,) = mail.iter_attachments()
    calendar = Calendar.from_ical(file.get_content())
    assert (calendar["method"], calendar.events[0]["sequence"]) == ("CANCEL", 1)


async def test_a_move_tells_the_new_time_and_calendars_take_the_newer_entry(house: House, server: MailServer) -> None:
    anna, worker = await booked(house), Worker(house, server)
    await worker.post_all()
    assert (await anna.reschedule(slot(day=2))).status_code == 200

    await worker.post_all()

    before, after = (
        Calendar.from_ical(next(iter(mail.iter_attachments())).get_content()).events[0] for mail in server.taken
    )
    assert before["uid"] == after["uid"]
    assert (before["sequence"], after["sequence"]) == (0, 1)
    assert after.start == slot(day=2).starts_at


async def test_customers_are_reminded_when_it_is_time_and_only_of_what_stands(house: House, server: MailServer) -> None:
    await house.change_service(replace(YOGA, remind_hours=2))
    stays, leaves = await booked(house), await booked(house)
    await leaves.cancel()
    worker = Worker(house, server)
    await worker.post_all()
    server.taken.clear()

    worker.clock.at = slot().starts_at - timedelta(hours=2)
    await worker.post_all()

    (mail,) = server.taken
    body = mail.get_body(("plain",))
    assert body is not None
    assert stays.id in body.get_content()
    assert (await only(house, Kind.REMINDER)).role is Role.CUSTOMER


async def test_a_reminder_that_comes_too_late_is_not_sent(house: House, server: MailServer) -> None:
    await house.change_service(replace(YOGA, remind_hours=2))
    await booked(house)
    worker = Worker(house, server)
    await worker.post_all()
    server.taken.clear()

    worker.clock.at = slot().starts_at
    await worker.post_all()

    assert server.taken == []
    assert (await only(house, Kind.REMINDER)).state is MessageState.DROPPED


async def test_the_calendar_file_of_an_order_is_for_whoever_has_its_secret(house: House) -> None:
    anna, eve = await booked(house), house.guest()

    answer = await anna.send("GET", f"/orders/{anna.id}/calendar.ics", secret=anna.order_secret)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    (event,) = Calendar.from_ical(answer.text).events
    assert event.start == slot().starts_at
    assert str(event["url"]).startswith(f"http://localhost:8000/o/studio/{anna.id}#")
    refused = await eve.send("GET", f"/orders/{anna.id}/calendar.ics", secret=hash_secret("a guess")[:22])
    assert refused.status_code == 404
