"""What SQL says of itself, in chunks, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import delete
from sqlalchemy import update as sql_update

from tests.store.studio import NOW, TALK, YOGA, confirmation, found, line, slot
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.sites import Site
from widget_server.ids import new_id
from widget_server.store import audit
from widget_server.store.audit import Audits, Backlog, CountedMeeting, Tally
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.tables import AttendeeRow, BookingRow, OrderRow

pytestmark = pytest.mark.anyio


async def meetings(db: Database, site: Site) -> list[CountedMeeting]:
    return [one async for chunk in Audits(db).meetings(site.id, NOW) for one in chunk]


async def test_meetings_are_told_in_chunks_with_what_their_bookings_add_up_to(
    db: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "CHUNK", 2)
    yoga, talk, late = slot(YOGA), slot(TALK, hour=11), slot(YOGA, hour=10)
    await Bookings(db).confirm(confirmation(site, [line(yoga, 2), line(talk, 1)]))
    await Bookings(db).confirm(confirmation(site, [line(yoga, 3)]))
    gone = await Bookings(db).confirm(confirmation(site, [line(late, 1)]))
    await Bookings(db).cancel(site.id, gone.id, NOW)
    await Bookings(db).confirm(confirmation(await found(db, "other"), [line(yoga, 1)]))

    counted = {one.seats.slot: one for one in await meetings(db, site)}

    assert counted[yoga.slot] == CountedMeeting(BookedSeats(yoga.slot, 5, 2), 12, 5)
    assert counted[talk.slot] == CountedMeeting(BookedSeats(talk.slot, 1, 1), 1, 1)
    assert counted[late.slot] == CountedMeeting(BookedSeats(late.slot, 0, 2), 12, 0)
    assert len(counted) == 3
    assert all(one.is_sound for one in counted.values())
    assert await Audits(db).meetings_of(site.id, [yoga.slot, slot(day=9).slot]) == [counted[yoga.slot]]
    assert await Audits(db).booked_of(site.id, [yoga.slot, slot(day=9).slot]) == {yoga.slot: counted[yoga.slot].seats}
    assert [one async for one in Audits(db).meetings(site.id, NOW + timedelta(days=2))] == []


async def test_a_meeting_that_does_not_add_up_is_not_sound(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site))
    async with db.transaction() as session:
        await session.exec(sql_update(BookingRow).values(seats=2))

    (meeting,) = await meetings(db, site)
    assert not meeting.is_sound


async def test_an_outcome_without_its_order_is_found(db: Database, site: Site) -> None:
    kept = await Bookings(db).confirm(confirmation(site))
    await Bookings(db).give_up(site.id, new_id(), 1)
    assert [one async for chunk in Audits(db).without_order(site.id) for one in chunk] == []

    async with db.transaction() as session:
        for table in (AttendeeRow, BookingRow, OrderRow):
            await session.exec(delete(table))

    assert [one async for chunk in Audits(db).without_order(site.id) for one in chunk] == [kept.id]
    assert await Audits(db).decided(site.id, [kept.id, new_id()]) == {kept.id}


async def test_what_waits_to_be_told_is_counted_by_site(db: Database, site: Site) -> None:
    other = await found(db, "other")
    empty = await Audits(db).backlogs()
    await Bookings(db).confirm(confirmation(site))
    await Bookings(db).confirm(confirmation(site))
    await Bookings(db).confirm(confirmation(other))

    assert empty == {}
    assert await Audits(db).backlogs() == {site.id: Backlog(2, NOW), other.id: Backlog(1, NOW)}


async def test_the_last_round_of_a_partition_is_kept_and_what_was_mended_ever(db: Database) -> None:
    later = NOW + timedelta(minutes=1)
    await Audits(db).keep(Tally("tenuto", NOW, NOW, looked_at=9, found=2, mended=1))
    await Audits(db).keep(Tally("tenuto", NOW, later, looked_at=8, found=1, mended=1))
    await Audits(db).keep(Tally("p1", NOW, NOW, looked_at=1))

    assert await Audits(db).last_rounds() == [
        Tally("p1", NOW, NOW, 1, 0, 0, 0),
        Tally("tenuto", NOW, later, 8, 1, 1, 2),
    ]
