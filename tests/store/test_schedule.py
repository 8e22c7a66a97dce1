"""Settings, services and openings change together, under one version."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.store.studio import NOW, OPENINGS, TALK, YOGA, confirmation, found, line, slot
from widget_server.domain.openings import Opening, SlotRule
from widget_server.domain.services import CapacityRule
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.errors import NotFound, SlotFull
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.schedule import Schedules, Write, put_openings, put_service, put_settings
from widget_server.store.sites import Sites
from widget_server.store.slot_rules import put_slot_rules
from widget_server.store.tables import MeetingRow

pytestmark = pytest.mark.anyio


async def test_a_schedule_comes_back_as_it_was_written(db: Database, site: Site) -> None:
    schedule = await Schedules(db).load(site.id)

    assert schedule.version == site.schedule_version == 2
    assert schedule.zone == ZoneInfo("Europe/Berlin")
    assert schedule.services == {"yoga": YOGA, "talk": TALK}
    assert without_ids(schedule.openings) == OPENINGS


async def test_everything_about_a_service_is_kept(db: Database, site: Site) -> None:
    wanted = replace(
        TALK,
        name="Long talk",
        capacity_rule=CapacityRule.BY_SHIFT,
        buffer_before_min=5,
        buffer_after_min=10,
        notice_min=90,
        horizon_days=60,
        cancel_until_min=1440,
        is_offered=False,
    )
    typed = Opening("talk", time(9, 10), time(9, 55), day=NOW.date(), whole=True)

    await change(db, site, lambda session: put_service(session, site.id, wanted, at=NOW))
    await change(db, site, lambda session: put_openings(session, site.id, "talk", [typed]), version=3)

    schedule = await Schedules(db).load(site.id)
    assert schedule.services["talk"] == wanted
    assert without_ids(o for o in schedule.openings if o.service == "talk") == (typed,)


async def test_a_site_that_does_not_exist_has_no_schedule(db: Database, site: Site) -> None:
    with pytest.raises(NotFound):
        await Schedules(db).load(site.id + 1)


async def test_the_slower_of_two_changes_writes_nothing(db: Database, site: Site) -> None:
    async def make_it_anna_s(session: AsyncSession) -> None:
        await put_settings(session, replace(site, name="Anna's"))

    async def make_it_ben_s(session: AsyncSession) -> None:
        await put_settings(session, replace(site, name="Ben's"))

    schedules = Schedules(db)
    assert await schedules.change(site.id, from_version=2, to_version=3, write=make_it_anna_s)

    assert not await schedules.change(site.id, from_version=2, to_version=3, write=make_it_ben_s)
    changed, schedule = await schedules.load_with_site(site.id)
    assert (changed.name, changed.schedule_version, schedule.version) == ("Anna's", 3, 3)


async def test_an_empty_change_only_raises_the_version(db: Database, site: Site) -> None:
    assert await Schedules(db).change(site.id, from_version=2, to_version=5)

    assert (await Schedules(db).load_with_site(site.id))[0] == replace(site, schedule_version=5)


async def test_a_change_that_fails_half_way_leaves_no_trace(db: Database, site: Site) -> None:
    async def fail(session: AsyncSession) -> None:
        await put_settings(session, replace(site, name="Half done"))
        await put_openings(session, site.id, "no-such-service", ())

    with pytest.raises(NotFound):
        await Schedules(db).change(site.id, from_version=2, to_version=3, write=fail)

    assert await Sites(db).by_key("studio") == site


async def test_all_settings_are_kept(db: Database, site: Site) -> None:
    wanted = replace(
        site,
        name="Café ☕",
        zone=ZoneInfo("America/New_York"),
        currency="USD",
        locale="fr-CA",
        accent="#123456",
        theme="dark",
        holds_on=False,
        hold_minutes=3,
        origins=("https://example.org", "http://localhost:8080"),
    )

    assert await Schedules(db).change(
        site.id, from_version=2, to_version=3, write=lambda session: put_settings(session, wanted)
    )

    assert await Sites(db).by_key("studio") == replace(wanted, schedule_version=3)


async def test_openings_take_the_place_of_those_before(db: Database, site: Site) -> None:
    assert await Schedules(db).change(
        site.id,
        from_version=2,
        to_version=3,
        write=lambda session: put_openings(session, site.id, "yoga", OPENINGS[:1]),
    )

    assert without_ids((await Schedules(db).load(site.id)).openings) == OPENINGS[:1]


async def test_one_site_s_services_are_not_another_s(db: Database, site: Site) -> None:
    other = await found(db, "other")
    smaller = replace(YOGA, capacity=3)

    assert await Schedules(db).change(
        other.id, from_version=2, to_version=3, write=lambda session: put_service(session, other.id, smaller, at=NOW)
    )

    assert (await Schedules(db).load(site.id)).services["yoga"] == YOGA
    assert (await Schedules(db).load(other.id)).services["yoga"] == smaller


async def test_a_new_capacity_holds_for_meetings_to_come_but_throws_nobody_out(db: Database, site: Site) -> None:
    await met(db, site, (slot(day=-1), 1), (slot(day=1), 2), (slot(day=2), 9))
    smaller = replace(YOGA, capacity=5)

    assert await Schedules(db).change(
        site.id, from_version=2, to_version=3, write=lambda session: put_service(session, site.id, smaller, at=NOW)
    )

    assert await sizes(db) == [(1, 12), (2, 5), (9, 9)]


async def test_a_slot_with_seats_of_its_own_keeps_them_when_the_service_changes(db: Database, site: Site) -> None:
    await met(db, site, (slot(day=1), 2), (slot(day=2), 9), (slot(day=3), 1))
    rules = [SlotRule(slot(day=1).slot, capacity=20), SlotRule(slot(day=2).slot, capacity=5)]

    await change(db, site, lambda session: put_slot_rules(session, site.id, rules))
    await change(db, site, lambda session: put_service(session, site.id, replace(YOGA, capacity=3), at=NOW), version=3)

    assert await sizes(db) == [(2, 20), (9, 9), (1, 3)]


async def test_by_shift_the_meetings_stay_as_they_are_until_somebody_books(db: Database, site: Site) -> None:
    """Two people serve three each; later three do, and then one is left."""
    by_shift = replace(YOGA, capacity=3, capacity_rule=CapacityRule.BY_SHIFT)
    bookings = Bookings(db)
    await bookings.confirm(confirmation(site, [line(slot(capacity=6), 5)]))
    await change(db, site, lambda session: put_service(session, site.id, by_shift, at=NOW))
    site = replace(site, schedule_version=3)
    assert await sizes(db) == [(5, 6)]

    await bookings.confirm(confirmation(site, [line(slot(capacity=9), 2)]))

    assert await sizes(db) == [(7, 9)]
    with pytest.raises(SlotFull):
        await bookings.confirm(confirmation(site, [line(slot(capacity=3), 1)]))
    with pytest.raises(SlotFull):
        await bookings.confirm(confirmation(site, [line(slot(capacity=9), 3)]))
    assert await sizes(db) == [(7, 9)]


async def change(db: Database, site: Site, write: Write, *, version: int = 2) -> None:
    assert await Schedules(db).change(site.id, from_version=version, to_version=version + 1, write=write)


async def met(db: Database, site: Site, *booked: tuple[OfferedSlot, int]) -> None:
    """Meetings of twelve with so many seats booked."""
    async with db.transaction() as session:
        session.add_all(
            MeetingRow(
                site_id=site.id,
                slot=offered.slot.id,
                service="yoga",
                starts_at=offered.slot.starts_at,
                capacity=12,
                booked=seats,
                version=1,
            )
            for offered, seats in booked
        )


async def sizes(db: Database) -> list[tuple[int, int]]:
    """Booked seats and capacity of all meetings, by their start."""
    async with db.snapshot() as session:
        meetings = await session.exec(select(MeetingRow).order_by(col(MeetingRow.starts_at)))
        return [(meeting.booked, meeting.capacity) for meeting in meetings]


def without_ids(openings: Iterable[Opening]) -> tuple[Opening, ...]:
    return tuple(replace(opening, id=None) for opening in openings)
