"""Staff members, their shifts and days off come back as they were written, each in their own site."""

from dataclasses import replace
from datetime import date, time

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.store.studio import found
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.staffing import DayOff, Shift, StaffMember
from widget_server.store.database import Database
from widget_server.store.schedule import Schedules
from widget_server.store.staff import put_days_off, put_member, put_shifts

pytestmark = pytest.mark.anyio

ANNA = StaffMember("anna", "Anna Berg", "anna@example.org", frozenset({"yoga", "talk"}))
BEN = StaffMember("ben", "Ben Oak", None, frozenset({"yoga"}))
SHIFTS = (
    Shift("anna", time(9), time(17), weekday=0, services=frozenset({"talk"})),
    Shift("anna", time(22), time(2), day=date(2026, 12, 31)),
)
DAYS_OFF = (date(2026, 12, 24), date(2026, 12, 7))


async def hire(session: AsyncSession, site: Site) -> None:
    await put_member(session, site.id, ANNA)
    await put_member(session, site.id, BEN)
    await put_shifts(session, site.id, "anna", SHIFTS)
    await put_days_off(session, site.id, "anna", DAYS_OFF)


@pytest.fixture
async def staffed(db: Database, site: Site) -> Site:
    async with db.transaction() as session:
        await hire(session, site)
    return site


def shifts_of(schedule: Schedule) -> tuple[Shift, ...]:
    return tuple(replace(shift, id=None) for shift in schedule.shifts)


async def test_staff_come_back_as_they_were_written(db: Database, staffed: Site) -> None:
    schedule = await Schedules(db).load(staffed.id)

    assert list(schedule.staff.items()) == [("anna", ANNA), ("ben", BEN)]
    assert shifts_of(schedule) == SHIFTS
    assert [replace(day, id=None) for day in schedule.days_off] == [DayOff("anna", day) for day in sorted(DAYS_OFF)]


async def test_what_is_written_again_takes_the_place_of_what_was(db: Database, staffed: Site) -> None:
    gone = replace(ANNA, name="Anna Ek", email=None, services=frozenset({"talk"}), is_active=False)

    for _ in range(2):
        async with db.transaction() as session:
            await put_member(session, staffed.id, gone)
            await put_shifts(session, staffed.id, "anna", SHIFTS[:1])
            await put_days_off(session, staffed.id, "anna", [])

    schedule = await Schedules(db).load(staffed.id)
    assert schedule.staff == {"anna": gone, "ben": BEN}
    assert (shifts_of(schedule), schedule.days_off) == (SHIFTS[:1], ())


async def test_one_site_s_staff_are_not_another_s(db: Database, staffed: Site) -> None:
    other = await found(db, "other")
    async with db.transaction() as session:
        await hire(session, other)
        await put_member(session, other.id, replace(ANNA, services=frozenset()))
        await put_shifts(session, other.id, "anna", [])
        await put_days_off(session, other.id, "anna", [])

    schedule = await Schedules(db).load(staffed.id)
    assert (schedule.staff["anna"], len(schedule.shifts), len(schedule.days_off)) == (ANNA, 2, 2)


async def test_nobody_serves_a_service_that_the_site_does_not_have(db: Database, staffed: Site) -> None:
    with pytest.raises(IntegrityError):
        async with db.transaction() as session:
            await put_member(session, staffed.id, replace(ANNA, services=frozenset({"golf"})))

    assert (await Schedules(db).load(staffed.id)).staff["anna"] == ANNA


async def test_nobody_has_a_shift_who_is_not_there(db: Database, staffed: Site) -> None:
    with pytest.raises(IntegrityError):
        async with db.transaction() as session:
            await put_shifts(session, staffed.id, "cara", [replace(SHIFTS[0], staff="cara")])

    assert len((await Schedules(db).load(staffed.id)).shifts) == 2
