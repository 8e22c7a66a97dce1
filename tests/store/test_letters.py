"""Whom a message concerns: owners, and staff who serve something since it happened, or do no more."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from icalendar import Calendar

from tests.store.studio import NOW
from tests.store.test_assignments import CLASS, wanted
from widget_server.domain.messages import Kind
from widget_server.domain.operators import Role
from widget_server.domain.sites import Site
from widget_server.domain.staffing import StaffMember
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.letters import Letters, Serving
from widget_server.store.sending import Sending
from widget_server.store.staff import put_member
from widget_server.store.tables import MembershipRow, OperatorRow
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.writing import Writing

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(minutes=5)


async def hire(db: Database, site: Site, *, email: str | None) -> None:
    async with db.transaction() as session:
        for name in ("pia", "quinn"):
            await put_member(session, site.id, StaffMember(name, name.title(), email=email if name == "pia" else None))


async def join(db: Database, site: Site, email: str, role: Role, staff: str | None = None) -> int:
    async with db.transaction() as session:
        operator = OperatorRow(email=email, password_hash="none that matches", created_at=NOW)
        session.add(operator)
        await session.flush()
        assert operator.id is not None
        membership = MembershipRow(site_id=site.id, operator_id=operator.id, role=role, staff=staff, created_at=NOW)
        session.add(membership)
        return operator.id


async def booked(db: Database, site: Site) -> tuple[str, list[int]]:
    order = await Bookings(db).confirm(wanted(site, CLASS))
    return order.id, list((await Letters(db).subject(site.id, order.id)).bookings)


async def test_whoever_serves_a_booking_is_told_and_told_again_when_they_do_no_more(db: Database, site: Site) -> None:
    await hire(db, site, email="pia@studio.example")
    order_id, bookings = await booked(db, site)

    began = await Letters(db).serving(site.id, bookings, order_id, NOW)
    await Bookings(db).cancel(site.id, order_id, LATER)
    ended = await Letters(db).serving(site.id, bookings, f"cancelled/{bookings[0]}", LATER)

    assert began == [Serving("pia", "pia@studio.example", now={CLASS.slot: 1})]
    assert ended == [Serving("pia", "pia@studio.example", no_more={CLASS.slot: 1})]
    assert await Letters(db).serving(site.id, bookings, "another event", NOW) == []


async def test_who_has_no_address_of_their_own_is_written_to_where_they_sign_in(db: Database, site: Site) -> None:
    await hire(db, site, email=None)
    order_id, bookings = await booked(db, site)
    assert await Letters(db).serving(site.id, bookings, order_id, NOW) == []

    for n in (1, 2):
        await join(db, site, f"pia-{n}@studio.example", Role.STAFF, "pia")

    (told,) = await Letters(db).serving(site.id, bookings, order_id, NOW)
    assert told.address.startswith("pia-")
    assert told.now == {CLASS.slot: 1}, "once, though two sign in as her"


async def test_staff_read_what_is_theirs_and_when_it_no_more_is(db: Database, site: Site) -> None:
    await hire(db, site, email="pia@studio.example")
    order_id, _ = await booked(db, site)
    links = OrderLinks(b"a key of the test's own", "https://book.example.org")
    sending, writing = Sending(db), Writing(letters=Letters(db), links=links, sender=None)

    async def read(at: datetime) -> dict[Kind, str]:
        for message in await sending.due(10, at=at, claim=timedelta(minutes=1)):
            if message.is_for_all:
                await sending.share_out(message, await writing.shares(message), at)
        found = [message for message in await sending.due(10, at=at, claim=timedelta(0)) if message.role == "staff"]
        mails = {message.kind: (await writing.write(message, at)).mail for message in found}
        return {kind: mail.plain + (mail.calendar or "") for kind, mail in mails.items() if mail}

    before = await read(NOW)
    await Bookings(db).cancel(site.id, order_id, LATER)
    after = await read(LATER)

    assert "You serve this booking of Anna." in before[Kind.ASSIGNED]
    assert "STATUS:CONFIRMED" in before[Kind.ASSIGNED]
    assert "You do not serve this booking of Anna any more" in after[Kind.UNASSIGNED]
    assert [told for told in (before[Kind.ASSIGNED], after[Kind.UNASSIGNED]) if "Berg" in told or "anna@" in told] == []
    assert "STATUS:CANCELLED" in after[Kind.UNASSIGNED]
    assert links.for_customer(site.key, order_id) not in before[Kind.ASSIGNED]


async def test_calendars_believe_what_staff_were_told_last(db: Database, site: Site) -> None:
    """Pia serves a time, then not any more, and then again, as its booking goes and comes back."""
    await hire(db, site, email="pia@studio.example")
    await booked(db, site)
    links = OrderLinks(b"a key of the test's own", "https://book.example.org")
    sending, writing = Sending(db), Writing(letters=Letters(db), links=links, sender=None)
    for message in await sending.due(10, at=NOW, claim=timedelta(minutes=1)):
        if message.is_for_all:
            await sending.share_out(message, await writing.shares(message), NOW)
    (first,) = [one for one in await sending.due(10, at=NOW, claim=timedelta(0)) if one.kind is Kind.ASSIGNED]
    second = replace(first, kind=Kind.UNASSIGNED, created_at=LATER)
    third = replace(first, created_at=LATER + timedelta(minutes=1))

    numbers = []
    for message in (first, second, third):
        mail = (await writing.write(message, LATER)).mail
        assert mail is not None
        (event,) = Calendar.from_ical(mail.calendar or "").events
        numbers.append((event["uid"], event["sequence"]))

    assert len({uid for uid, _ in numbers}) == 1
    assert numbers == sorted(set(numbers)), "each is newer than the one before"


async def test_owners_of_the_site_are_told_and_nobody_else(db: Database, site: Site) -> None:
    await hire(db, site, email=None)
    owner = await join(db, site, "mia@studio.example", Role.OWNER)
    await join(db, site, "pia@studio.example", Role.STAFF, "pia")

    assert await Letters(db).operators(site.id) == {owner: "mia@studio.example"}
    assert await Letters(db).operators(site.id + 1) == {}
