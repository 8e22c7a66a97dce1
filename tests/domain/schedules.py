"""Schedules to test with: small ones by hand, and any that hypothesis can think of."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

from widget_server.domain.money import Money
from widget_server.domain.schedule import (
    Blackout,
    CapacityRule,
    DayOff,
    Opening,
    Place,
    Schedule,
    Service,
    ServiceKind,
    Shift,
    StaffMember,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = sorted(available_timezones())


def service(
    key: str = "yoga", *, length_min: int = 60, capacity: int = 12, seats_max: int = 6, price_minor: int = 0
) -> Service:
    return Service(
        key=key,
        name=key.title(),
        kind=ServiceKind.CLASS,
        place=Place.IN_PERSON,
        description="",
        length_min=length_min,
        capacity=capacity,
        seats_per_booking_max=seats_max,
        price=Money(price_minor, "EUR"),
        access="Studio 2",
    )


def by_shift(key: str = "talk", *, length_min: int = 60, seats_each: int = 1) -> Service:
    of_shifts = service(key, length_min=length_min, capacity=seats_each)
    return replace(of_shifts, capacity_rule=CapacityRule.BY_SHIFT)


def member(name: str, *services: str) -> StaffMember:
    return StaffMember(name, name.title(), f"{name}@example.org", frozenset(services or ("talk",)))


def crew(*members: StaffMember) -> dict[str, StaffMember]:
    return {one.key: one for one in members}


def daily(key: str, starts: time, ends: time) -> list[Opening]:
    return [Opening(key, starts, ends, weekday=weekday) for weekday in range(7)]


def schedule(openings: Sequence[Opening], *services: Service, zone: ZoneInfo = BERLIN, version: int = 1) -> Schedule:
    return Schedule(version, zone, {s.key: s for s in services or (service(),)}, tuple(openings))


@lru_cache(512)
def clock_changes(zone_name: str, year: int) -> tuple[date, ...]:
    """The days of a year on which this zone puts its clocks forward or back."""
    zone, midnight = ZoneInfo(zone_name), datetime(year, 1, 1, tzinfo=UTC)
    days = [midnight + timedelta(days=n) for n in range(366)]
    pairs = pairwise(days)
    return tuple(
        a.astimezone(zone).date() for a, b in pairs if a.astimezone(zone).utcoffset() != b.astimezone(zone).utcoffset()
    )


@st.composite
def zones_and_days(draw: st.DrawFn) -> tuple[ZoneInfo, date]:
    """Any IANA zone and a day, most often one near a change of its clocks."""
    name, year = draw(st.sampled_from(ZONES)), draw(st.integers(2005, 2035))
    changes = clock_changes(name, year)
    if changes and draw(st.integers(0, 3)) > 0:
        change = draw(st.sampled_from(changes))
        day = change + timedelta(days=draw(st.integers(-1, 2)))
    else:
        day = draw(st.dates(date(year, 1, 1), date(year, 12, 31)))
    return ZoneInfo(name), day


_TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))


@st.composite
def schedules_and_days(draw: st.DrawFn) -> tuple[Schedule, date]:
    """A schedule of one service whose openings overlap one another and midnight, and a day to look at."""
    zone, day = draw(zones_and_days())
    near = st.integers(-3, 3).map(lambda n: day + timedelta(days=n))
    weekly = st.builds(Opening, st.just("yoga"), _TIMES, _TIMES, weekday=st.integers(0, 6))
    dated = st.builds(Opening, st.just("yoga"), _TIMES, _TIMES, day=near)
    openings = draw(st.lists(st.one_of(weekly, dated), min_size=1, max_size=8))
    length_min = draw(st.sampled_from([15, 30, 45, 50, 60, 90, 240, 600]))
    return schedule(openings, service(length_min=length_min), zone=zone), day


TOLD_ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


@st.composite
def told_zones_and_days(draw: st.DrawFn) -> tuple[ZoneInfo, date]:
    """A zone with something peculiar about it, and a day near a change of its clocks, if it has any."""
    name = draw(st.sampled_from(TOLD_ZONES))
    changes = clock_changes(name, draw(st.sampled_from([2011, 2026]))) or (date(2026, 3, 29),)
    return ZoneInfo(name), draw(st.sampled_from(changes)) + timedelta(days=draw(st.integers(-2, 2)))


_ALL_DAY = (time(0), time(0))
_KEYS, _NAMES = ("yoga", "talk"), ("pia", "quinn", "rosa")


@st.composite
def _openings(draw: st.DrawFn, near: st.SearchStrategy[date]) -> Opening:
    key, starts, ends = draw(st.sampled_from(_KEYS)), draw(_TIMES), draw(_TIMES)
    if draw(st.booleans()):
        return Opening(key, starts, ends, weekday=draw(near).weekday(), whole=draw(st.booleans()))
    return Opening(key, starts, ends, day=draw(near), whole=draw(st.booleans()))


@st.composite
def _shifts(draw: st.DrawFn, near: st.SearchStrategy[date]) -> Shift:
    name, (starts, ends) = draw(st.sampled_from(_NAMES)), draw(st.just(_ALL_DAY) | st.tuples(_TIMES, _TIMES))
    served = draw(st.sampled_from([frozenset[str](), frozenset({"talk"}), frozenset({"yoga"})]))
    if draw(st.booleans()):
        return Shift(name, starts, ends, weekday=draw(near).weekday(), services=served)
    return Shift(name, starts, ends, day=draw(near), services=served)


@st.composite
def blackouts(draw: st.DrawFn, near: st.SearchStrategy[date]) -> Blackout:
    first = draw(near)
    last = draw(st.none() | st.integers(0, 3).map(lambda n: first + timedelta(days=n)))
    starts, ends = draw(st.tuples(_TIMES, _TIMES) | st.just((None, None)))
    of_whom: tuple[str | None, str | None] = draw(
        st.sampled_from([*((None, name) for name in _NAMES), *((key, None) for key in _KEYS), (None, None)])
    )
    return Blackout(
        first,
        last,
        service=of_whom[0],
        staff=of_whom[1],
        starts=starts,
        ends=ends,
        weekdays=frozenset(draw(st.sets(st.integers(0, 6)))),
        yearly=last is not None and draw(st.booleans()),
    )


@st.composite
def whole_schedules_and_days(draw: st.DrawFn) -> tuple[Schedule, date]:
    """Two services, one of them BY_SHIFT, three people with all that can be said about them, and a day to look at."""
    zone, day = draw(st.one_of(told_zones_and_days(), zones_and_days()))
    near = st.integers(-3, 3).map(lambda n: day + timedelta(days=n))
    lengths, buffers = st.sampled_from([15, 45, 60, 90]), st.sampled_from([0, 0, 10, 30])
    talk = replace(
        by_shift(length_min=draw(lengths), seats_each=draw(st.integers(1, 3))),
        buffer_before_min=draw(buffers),
        buffer_after_min=draw(buffers),
    )
    yoga = replace(service(length_min=draw(lengths)), buffer_after_min=draw(buffers))
    served = st.sampled_from([("talk",), _KEYS, _KEYS, ("yoga",)])
    drawn = schedule(draw(st.lists(_openings(near), min_size=4, max_size=10)), yoga, talk, zone=zone)
    return replace(
        drawn,
        staff=crew(*(member(name, *draw(served)) for name in _NAMES)),
        shifts=tuple(draw(st.lists(_shifts(near), min_size=8, max_size=16))),
        days_off=tuple(draw(st.lists(st.builds(DayOff, st.sampled_from(_NAMES), near), max_size=2))),
        blackouts=tuple(draw(st.lists(blackouts(near), max_size=3))),
    ), day
