"""Settings, services and openings change together, under one version."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.store.studio import NOW, OPENINGS, TALK, YOGA, found, slot
from widget_server.domain.sites import Site
from widget_server.errors import NotFound
from widget_server.store.database import Database
from widget_server.store.schedule import Schedules, put_openings, put_service, put_settings
from widget_server.store.sites import Sites
from widget_server.store.tables import MeetingRow

pytestmark = pytest.mark.anyio


async def test_a_schedule_comes_back_as_it_was_written(db: Database, site: Site) -> None:
    schedule = await Schedules(db).load(site.id)

    assert schedule.version == site.schedule_version == 2
    assert schedule.zone == ZoneInfo("Europe/Berlin")
    assert schedule.services == {"yoga": YOGA, "talk": TALK}
    assert schedule.openings == OPENINGS


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

    assert (await Schedules(db).load(site.id)).openings == OPENINGS[:1]


async def test_one_site_s_services_are_not_another_s(db: Database, site: Site) -> None:
    other = await found(db, "other")
    smaller = replace(YOGA, capacity=3)

    assert await Schedules(db).change(
        other.id, from_version=2, to_version=3, write=lambda session: put_service(session, other.id, smaller, at=NOW)
    )

    assert (await Schedules(db).load(site.id)).services["yoga"] == YOGA
    assert (await Schedules(db).load(other.id)).services["yoga"] == smaller


async def test_a_new_capacity_holds_for_meetings_to_come_but_throws_nobody_out(db: Database, site: Site) -> None:
    async with db.transaction() as session:
        for offered, booked in ((slot(day=-1), 1), (slot(day=1), 2), (slot(day=2), 9)):
            session.add(
                MeetingRow(
                    site_id=site.id,
                    slot=offered.slot.id,
                    service="yoga",
                    starts_at=offered.slot.starts_at,
                    capacity=12,
                    booked=booked,
                    version=1,
                )
            )
    smaller = replace(YOGA, capacity=5)

    assert await Schedules(db).change(
        site.id, from_version=2, to_version=3, write=lambda session: put_service(session, site.id, smaller, at=NOW)
    )

    async with db.snapshot() as session:
        meetings = (await session.exec(select(MeetingRow).order_by(col(MeetingRow.starts_at)))).all()
    assert [(meeting.booked, meeting.capacity) for meeting in meetings] == [(1, 12), (2, 5), (9, 9)]
    assert meetings[0].starts_at == NOW - timedelta(days=1)
