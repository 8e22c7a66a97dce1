import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.schedules import by_shift, crew, daily, member, schedule, service, whole_schedules_and_days
from widget_server.domain.schedule import Blackout, Opening, Schedule, Shift, SlotRule, first_instant
from widget_server.domain.slots import UNTOUCHED, Seats, SlotState
from widget_server.domain.why_not import Reason, SeatsOf, WhyNot, next_date, why_not

SATURDAY = date(2026, 11, 21)
SUNDAY = SATURDAY + timedelta(days=1)
FRIDAY_NOON = datetime(2026, 11, 20, 11, tzinfo=UTC)
NINE, TEN = "yoga.20261121T0800Z.60", "yoga.20261121T0900Z.60"
FULL = Seats(booked=12)


def saturdays() -> Schedule:
    """Yoga at nine and at ten, on Saturdays."""
    return schedule([Opening("yoga", time(9), time(11), weekday=5)])


def among(taken: Mapping[str, Seats]) -> SeatsOf:
    return lambda slot_id: taken.get(slot_id, UNTOUCHED)


def why(offered: Schedule, day: date = SATURDAY, now: datetime = FRIDAY_NOON, **taken: Seats) -> WhyNot | None:
    seats = {{"nine": NINE, "ten": TEN}[name]: seats for name, seats in taken.items()}
    return why_not(offered, "yoga", day, among(seats), now)


def yoga(**said: object) -> Schedule:
    offered = saturdays()
    return replace(offered, services={"yoga": replace(offered.services["yoga"], **said)})  # type: ignore[arg-type]


def test_a_day_with_something_to_book_needs_no_reason() -> None:
    assert why(saturdays()) is None
    assert why(saturdays(), nine=FULL) is None


def test_a_day_that_is_full_says_so() -> None:
    assert why(saturdays(), nine=FULL, ten=FULL) == WhyNot(Reason.ALL_FULL)


def test_a_day_whose_last_seats_are_held_says_when_they_may_free_up() -> None:
    soon = FRIDAY_NOON + timedelta(minutes=5)
    held = Seats(booked=11, held=1, frees_at=soon)

    assert why(saturdays(), nine=FULL, ten=held) == WhyNot(Reason.ALL_HELD, soon)
    assert why(saturdays(), nine=held._replace(frees_at=soon + timedelta(minutes=1)), ten=held) == WhyNot(
        Reason.ALL_HELD, soon
    )
    assert why(saturdays(), nine=FULL, ten=held._replace(frees_at=None)) == WhyNot(Reason.ALL_HELD)


def test_a_day_without_openings_is_outside_opening_hours() -> None:
    assert why(saturdays(), SUNDAY) == WhyNot(Reason.OUTSIDE_OPENING_HOURS)


@pytest.mark.parametrize("of", [None, "yoga"])
def test_a_blacked_out_day_says_so(of: str | None) -> None:
    holidays = Blackout(SATURDAY, SUNDAY, service=of)

    assert why(replace(saturdays(), blackouts=(holidays,))) == WhyNot(Reason.BLACKOUT)
    assert why(replace(saturdays(), blackouts=(holidays,)), SUNDAY) == WhyNot(Reason.OUTSIDE_OPENING_HOURS)


def test_a_day_nobody_has_a_shift_on_says_so_also_with_a_lunch_break() -> None:
    offered = replace(saturdays(), services={"yoga": by_shift("yoga")}, staff=crew(member("pia", "yoga")))
    lunch = Blackout(SATURDAY, None, starts=time(10), ends=time(11))

    assert why(offered) == WhyNot(Reason.NO_SHIFTS)
    assert why(replace(offered, blackouts=(lunch,))) == WhyNot(Reason.NO_SHIFTS)
    assert why(replace(offered, shifts=(Shift("pia", time(9), time(10), weekday=5),))) is None
    assert why(offered, SUNDAY) == WhyNot(Reason.OUTSIDE_OPENING_HOURS)


def test_what_is_too_far_says_when_it_can_be_booked() -> None:
    in_two_weeks = SATURDAY + timedelta(days=14)

    found = why(yoga(horizon_days=13), in_two_weeks)

    assert found == WhyNot(Reason.TOO_FAR, datetime(2026, 11, 21, 23, tzinfo=UTC))
    assert why(yoga(horizon_days=13), in_two_weeks, datetime(2026, 11, 21, 23, tzinfo=UTC)) is None


def test_what_starts_too_soon_says_so_and_a_full_day_rather_that_it_is_full() -> None:
    now = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)

    assert why(yoga(notice_min=60), now=now) is None
    assert why(yoga(notice_min=60), now=now, ten=FULL) == WhyNot(Reason.ALL_FULL)
    assert why(yoga(notice_min=91), now=now) == WhyNot(Reason.TOO_SOON)


def test_a_day_whose_slots_the_operator_has_closed_is_closed() -> None:
    closed = tuple(SlotRule(o.slot, is_closed=True) for o in saturdays().slots_on("yoga", SATURDAY))

    assert why(replace(saturdays(), slot_rules=closed)) == WhyNot(Reason.CLOSED)
    assert why(replace(saturdays(), slot_rules=closed[:1])) is None
    assert why(yoga(is_offered=False)) == WhyNot(Reason.CLOSED)


def test_what_has_begun_is_past_and_so_is_yesterday() -> None:
    after = datetime(2026, 11, 21, 12, tzinfo=UTC)

    assert why(saturdays(), now=after) == WhyNot(Reason.PAST)
    assert why(saturdays(), SATURDAY - timedelta(days=7)) == WhyNot(Reason.PAST)
    assert why(saturdays(), SATURDAY - timedelta(days=1), now=after) == WhyNot(Reason.PAST)
    assert why(saturdays(), SUNDAY, now=after) == WhyNot(Reason.OUTSIDE_OPENING_HOURS)


def test_the_next_date_is_the_first_that_has_something_left() -> None:
    offered, next_saturday = saturdays(), SATURDAY + timedelta(days=7)

    def after(day: date, taken: Mapping[str, Seats], within: int = 30) -> date | None:
        last = day + timedelta(days=within)
        return next_date(offered, "yoga", day, last, among(taken), FRIDAY_NOON)

    assert after(date(2026, 11, 1), {}) == SATURDAY
    assert after(SATURDAY, {}) == SATURDAY
    assert after(SATURDAY, {NINE: FULL, TEN: FULL}) == next_saturday
    assert after(SUNDAY, {}, within=5) is None
    assert after(SUNDAY, {}, within=6) == next_saturday


def test_no_date_beyond_the_horizon_is_looked_for() -> None:
    offered = yoga(horizon_days=14)
    last = SATURDAY + timedelta(days=300)

    assert next_date(offered, "yoga", date(2026, 11, 29), last, among({}), FRIDAY_NOON) is None
    assert next_date(offered, "yoga", SUNDAY, last, among({}), FRIDAY_NOON) == date(2026, 11, 28)


def test_a_search_has_an_end() -> None:
    with pytest.raises(AssertionError):
        next_date(saturdays(), "yoga", SATURDAY, SATURDAY + timedelta(days=366), among({}), FRIDAY_NOON)


def test_closed_weeks_are_searched_without_asking_for_seats() -> None:
    def nobody_asks(slot_id: str) -> Seats:
        raise AssertionError(slot_id)

    offered = schedule(daily("talk", time(9), time(10)), service(), service("talk"))

    assert next_date(offered, "yoga", SATURDAY, SATURDAY + timedelta(days=365), nobody_asks, FRIDAY_NOON) is None


@settings(max_examples=60, deadline=None)
@given(whole_schedules_and_days(), st.integers(-30, 60), st.sampled_from([UNTOUCHED, FULL]))
def test_there_is_a_reason_exactly_if_nothing_is_open(drawn: tuple[Schedule, date], hours: int, seats: Seats) -> None:
    offered, day = drawn
    now = first_instant(day, time(0), offered.zone) + timedelta(hours=hours)

    for key in offered.services:
        is_open = any(o.state(seats, now) is SlotState.OPEN for o in offered.slots_on(key, day))
        assert (why_not(offered, key, day, lambda _: seats, now) is None) == is_open
        assert (next_date(offered, key, day, day, lambda _: seats, now) == day) == is_open


def test_every_reason_is_explained_in_the_order_in_which_they_are_told() -> None:
    document = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text("utf-8")
    section = document.split("## Why a day has nothing\n")[1].split("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(Reason)
