from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from tests.domain.schedules import daily, schedule, service
from tests.domain.test_schedule import walls
from widget_server.domain.schedule import Blackout, Schedule

SATURDAY = date(2026, 11, 21)
SUNDAY = SATURDAY + timedelta(days=1)
ALWAYS = Blackout(SATURDAY, None)


def dark(*blackouts: Blackout) -> Schedule:
    offered = schedule(
        [*daily("yoga", time(9), time(14)), *daily("talk", time(9), time(11))], service(), service("talk")
    )
    return replace(offered, blackouts=blackouts)


def test_a_lunch_break_closes_what_it_overlaps_every_day_from_its_first_on() -> None:
    offered = dark(replace(ALWAYS, starts=time(11, 30), ends=time(12)))

    assert walls(offered, "yoga", SATURDAY - timedelta(days=1)) == ["09:00", "10:00", "11:00", "12:00", "13:00"]
    assert walls(offered, "yoga", SATURDAY) == ["09:00", "10:00", "12:00", "13:00"]
    assert walls(offered, "yoga", SATURDAY + timedelta(days=400)) == ["09:00", "10:00", "12:00", "13:00"]


def test_one_on_some_weekdays_leaves_the_others() -> None:
    offered = dark(replace(ALWAYS, weekdays=frozenset({6})))

    assert walls(offered, "yoga", SATURDAY)
    assert walls(offered, "yoga", SUNDAY) == []
    assert walls(offered, "yoga", SUNDAY + timedelta(days=1))


def test_one_of_a_service_leaves_the_other_services() -> None:
    offered = dark(replace(ALWAYS, service="yoga"))

    assert walls(offered, "yoga", SATURDAY) == []
    assert walls(offered, "talk", SATURDAY) == ["09:00", "10:00"]


def test_one_over_midnight_ends_on_the_day_after() -> None:
    offered = dark(Blackout(SATURDAY, SATURDAY, starts=time(12), ends=time(10)))

    assert walls(offered, "yoga", SATURDAY) == ["09:00", "10:00", "11:00"]
    assert walls(offered, "yoga", SUNDAY) == ["10:00", "11:00", "12:00", "13:00"]


@pytest.mark.parametrize(
    ("first", "last", "on", "off"),
    [
        (
            date(2026, 12, 24),
            date(2026, 12, 26),
            [date(2026, 12, 24), date(2027, 12, 26), date(2090, 12, 25)],
            [date(2025, 12, 25), date(2026, 12, 23), date(2027, 12, 27)],
        ),
        (
            date(2026, 12, 30),
            date(2027, 1, 2),
            [date(2027, 1, 2), date(2027, 12, 30), date(2029, 1, 1)],
            [date(2026, 1, 1), date(2027, 1, 3), date(2028, 12, 29)],
        ),
        (
            date(2024, 2, 29),
            date(2024, 2, 29),
            [date(2028, 2, 29)],
            [date(2025, 2, 28), date(2025, 3, 1)],
        ),
        (date(2026, 1, 1), date(2026, 12, 31), [date(2031, 7, 1)], [date(2025, 12, 31)]),
    ],
    ids=["christmas", "over new year", "leap day", "the whole year"],
)
def test_a_yearly_one_comes_back_by_month_and_day(first: date, last: date, on: list[date], off: list[date]) -> None:
    blackout = Blackout(first, last, yearly=True)

    assert [day for day in (*on, *off) if blackout.is_on(day)] == on
    assert not any(replace(blackout, yearly=False).is_on(day) for day in (*on, *off) if day > last)


@pytest.mark.parametrize(
    "wrong",
    [
        {"service": "yoga", "staff": "pia"},
        {"starts": time(9)},
        {"last_day": SATURDAY - timedelta(days=1)},
        {"yearly": True},
        {"yearly": True, "last_day": SATURDAY + timedelta(days=365)},
    ],
    ids=["of two things", "half a time", "days out of order", "yearly without end", "longer than a year"],
)
def test_what_makes_no_sense_is_a_mistake_of_the_caller(wrong: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        replace(ALWAYS, **wrong)  # type: ignore[arg-type]
