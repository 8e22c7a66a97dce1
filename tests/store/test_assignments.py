"""SQL is the last wall for people, too: nobody serves two slots at once, nor more seats than they can."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.store.studio import NOW, TALK, YOGA, confirmation, line, slot
from widget_server.domain.claims import Assignment
from widget_server.domain.sites import Site
from widget_server.domain.slots import Need, OfferedSlot
from widget_server.domain.staffing import StaffMember
from widget_server.errors import SlotFull
from widget_server.store import assigned
from widget_server.store.bookings import Bookings, Confirmation
from widget_server.store.database import Database
from widget_server.store.staff import put_member

pytestmark = pytest.mark.anyio

PIA, QUINN = "staff/pia", "staff/quinn"


def served(offered: OfferedSlot, *, after_min: int = 0) -> OfferedSlot:
    begins, ends = offered.slot.starts_at, offered.slot.ends_at + timedelta(minutes=after_min)
    return replace(offered, needs=(Need((PIA, QUINN), 3, begins, ends, NOW, NOW + timedelta(days=2)),))


CLASS = served(slot(YOGA), after_min=30)
TALK_THEN = served(slot(TALK, hour=10))
"""In the half hour that it takes to tidy up."""
TALK_LATER = served(slot(TALK, hour=11))


@pytest.fixture(autouse=True)
async def _staff(db: Database, site: Site) -> None:
    async with db.transaction() as session:
        await hire(session, site)


async def hire(session: AsyncSession, site: Site) -> None:
    for name in ("pia", "quinn"):
        await put_member(session, site.id, StaffMember(name, name.title()))


def wanted(site: Site, *offered: OfferedSlot, by: str = PIA, seats: int = 1) -> Confirmation:
    asked = confirmation(site, [line(one, seats) for one in offered])
    by_slot = [(one.slot, one.needs[0]) for one in offered]
    claims = (Assignment(asked.hold_id, by, of, need.busy_from, need.busy_until, seats) for of, need in by_slot)
    return replace(asked, assignments=tuple(claims))


async def standing(db: Database, site: Site) -> list[tuple[str, str]]:
    found = await Bookings(db).assignments(site.id, NOW)
    return [(one.claimed, one.slot.id) for one in found if not one.is_freed]


async def test_who_serves_a_booking_is_kept_with_it(db: Database, site: Site) -> None:
    asked = wanted(site, CLASS, TALK_LATER)

    await Bookings(db).confirm(asked)

    assert tuple(await Bookings(db).assignments(site.id, NOW)) == asked.assignments
    assert await Bookings(db).assignments(site.id, CLASS.slot.starts_at, CLASS.slot.ends_at) == [asked.assignments[0]]


async def test_an_order_names_who_serves_it_until_it_is_cancelled(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(wanted(site, CLASS))

    assert [booking.served_by for booking in order.bookings] == [("Pia",)]
    await Bookings(db).cancel(site.id, order.id, NOW)
    found = await Bookings(db).find(site.id, order.id)
    assert found is not None
    assert [booking.served_by for booking in found[0].bookings] == [()]


async def test_all_who_serve_bookings_to_come_are_told_in_chunks(
    db: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where more of them end at the same time than there are in a chunk."""
    monkeypatch.setattr(assigned, "CHUNK", 2)
    asked = [wanted(site, CLASS), wanted(site, TALK_LATER, by=QUINN), wanted(site, CLASS), wanted(site, CLASS)]
    orders = [await Bookings(db).confirm(one) for one in asked]
    await Bookings(db).cancel(site.id, orders[0].id, NOW)

    chunks = [chunk async for chunk in Bookings(db).assignments_to_come(site.id, NOW)]

    first = replace(asked[0].assignments[0], is_freed=True)
    everyone = [first, *(claim for one in asked[1:] for claim in one.assignments)]
    assert [len(chunk) for chunk in chunks] == [2, 2]
    assert sorted(map(repr, chunks[0] + chunks[1])) == sorted(map(repr, everyone))
    over = TALK_LATER.needs[0].busy_until
    assert [chunk async for chunk in Bookings(db).assignments_to_come(site.id, over)] == []
    only = await Bookings(db).assignments_of(site.id, [asked[0].hold_id], [CLASS.slot.id, TALK_LATER.slot.id])
    assert only == [first]
    assert await Bookings(db).assignments_of(site.id, [asked[0].hold_id], [TALK_LATER.slot.id]) == []


async def test_nobody_serves_two_slots_that_overlap_buffers_included(db: Database, site: Site) -> None:
    await Bookings(db).confirm(wanted(site, CLASS))

    with pytest.raises(SlotFull) as refused:
        await Bookings(db).confirm(wanted(site, TALK_THEN))
    assert refused.value.details == {"slot": TALK_THEN.slot.id, "left": 0}
    with pytest.raises(SlotFull):
        await Bookings(db).confirm(wanted(site, CLASS, TALK_THEN, by=QUINN))
    assert await standing(db, site) == [(PIA, CLASS.slot.id)]
    await Bookings(db).confirm(wanted(site, TALK_LATER))
    await Bookings(db).confirm(wanted(site, TALK_THEN, by=QUINN))


async def test_somebody_serves_one_slot_for_several_but_not_for_too_many(db: Database, site: Site) -> None:
    await Bookings(db).confirm(wanted(site, CLASS, seats=2))
    await Bookings(db).confirm(wanted(site, CLASS))

    with pytest.raises(SlotFull):
        await Bookings(db).confirm(wanted(site, CLASS))


async def test_a_cancelled_booking_frees_whoever_was_to_serve_it(db: Database, site: Site) -> None:
    asked = wanted(site, CLASS, TALK_LATER)
    order = await Bookings(db).confirm(asked)

    for _ in range(2):
        await Bookings(db).cancel(site.id, order.id, NOW)

    freed = await Bookings(db).freed_in(site.id, [CLASS.slot])
    assert freed == [replace(asked.assignments[0], is_freed=True)]
    await Bookings(db).confirm(wanted(site, TALK_THEN))
    assert await standing(db, site) == [(PIA, TALK_THEN.slot.id)]


async def test_of_many_who_want_the_same_person_at_once_one_gets_them(db: Database, site: Site) -> None:
    several = [wanted(site, one) for one in (CLASS, TALK_THEN) * 4]
    together = [replace(one, lines=one.lines) for one in several]

    answers = await asyncio.gather(*(Bookings(db).confirm(one) for one in together), return_exceptions=True)

    served_slots = {of for _, of in await standing(db, site)}
    assert len(served_slots) == 1
    assert all(isinstance(answer, SlotFull) for answer in answers if isinstance(answer, BaseException))
