"""Who a customer was goes from all tables at once, for good, and nothing that is just on its way brings it back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from anyio import create_task_group
from sqlalchemy import select

from tests.store.studio import BEN, NOW, YOGA, confirmation, found, line, slot
from tests.store.test_audit_log import hire
from tests.store.test_messages import HOURS, LEASE, MAIL
from tests.store.test_move_requests import ask
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.dashboard import Wanted
from widget_server.domain.messages import KeptMessage, Kind, MessageState, NewMessage, Role
from widget_server.domain.orders import Order
from widget_server.domain.questions import Answer
from widget_server.domain.services import AttendeesShown
from widget_server.domain.sites import Site
from widget_server.errors import Changed, NotFound
from widget_server.ids import hash_address, hash_secret, new_id
from widget_server.store.audit_log import AuditLog
from widget_server.store.bookings import Bookings
from widget_server.store.dashboard import Dashboard
from widget_server.store.database import Database
from widget_server.store.erasing import Erasing
from widget_server.store.messages import Messages, my_bookings_event
from widget_server.store.my_bookings import NewLink, StoredMyBookings
from widget_server.store.schedule import put_service
from widget_server.store.sending import Sending, Share, Written
from widget_server.store.tables import Table

pytestmark = pytest.mark.anyio

OVER = slot().slot.ends_at
PERSONAL = (
    "Anna",
    "Berg",
    "anna@example.org",
    "Cleo",
    "cleo@example.net",
    "Dora",
    "Sorry",
    "Walnuts",
    "heating",
    "Europe/London",
    hash_secret("all that was sent"),
    hash_address("ANNA@example.org"),
)


async def booked(db: Database, site: Site) -> Order:
    """Two seats of tomorrow, of which customers are reminded, with the names of two who come."""
    answered = replace(line(slot(), 2, ("Cleo Ek", "Dora Ek")), answers=(Answer("Allergies?", "Walnuts"),))
    answered = replace(answered, attendee_emails=("cleo@example.net",))
    wanted = confirmation(site, [answered])
    customer = replace(wanted.customer, zone="Europe/London")
    return await Bookings(db).confirm(replace(wanted, customer=customer, remind_hours=HOURS))


async def change_yoga(db: Database, site: Site, **changes: Any) -> None:
    """Without raising the version: nothing that is booked asks for it."""
    async with db.transaction() as session:
        await put_service(session, site.id, replace(YOGA, **changes), at=NOW)


async def entry_of(db: Database, site: Site, order: Order) -> Entry:
    operator_id = await hire(db, site, f"ola-{order.number.lower()}@studio.example")
    return Entry(site.id, operator_id, Deed.PERSONAL_DATA_ERASED, OVER, order.id)


def new_request(site: Site) -> NewMessage:
    event = my_bookings_event(hash_address("anna@example.org"), datetime.now(UTC))
    return NewMessage(site.id, Kind.MY_BOOKINGS, Role.CUSTOMER, event, NOW, address="anna@example.org")


async def send_link(db: Database, site: Site) -> None:
    """To all that she has booked, in a mail that is written."""
    await StoredMyBookings(db).ask(new_request(site))
    (message,) = await Sending(db).due(1, at=NOW, claim=LEASE)
    link = NewLink(site.id, hash_address("anna@example.org"), hash_secret(new_id()), NOW, OVER)
    mail = replace(MAIL, plain="For anna@example.org")
    await Sending(db).write([Written(message.id, "anna@example.org", "de", "UTC", mail, link=link)], NOW)


async def all_rows(db: Database) -> str:
    async with db.snapshot() as session:
        rows = [(await session.exec(select(table))).all() for table in Table.metadata.sorted_tables]  # type: ignore[call-overload]
    return repr(rows)


async def write_all(sending: Sending, messages: list[KeptMessage]) -> frozenset[int]:
    return await sending.write([Written(one.id, "anna@example.org", "de", "UTC", MAIL) for one in messages], NOW)


async def test_nothing_personal_of_an_order_is_left_in_any_table(db: Database, site: Site) -> None:
    order = await booked(db, site)
    entry = await entry_of(db, site, order)
    await ask(db, site, order, "The heating is broken.", entry.operator_id)
    mail = replace(MAIL, subject="Anna Berg", plain="Dear Anna", html="<p>Anna</p>", calendar="ATTENDEE:Anna")
    due = await Sending(db).due(10, at=NOW, claim=LEASE)
    await Sending(db).write([Written(one.id, "anna@example.org", "de", "Europe/London", mail) for one in due], NOW)
    await Bookings(db).cancel(site.id, order.id, NOW, entry=replace(entry, at=NOW), message="Sorry, Anna!")
    await send_link(db, site)
    await StoredMyBookings(db).ask(new_request(site))
    before = await all_rows(db)

    assert await Erasing(db).erase(site.id, order.id, entry=entry)

    after = await all_rows(db)
    assert [word for word in PERSONAL if word not in before] == [], "the control: all of it was there"
    assert [word for word in PERSONAL if word in after] == []


async def test_times_seats_and_numbers_stay_and_lists_say_erased(db: Database, site: Site) -> None:
    order = await booked(db, site)
    (was,) = await Dashboard(db).of_order(site.id, order.id)

    assert await Erasing(db).erase(site.id, order.id, entry=await entry_of(db, site, order))

    (line_now,) = await Dashboard(db).of_order(site.id, order.id)
    assert line_now == replace(was, customer="erased", email="", attendees=("", ""), answers=())
    assert {one.customer for one in await Dashboard(db).attendees(site.id, Wanted(), limit=9)} == {"erased"}
    found_now = await Bookings(db).find(site.id, order.id)
    assert found_now is not None
    assert (found_now[0].erased_at, found_now[0].number) == (OVER, order.number)
    assert (found_now[0].customer.name, found_now[0].bookings[0].attendees) == ("", ())


async def test_others_do_not_see_the_address_of_whom_was_erased(db: Database, site: Site) -> None:
    await change_yoga(db, site, attendees_shown=AttendeesShown.EMAILS)
    order = await booked(db, site)
    others = await Bookings(db).confirm(
        confirmation(site, [line(slot())], customer=replace(BEN, email="ben@x.example"))
    )
    before = await Bookings(db).find(site.id, others.id)

    await Erasing(db).erase(site.id, order.id, entry=await entry_of(db, site, order))

    after = await Bookings(db).find(site.id, others.id)
    assert before is not None
    assert after is not None
    assert before[0].bookings[0].attendees == ("anna@example.org", "ben@x.example")
    assert after[0].bookings[0].attendees == ("ben@x.example",)


async def test_erasing_again_does_nothing_more(db: Database, site: Site) -> None:
    order = await booked(db, site)
    entry = await entry_of(db, site, order)

    erased = [await Erasing(db).erase(site.id, order.id, entry=entry) for _ in range(2)]

    assert erased == [True, False]
    assert [one.deed for one in await AuditLog(db).entries(site.id, limit=9)] == [Deed.PERSONAL_DATA_ERASED]


async def test_of_two_who_erase_at_once_one_has_done_it(db: Database, site: Site) -> None:
    order = await booked(db, site)
    entry, answers = await entry_of(db, site, order), list[bool]()

    async def erase() -> None:
        answers.append(await Erasing(db).erase(site.id, order.id, entry=entry))

    async with create_task_group() as group:
        for _ in range(4):
            group.start_soon(erase)

    assert sorted(answers) == [False, False, False, True]
    assert len(await AuditLog(db).entries(site.id, limit=9)) == 1


async def test_whoever_still_comes_is_not_erased(db: Database, site: Site) -> None:
    order = await booked(db, site)
    entry, before = await entry_of(db, site, order), await all_rows(db)

    with pytest.raises(Changed):
        await Erasing(db).erase(site.id, order.id, entry=replace(entry, at=OVER - timedelta(seconds=1)))

    assert await all_rows(db) == before


async def test_an_order_is_erased_at_its_own_site_only(db: Database, site: Site) -> None:
    order, other = await booked(db, site), await found(db, "other")
    entry, before = await entry_of(db, site, order), await all_rows(db)

    for site_id, order_id in [(other.id, order.id), (site.id, "A" * 22), (999, order.id)]:
        with pytest.raises(NotFound):
            await Erasing(db).erase(site_id, order_id, entry=entry)
    assert await all_rows(db) == before


async def test_others_orders_stay_as_they_are(db: Database, site: Site) -> None:
    order, others = await booked(db, site), await booked(db, site)
    before = (
        await Dashboard(db).of_order(site.id, others.id),
        await Messages(db).listed(site.id, limit=9, order_id=others.id),
    )

    await Erasing(db).erase(site.id, order.id, entry=await entry_of(db, site, order))

    after = (
        await Dashboard(db).of_order(site.id, others.id),
        await Messages(db).listed(site.id, limit=9, order_id=others.id),
    )
    assert after == before


async def test_what_a_worker_has_just_read_is_not_written_once_it_is_erased(db: Database, site: Site) -> None:
    order, sending = await booked(db, site), Sending(db)
    claimed = await sending.due(10, at=NOW, claim=LEASE)
    half = len(claimed) // 2
    written_before = await write_all(sending, claimed[:half])
    await Erasing(db).erase(site.id, order.id, entry=await entry_of(db, site, order))

    written_after = await write_all(sending, claimed[half:])
    for one in claimed:
        await sending.failed(one.id, "anna@example.org does not exist", NOW)
        await sending.ended(one.id, MessageState.REFUSED, NOW, "anna@example.org does not exist")

    assert (len(written_before), written_after) == (half, frozenset())
    assert "anna" not in await all_rows(db)
    assert await sending.due(10, at=NOW + timedelta(days=30), claim=LEASE) == []


async def test_a_message_to_all_is_not_shared_out_once_it_is_erased(db: Database, site: Site) -> None:
    order, sending = await booked(db, site), Sending(db)
    to_all, *_ = [one for one in await sending.due(10, at=NOW, claim=LEASE) if one.is_for_all]
    await Erasing(db).erase(site.id, order.id, entry=await entry_of(db, site, order))

    await sending.share_out(to_all, [Share("operator/1", "ola@example.org", to_all.kind, {})], NOW)

    assert await sending.due(10, at=NOW + timedelta(days=30), claim=LEASE) == []
    assert "ola@example.org" not in await all_rows(db)


async def test_whatever_a_worker_does_at_the_same_time_nothing_is_left(db: Database, site: Site) -> None:
    """Each worker shares out, writes and fails what it has claimed while the order is erased."""
    orders, sending = [await booked(db, site) for _ in range(4)], Sending(db)
    entries = [await entry_of(db, site, order) for order in orders]
    claimed = await sending.due(50, at=NOW, claim=LEASE)

    async def work(message: KeptMessage) -> None:
        if message.is_for_all:
            await sending.share_out(message, [Share("operator/1", "anna@example.org", message.kind, {})], NOW)
        await write_all(sending, [message])
        await write_all(sending, await sending.due(3, at=NOW, claim=LEASE))

    async with create_task_group() as group:
        for message in claimed:
            group.start_soon(work, message)
        for order, entry in zip(orders, entries, strict=True):
            group.start_soon(partial(Erasing(db).erase, site.id, order.id, entry=entry))

    assert "anna" not in await all_rows(db)
    assert await sending.due(50, at=NOW + timedelta(days=30), claim=LEASE) == []
