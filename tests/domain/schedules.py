"""Schedules to test with: small ones by hand, and any that hypothesis can think of."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

from widget_server.domain.money import Money
from widget_server.domain.schedule import Opening, Place, Schedule, Service, ServiceKind

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
