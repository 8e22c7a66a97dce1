"""A week of a staff member, on the clocks of the site."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from widget_server.domain.blackouts import Blackout
from widget_server.domain.diary import days_of, first_name, name_for_strangers
from widget_server.domain.schedule import Schedule
from widget_server.domain.staffing import DayOff, Shift, StaffMember

BERLIN, MONDAY = ZoneInfo("Europe/Berlin"), date(2026, 11, 23)
NIGHT = (datetime(2026, 11, 23, 21, tzinfo=UTC), datetime(2026, 11, 24, 5, tzinfo=UTC))


def schedule(*shifts: Shift, off: tuple[date, ...] = (), blackouts: tuple[Blackout, ...] = ()) -> Schedule:
    return Schedule(
        version=1,
        zone=BERLIN,
        services={},
        openings=(),
        staff={key: StaffMember(key, key.title(), services=frozenset({"yoga"})) for key in ("mia", "noah")},
        shifts=shifts,
        days_off=tuple(DayOff("mia", day) for day in off),
        blackouts=blackouts,
    )


def test_a_week_has_her_shifts_and_nobody_elses() -> None:
    nights, other = Shift("mia", time(22), time(6), weekday=0), Shift("noah", time(8), time(12), weekday=1)

    week = days_of(schedule(nights, other), "mia", MONDAY, [])

    assert [day.day.day for day in week] == list(range(23, 30))
    assert [day.shifts for day in week] == [(NIGHT,), *[()] * 6]
    assert [day.is_empty for day in week] == [False, *[True] * 6]


def test_on_a_day_off_only_dated_shifts_count() -> None:
    weekly, dated = Shift("mia", time(8), time(12), weekday=0), Shift("mia", time(22), time(6), day=MONDAY)

    monday, *_ = days_of(schedule(weekly, dated, off=(MONDAY,)), "mia", MONDAY, [])

    assert monday.is_off
    assert monday.shifts == (NIGHT,)


def test_blackouts_are_those_that_concern_her() -> None:
    tuesday = date(2026, 11, 24)
    ours = (
        Blackout(tuesday, tuesday, reason="Fair"),
        Blackout(tuesday, tuesday, service="yoga", starts=time(9), ends=time(10)),
        Blackout(tuesday, None, staff="mia", weekdays=frozenset({1})),
    )
    others = (Blackout(tuesday, tuesday, service="talk"), Blackout(tuesday, tuesday, staff="noah"))

    monday, day, *_ = days_of(schedule(blackouts=(*ours, *others)), "mia", MONDAY, [])

    assert monday.is_empty
    assert [away.blackout for away in day.away] == list(ours)
    nine = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert [away.span for away in day.away] == [None, (nine, nine.replace(hour=9)), None]


def test_a_first_name_is_the_first_of_all() -> None:
    assert [first_name(name) for name in ("Anna Berg", " Ben ", "")] == ["Anna", "Ben", ""]


def test_a_first_name_is_said_to_strangers_unless_it_could_be_clicked_on() -> None:
    said = {"Anna Berg": "Anna", "Dr. Oak": "Dr.", "Anne-Lise d'Arc": "Anne-Lise", "": "", "Zoë": "Zoë"}
    hidden = (
        "https://evil.example/pay now",
        "evil.example",
        "evil\uff0eexample",
        "me@evil",
        "a\\b",
        "tel:110",
        "J.R. Oak",
    )

    assert {name: name_for_strangers(name) for name in said} == said
    assert {name_for_strangers(name) for name in hidden} == {""}
