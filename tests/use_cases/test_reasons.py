"""What an answer says of days without anything to book, compared with the rule itself."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.schedules import BERLIN, daily, service, whole_schedules_and_days
from widget_server.domain.schedule import CutSlot, Schedule, SlotRule, first_instant
from widget_server.domain.slots import UNTOUCHED, Seats, Slot, SlotState
from widget_server.domain.wall_times import MIDNIGHT
from widget_server.domain.why_not import why_not
from widget_server.use_cases.known_seats import DayKey
from widget_server.use_cases.month import Month, Sheet

REACH = timedelta(days=3)
SEATS = st.sampled_from([UNTOUCHED, UNTOUCHED, Seats(booked=99), Seats(held=99), Seats(booked=1)])
STEPS = st.lists(st.integers(1, 3 * 24 * 60), min_size=1, max_size=5)


@st.composite
def sites(draw: st.DrawFn) -> tuple[Schedule, str, date, dict[str, Seats]]:
    """A schedule with notice, horizon and single slots closed, a service of it, a day, and what is taken."""
    drawn, day = draw(whole_schedules_and_days())
    notice, horizon = draw(st.sampled_from([0, 90, 1500])), draw(st.sampled_from([1, 2, 365]))
    services = {
        key: replace(of, notice_min=notice, horizon_days=horizon, is_offered=draw(st.integers(0, 9)) > 0)
        for key, of in drawn.services.items()
    }
    drawn = replace(drawn, services=services)
    key = draw(st.sampled_from(sorted(services)))
    slots = [offered.slot for offered in drawn.slots_between(key, day - REACH, day + REACH)]
    closed = [slot for slot in slots if draw(st.integers(0, 3)) == 0]
    drawn = replace(drawn, slot_rules=tuple(SlotRule(slot, is_closed=True) for slot in closed))
    return drawn, key, day, {slot.id: draw(SEATS) for slot in slots}


def fill_in(sheet: Sheet, taken: dict[str, Seats], now: datetime) -> Month:
    def seats_of(day: DayKey, slot_id: str) -> Seats:
        return taken.get(slot_id, UNTOUCHED)

    return sheet.fill_in(seats_of, epoch=1, feed_id="1-0", now=now)


@settings(max_examples=120, deadline=None)
@given(sites(), STEPS)
def test_every_day_of_an_answer_has_something_free_or_the_reason_of_the_rule(
    site: tuple[Schedule, str, date, dict[str, Seats]], minutes: list[int]
) -> None:
    schedule, key, day, taken = site
    sheet = Sheet(schedule, key, day - REACH, day + REACH)
    now = first_instant(day - timedelta(days=2), MIDNIGHT, schedule.zone)

    for step in minutes:  # one sheet grows older: what it keeps must not
        now += timedelta(minutes=step)
        month = fill_in(sheet, taken, now)

        assert json.loads(month.body)["why_not"] == told(schedule, key, day, taken, now)
        assert dict(month.free_on) == free(schedule, key, day, taken, now)


def told(schedule: Schedule, key: str, day: date, taken: dict[str, Seats], now: datetime) -> dict[str, str]:
    whys = {d: why_not(schedule, key, d, lambda slot_id: taken.get(slot_id, UNTOUCHED), now) for d in days(day)}
    return {d.isoformat(): why.reason.value for d, why in whys.items() if why is not None}


def free(schedule: Schedule, key: str, day: date, taken: dict[str, Seats], now: datetime) -> dict[date, Slot]:
    found: dict[date, Slot] = {}
    for d in days(day):
        for offered in schedule.slots_on(key, d):
            if offered.state(taken[offered.slot.id], now) is SlotState.OPEN:
                found.setdefault(d, offered.slot)
    return found


def days(day: date) -> list[date]:
    return [day + timedelta(days=n) for n in range(-REACH.days, REACH.days + 1)]


class Counted(Schedule):
    """Counts how often somebody works out what openings make of a day."""

    looked_at: ClassVar[list[date]] = []

    def cut_on(self, service: str, day: date) -> Iterator[CutSlot]:
        self.looked_at.append(day)
        return super().cut_on(service, day)


def test_days_that_nothing_offers_are_worked_out_once_however_many_seats_move() -> None:
    openings = tuple(opening for opening in daily("yoga", time(9), time(11)) if opening.weekday != 6)
    schedule = Counted(1, BERLIN, {"yoga": service()}, openings)
    sheet = Sheet(schedule, "yoga", date(2026, 12, 1), date(2026, 12, 31))
    sundays = [date(2026, 12, 6) + timedelta(weeks=n) for n in range(4)]

    for minute in range(100):
        fill_in(sheet, {}, datetime(2026, 11, 21, 12, minute % 60, tzinfo=UTC))

    assert schedule.looked_at == sundays
