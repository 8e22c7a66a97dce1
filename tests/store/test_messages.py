"""Messages are put with what they tell of, once an event and recipient, and nobody else takes what one is sending."""

from datetime import timedelta

import pytest

from tests.store.studio import ANNA, BEN, NOW, confirmation, line, slot
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import Customer
from widget_server.domain.messages import KeptMessage, Kind, Mail, MessageState, NewMessage, Role
from widget_server.domain.orders import Move
from widget_server.domain.sites import Site
from widget_server.ids import hash_secret, new_id
from widget_server.store.bookings import Bookings, Confirmation, Rescheduling
from widget_server.store.database import Database
from widget_server.store.messages import Messages, put_message
from widget_server.store.sending import Sending, Share, Written
from widget_server.store.tables import OperatorRow

pytestmark = pytest.mark.anyio

LEASE = timedelta(minutes=3)
MAIL = Mail("Your booking", "plain", "<p>html</p>", "BEGIN:VCALENDAR")
HOURS = {"yoga": 24}


@pytest.fixture
def sending(db: Database) -> Sending:
    return Sending(db)


async def booked(db: Database, site: Site, customer: Customer = ANNA, *, day: int = 3) -> Confirmation:
    """A seat three days from now, of which customers are reminded a day before."""
    wanted = confirmation(site, [line(slot(day=day))], customer=customer)
    wanted = Confirmation(**{name: getattr(wanted, name) for name in wanted.__slots__} | {"remind_hours": HOURS})
    await Bookings(db).confirm(wanted)
    return wanted


async def all_of(db: Database, site: Site) -> list[tuple[Kind, Role]]:
    found = await Messages(db).listed(site.id, limit=100)
    return sorted((message.kind, message.role) for message in found)


async def put(db: Database, site: Site, event: str = "an event", *, order_id: str | None = None) -> None:
    async with db.transaction() as session:
        await put_message(
            session, NewMessage(site.id, Kind.MY_BOOKINGS, Role.CUSTOMER, event, NOW, address="anna@example.org")
        )


async def test_a_booking_tells_its_customer_its_operators_and_the_customer_again_when_it_is_time(
    db: Database, site: Site
) -> None:
    await booked(db, site)

    assert await all_of(db, site) == [
        (Kind.BOOKED, Role.CUSTOMER),
        (Kind.NEW_ORDER, Role.OPERATOR),
        (Kind.REMINDER, Role.CUSTOMER),
    ]
    reminder = (await Messages(db).listed(site.id, limit=100))[0]
    assert reminder.due_at == slot(day=3).slot.starts_at - timedelta(hours=24)


async def test_whoever_gave_no_address_is_told_nothing(db: Database, site: Site) -> None:
    await booked(db, site, BEN)

    assert await all_of(db, site) == [(Kind.NEW_ORDER, Role.OPERATOR)]


async def test_nobody_is_reminded_of_what_begins_within_that_time(db: Database, site: Site) -> None:
    await booked(db, site, day=1)

    assert (Kind.REMINDER, Role.CUSTOMER) not in await all_of(db, site)


async def test_a_booking_that_fails_tells_nobody(db: Database, site: Site) -> None:
    wanted = confirmation(site, [line(slot(), 6), line(slot(day=2, capacity=1), 2)])

    with pytest.raises(Exception, match="seats"):
        await Bookings(db).confirm(wanted)

    assert await all_of(db, site) == []


async def test_a_cancellation_tells_everybody_once_and_drops_the_reminder(db: Database, site: Site) -> None:
    wanted = await booked(db, site)

    for _ in range(2):
        await Bookings(db).cancel(site.id, wanted.hold_id, NOW)

    assert await all_of(db, site) == [
        (Kind.BOOKED, Role.CUSTOMER),
        (Kind.CANCELLED, Role.CUSTOMER),
        (Kind.CANCELLED, Role.OPERATOR),
        (Kind.CANCELLED, Role.STAFF),
        (Kind.NEW_ORDER, Role.OPERATOR),
    ]


async def test_what_an_operator_cancels_carries_their_words_to_the_customer_alone(db: Database, site: Site) -> None:
    wanted = await booked(db, site)
    entry = Entry(site.id, await _operator(db, site), Deed.BOOKING_CANCELLED, NOW, wanted.hold_id)

    await Bookings(db).cancel(site.id, wanted.hold_id, NOW, entry=entry, message="The boiler is broken.")

    said = {message.role: message.text for message in await _of_kind(db, site, Kind.CANCELLED)}
    assert said == {Role.CUSTOMER: "The boiler is broken.", Role.STAFF: ""}


async def test_a_move_tells_everybody_and_the_reminder_moves_along(db: Database, site: Site) -> None:
    wanted, goal = await booked(db, site), slot(day=5)
    move = Rescheduling(
        site_id=site.id,
        epoch=site.epoch,
        schedule_version=site.schedule_version,
        order_id=wanted.hold_id,
        seen=(wanted.lines[0].offered.slot,),
        hold_id=new_id(),
        fence=1,
        moves=(Move(wanted.lines[0].offered.slot, goal, 1),),
        digest=hash_secret("all that was sent"),
        owner=hash_secret("owner"),
        at=NOW,
        remind_hours=HOURS,
    )

    await Bookings(db).reschedule(move)

    moved = await _of_kind(db, site, Kind.MOVED)
    assert {message.role for message in moved} == {Role.CUSTOMER, Role.OPERATOR, Role.STAFF}
    assert list(moved[0].detail["left"].values()) == [wanted.lines[0].offered.slot.id]
    (reminder,) = await _of_kind(db, site, Kind.REMINDER)
    assert reminder.due_at == goal.slot.starts_at - timedelta(hours=24)


async def test_the_same_event_is_put_once(db: Database, site: Site) -> None:
    for _ in range(2):
        await put(db, site)
    await put(db, site, "another")

    assert len(await Messages(db).listed(site.id, limit=100)) == 2


async def test_what_is_claimed_is_nobody_else_s_until_the_lease_is_over(
    db: Database, site: Site, sending: Sending
) -> None:
    await put(db, site)

    (first,) = await sending.due(10, at=NOW, claim=LEASE)

    assert await sending.due(10, at=NOW + LEASE - timedelta(seconds=1), claim=LEASE) == []
    assert [message.id for message in await sending.due(10, at=NOW + LEASE, claim=LEASE)] == [first.id]


async def test_what_is_written_stays_as_it_is_until_it_has_ended(db: Database, site: Site, sending: Sending) -> None:
    await put(db, site)
    (message,) = await sending.due(10, at=NOW, claim=LEASE)

    await sending.write([Written(message.id, "anna@example.org", "de", "Europe/Berlin", MAIL)], NOW)
    await sending.failed(message.id, "451 too busy", NOW + timedelta(minutes=1))

    (again,) = await sending.due(10, at=NOW + timedelta(minutes=1), claim=LEASE)
    assert (again.mail, again.language, again.tries, again.why) == (MAIL, "de", 1, "451 too busy")
    for _ in range(2):
        await sending.ended(message.id, MessageState.SENT, NOW)
    await sending.failed(message.id, "a worker that was slow", NOW)
    (ended,) = await Messages(db).listed(site.id, limit=1)
    assert (ended.state, ended.tries, ended.why, ended.due_at) == (MessageState.SENT, 2, None, None)


async def test_a_message_to_all_becomes_one_each_and_twice_changes_nothing(
    db: Database, site: Site, sending: Sending
) -> None:
    await booked(db, site, BEN)
    (for_all,) = await sending.due(10, at=NOW, claim=LEASE)
    shares = [Share(f"operator/{n}", f"{n}@studio.example", Kind.NEW_ORDER, for_all.detail) for n in (1, 2)]

    for _ in range(2):
        await sending.share_out(for_all, shares, NOW)

    found = await sending.due(10, at=NOW, claim=LEASE)
    assert [(one.recipient, one.address, one.is_for_all) for one in found] == [
        ("operator/1", "1@studio.example", False),
        ("operator/2", "2@studio.example", False),
    ]


async def test_what_is_to_be_sent_again_is_a_new_sending_and_two_presses_are_one(
    db: Database, site: Site, sending: Sending
) -> None:
    await put(db, site)
    (message,) = await sending.due(10, at=NOW, claim=LEASE)
    await sending.write([Written(message.id, "anna@example.org", "de", "UTC", MAIL, MessageState.KEPT)], NOW)
    entry = Entry(site.id, await _operator(db, site), Deed.MESSAGE_SENT_AGAIN, NOW)

    pressed = [await Messages(db).send_again(site.id, message.id, sendings=1, entry=entry) for _ in range(2)]

    assert pressed == [True, False]
    (again,) = await sending.due(10, at=NOW, claim=LEASE)
    assert (again.mail, again.sendings, again.tries) == (MAIL, 2, 0)
    assert again.message_id != message.message_id


async def test_somebody_can_be_taken_out_of_all_messages_of_their_order(
    db: Database, site: Site, sending: Sending
) -> None:
    wanted = await booked(db, site)
    claimed = await sending.due(10, at=NOW, claim=LEASE)
    await sending.write([Written(one.id, "anna@example.org", "de", "UTC", MAIL) for one in claimed], NOW)

    async with db.transaction() as session:
        await Messages.erase(session, site.id, wanted.hold_id, NOW, address_hash=None)

    for message in await Messages(db).listed(site.id, limit=100):
        assert (message.address, message.mail, message.text) == (None, None, "")
        assert message.state is MessageState.DROPPED
    assert await sending.due(10, at=NOW + timedelta(days=30), claim=LEASE) == []


async def test_messages_of_one_site_are_not_another_s(db: Database, site: Site) -> None:
    await put(db, site)
    (message,) = await Messages(db).listed(site.id, limit=1)

    assert await Messages(db).listed(site.id + 1, limit=10) == []
    assert await Messages(db).find(site.id + 1, message.id) is None
    assert await Messages(db).find(site.id, message.id) == message


async def test_messages_are_found_by_state_number_and_address(db: Database, site: Site, sending: Sending) -> None:
    wanted = await booked(db, site)
    found = Messages(db)
    (message, *_) = await sending.due(10, at=NOW, claim=LEASE)
    await sending.write([Written(message.id, "anna@example.org", "de", "UTC", MAIL, MessageState.REFUSED)], NOW)

    assert len(await found.listed(site.id, limit=9, text=wanted.order_number.replace("-", "").lower())) == 3
    assert [one.id for one in await found.listed(site.id, limit=9, text="ANNA@exa")] == [message.id]
    assert await found.listed(site.id, limit=9, text="50%") == []
    assert [one.id for one in await found.listed(site.id, limit=9, state=MessageState.REFUSED)] == [message.id]
    assert await found.undelivered(site.id, since=NOW) == 1
    assert await found.undelivered(site.id, since=NOW + timedelta(seconds=1)) == 0


async def test_what_ended_long_ago_is_forgotten(db: Database, site: Site, sending: Sending) -> None:
    await put(db, site)
    await put(db, site, "waits")
    (message, _) = await sending.due(10, at=NOW, claim=LEASE)
    await sending.ended(message.id, MessageState.SENT, NOW)

    assert await sending.prune(NOW) == 0
    assert await sending.prune(NOW + timedelta(seconds=1)) == 1
    assert [one.event for one in await Messages(db).listed(site.id, limit=9)] == ["waits"]


async def _of_kind(db: Database, site: Site, kind: Kind) -> list[KeptMessage]:
    return [message for message in await Messages(db).listed(site.id, limit=100) if message.kind is kind]


async def _operator(db: Database, site: Site) -> int:
    async with db.transaction() as session:
        row = OperatorRow(email="mia@studio.example", password_hash="none that matches", created_at=NOW)
        session.add(row)
        await session.flush()
        assert row.id is not None
        return row.id
