"""Where an instant stands in a drawn week, also when clocks are put forward or back in it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.schedules import zones_and_days
from widget_server.domain.wall_times import MIDNIGHT, first_instant
from widget_server.domain.week_axis import DAY_MIN, Axis, Stretch, lanes

BERLIN, LORD_HOWE, HAVANA = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/Havana")
FORWARD, BACK = date(2026, 3, 29), date(2026, 10, 25)
"""Sundays, in Berlin."""


def week_to(last: date) -> list[date]:
    return [last - timedelta(days=n) for n in range(6, -1, -1)]


def at(day: date, hour: int, minute: int = 0, zone: ZoneInfo = BERLIN, *, fold: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC)


def test_in_most_weeks_every_minute_stands_where_the_clock_shows_it() -> None:
    day = date(2026, 11, 23)
    axis = Axis([day], BERLIN)

    assert axis.length == DAY_MIN
    assert axis.minute(day, at(day, 9, 30)) == 9 * 60 + 30
    assert axis.minute(day, at(day - timedelta(days=1), 22)) == 0
    assert axis.minute(day, at(day + timedelta(days=1), 3)) == DAY_MIN
    assert axis.missing(day) == []
    assert [mark.hour for mark in axis.marks(8 * 60, 11 * 60)] == [8, 9, 10]


def test_where_clocks_are_put_forward_one_day_has_nothing_in_the_hour_that_is_skipped() -> None:
    axis = Axis(week_to(FORWARD), BERLIN)

    assert axis.hours(FORWARD) == 23
    assert axis.missing(FORWARD) == [(120, 180)]
    assert axis.missing(FORWARD - timedelta(days=1)) == []
    assert [axis.minute(FORWARD, at(FORWARD, hour)) for hour in (1, 3, 12)] == [60, 180, 720]


def test_where_clocks_are_put_back_the_hour_that_comes_twice_has_two_rows() -> None:
    axis, before = Axis(week_to(BACK), BERLIN), BACK - timedelta(days=1)

    assert (axis.hours(BACK), axis.length) == (25, 25 * 60)
    assert axis.minute(BACK, at(BACK, 2, 30)) == 150
    assert axis.minute(BACK, at(BACK, 2, 30, fold=1)) == 210
    assert axis.missing(BACK) == []
    assert axis.missing(before) == [(180, 240)]
    assert axis.minute(BACK, at(BACK, 9)) == axis.minute(before, at(before, 9)) == 10 * 60
    assert [(mark.minute, mark.hour, mark.is_again) for mark in axis.marks(60, 300)] == [
        (60, 1, False),
        (120, 2, False),
        (180, 2, True),
        (240, 3, False),
    ]


def test_half_an_hour_may_come_twice_and_a_day_may_begin_later_than_midnight() -> None:
    half = date(2026, 4, 5)
    axis = Axis(week_to(half), LORD_HOWE)
    assert axis.length == DAY_MIN + 30
    assert axis.minute(half, at(half, 1, 45, LORD_HOWE, fold=1)) == axis.minute(half, at(half, 1, 45, LORD_HOWE)) + 30
    assert [mark.minute for mark in axis.marks(0, 200)] == [0, 60, 150]

    late = date(2026, 3, 8)
    axis = Axis(week_to(late), HAVANA)
    assert axis.missing(late) == [(0, 60)]
    assert axis.minute(late, at(late, 1, 30, HAVANA)) == 90


@settings(deadline=None)
@given(zones_and_days(), st.integers(0, 26 * 60 - 2))
def test_what_comes_later_stands_further_down(zone_and_day: tuple[ZoneInfo, date], minutes: int) -> None:
    zone, day = zone_and_day
    axis = Axis([day + timedelta(days=n) for n in range(7)], zone)
    instant = first_instant(day, MIDNIGHT, zone) + timedelta(minutes=minutes)

    rows = [axis.minute(day, instant + timedelta(minutes=n)) for n in range(2)]
    assert 0 <= rows[0] <= rows[1] <= axis.length
    assert rows[0] < rows[1] or instant.astimezone(zone).date() != day


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([], []),
        ([(0, 60), (60, 120)], [(0, 1), (0, 1)]),
        ([(0, 60), (30, 90), (60, 120)], [(0, 2), (1, 2), (0, 2)]),
        ([(0, 60), (0, 60), (0, 60), (60, 90)], [(0, 3), (1, 3), (2, 3), (0, 1)]),
    ],
)
def test_what_overlaps_lies_beside_each_other(stretches: list[Stretch], expected: list[tuple[int, int]]) -> None:
    assert lanes(stretches) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30))))
def test_nothing_ever_lies_upon_anything_else(pairs: list[tuple[int, int]]) -> None:
    stretches = sorted((starts, starts + length) for starts, length in pairs)
    placed = list(zip(stretches, lanes(stretches), strict=True))

    for n, ((starts, until), (lane, of)) in enumerate(placed):
        assert 0 <= lane < of
        assert all(lane != other or until <= s or u <= starts for (s, u), (other, _) in placed[n + 1 :])
