from collections.abc import AsyncIterator
from datetime import date, time, timedelta

import pytest

from tests.domain.schedules import BERLIN
from tests.use_cases.studio import FIRST, Studio
from widget_server.domain.schedule import first_instant
from widget_server.domain.slots import Seats, Slot
from widget_server.errors import InvalidRequest, NotFound
from widget_server.use_cases.next_date import NextDate, NextDates

pytestmark = pytest.mark.anyio

ZONE = "Europe/Berlin"
HOURS = (9, 10, 11)
"""On the wall clock of Berlin."""


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    async with Studio() as studio:
        yield studio


@pytest.fixture
def next_dates(studio: Studio) -> NextDates:
    return NextDates(catalog=studio.catalog, availability=studio.availability, clock=studio.clock)


def slot(day: date, hour: int = 9) -> str:
    starts_at = first_instant(day, time(hour), BERLIN)
    return Slot("yoga", starts_at, starts_at + timedelta(hours=1)).id


def fill(studio: Studio, first: date, days: int, hours: tuple[int, ...] = HOURS) -> None:
    for n in range(days):
        for hour in hours:
            studio.engine.seats[slot(first + timedelta(days=n), hour)] = Seats(booked=11, version=1)


async def test_a_day_with_something_to_book_is_its_own_next_date(next_dates: NextDates) -> None:
    found = await next_dates.find("studio", "yoga", FIRST + timedelta(days=2))

    day = FIRST + timedelta(days=2)
    assert found == NextDate(ZONE, day, date(2026, 11, 30), (day, Slot.parse(slot(day))))


async def test_full_days_and_what_has_begun_are_passed_over(studio: Studio, next_dates: NextDates) -> None:
    fill(studio, FIRST, 1, hours=(11,))  # the other two of today are over
    fill(studio, FIRST + timedelta(days=1), 1)
    fill(studio, FIRST + timedelta(days=2), 1, hours=(9, 10))

    found = await next_dates.find("studio", "yoga", FIRST)

    day = FIRST + timedelta(days=2)
    assert found.found == (day, Slot.parse(slot(day, 11)))


async def test_it_is_looked_for_beyond_the_month_in_what_is_known_already(
    studio: Studio, next_dates: NextDates
) -> None:
    fill(studio, FIRST, 60)
    day = FIRST + timedelta(days=60)
    assert (await next_dates.find("studio", "yoga", FIRST)).found == (day, Slot.parse(slot(day)))
    asked = studio.engine.reads, studio.store.reads

    for number in range(60):
        again = await next_dates.find("studio", "yoga", FIRST + timedelta(days=number))
        assert again.found == (day, Slot.parse(slot(day)))

    assert (studio.engine.reads, studio.store.reads) == asked


async def test_a_month_that_a_widget_has_asked_for_is_not_read_again(studio: Studio, next_dates: NextDates) -> None:
    await studio.month(first=FIRST, last=date(2026, 11, 30))
    asked = studio.engine.reads

    await next_dates.find("studio", "yoga", FIRST + timedelta(days=3))

    assert studio.engine.reads == asked


async def test_it_ends_at_the_horizon_of_the_service(studio: Studio, next_dates: NextDates) -> None:
    fill(studio, FIRST, 366 + 31)

    found = await next_dates.find("studio", "yoga", FIRST)
    assert found == NextDate(ZONE, FIRST, FIRST + timedelta(days=365))
    assert studio.engine.reads == 13, "one reading a month"
    beyond = FIRST + timedelta(days=366)
    assert await next_dates.find("studio", "yoga", beyond) == NextDate(ZONE, beyond, beyond)


async def test_days_that_are_over_cost_nothing(studio: Studio, next_dates: NextDates) -> None:
    found = await next_dates.find("studio", "yoga", date(2000, 1, 1))

    assert found.found == (FIRST, Slot.parse(slot(FIRST, 11)))
    assert studio.engine.reads == 1


async def test_the_last_day_of_all_can_be_asked_for(next_dates: NextDates) -> None:
    last = date(2199, 12, 31)

    assert await next_dates.find("studio", "yoga", last) == NextDate(ZONE, last, last)


@pytest.mark.parametrize(
    ("site", "service", "first", "refusal"),
    [
        ("nobody", "yoga", FIRST, NotFound),
        ("studio", "chess", FIRST, NotFound),
        ("studio", "chess", date(2150, 1, 1), NotFound),
        ("studio", "yoga", date(1999, 12, 31), InvalidRequest),
        ("studio", "yoga", date(2200, 1, 1), InvalidRequest),
    ],
)
async def test_what_is_not_there_is_refused(
    next_dates: NextDates, site: str, service: str, first: date, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await next_dates.find(site, service, first)
