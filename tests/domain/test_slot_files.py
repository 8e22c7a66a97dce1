"""What a file of slots would change: nothing that is there, nothing across it, and all that is left out is told."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.schedules import by_shift, crew, daily, member, schedule, schedules_and_days, service
from widget_server.domain.schedule import Blackout, Opening, Schedule, SlotRule
from widget_server.domain.slot_files import Plan, Reading, Remark, Wish, plan_of
from widget_server.domain.slots import Slot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = date(2026, 12, 1)
OPEN_MORNINGS = schedule(daily("yoga", time(8), time(10)))
"""Two slots of an hour each day, in Berlin."""


def wish(line: int, starts: time, ends: time, day: date = DAY, **more: object) -> Wish:
    return replace(Wish(line, day, starts, ends), **more)  # type: ignore[arg-type]


def plan(*wishes: Wish, of: Schedule = OPEN_MORNINGS, key: str = "yoga", now: datetime = NOW) -> Plan:
    return plan_of(of, key, Reading(wishes), now)


def why(remarks: tuple[Remark, ...]) -> list[str]:
    return [f"{remark.where}: {remark.why}" for remark in remarks]


def after(found: Plan, before: Schedule) -> Schedule:
    return replace(before, openings=(*before.openings, *found.openings), slot_rules=found.rules)


def test_a_new_slot_is_offered_just_as_it_was_written() -> None:
    found = plan(wish(2, time(14), time(15, 30), capacity=7))

    (offered,) = [each for each in after(found, OPEN_MORNINGS).slots_on("yoga", DAY) if each.slot.starts_at.hour == 13]
    assert offered.slot.ends_at - offered.slot.starts_at == timedelta(minutes=90)
    assert offered.capacity == 7
    assert (found.there, found.over, found.problems) == ((), (), ())


def test_a_slot_may_end_the_next_day() -> None:
    (one,) = plan(wish(2, time(22), time(0))).new

    assert one.slot.ends_at - one.slot.starts_at == timedelta(hours=2)


def test_what_is_there_already_stays_as_it_is() -> None:
    found = plan(wish(2, time(8), time(9)), wish(3, time(9), time(10), capacity=3))

    assert found.new == ()
    assert why(found.there) == [
        "Line 2: Tue 1 Dec 2026, 08:00\u201309:00 is there already.",
        "Line 3: Tue 1 Dec 2026, 09:00\u201310:00 is there already, with 12 seats: it keeps them.",
    ]


def test_of_two_lines_that_overlap_the_first_counts() -> None:
    found = plan(wish(2, time(14), time(15)), wish(3, time(14, 30), time(16)), wish(4, time(14), time(15)))

    assert [one.wish.line for one in found.new] == [2]
    assert why(found.problems) == ["Line 3: Tue 1 Dec 2026, 14:30\u201316:00 overlaps line 2."]
    assert why(found.there) == ["Line 4: Tue 1 Dec 2026, 14:00\u201315:00 is the same as line 2."]


def test_a_line_across_a_slot_of_the_calendar_names_it() -> None:
    (problem,) = why(plan(wish(2, time(9, 30), time(11))).problems)

    assert problem.endswith("overlaps Tue 1 Dec 2026, 09:00\u201310:00, which is in the calendar.")


def test_a_line_across_a_slot_that_is_kept_for_somebody_names_it_and_at_its_very_time_opens_it_again() -> None:
    starts_at = datetime(2026, 12, 1, 13, tzinfo=UTC)
    kept = SlotRule(Slot("yoga", starts_at, starts_at + timedelta(hours=1)), is_kept=True, is_closed=True, capacity=15)
    before = replace(OPEN_MORNINGS, slot_rules=(kept,))

    across = plan(wish(2, time(14, 30), time(15, 30)), of=before)
    same = plan(wish(2, time(14), time(15)), of=before)

    assert across.problems == ()
    assert [one.notes for one in across.new] == [
        ("Lies across Tue 1 Dec 2026, 14:00\u201315:00, which somebody has: you choose what becomes of them.",)
    ]
    assert [one.notes for one in same.new] == [()]
    assert same.rules == (replace(kept, is_closed=False),)


def test_a_line_for_what_openings_would_make_but_for_a_kept_slot_is_there_already() -> None:
    starts_at = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
    kept = SlotRule(Slot("yoga", starts_at, starts_at + timedelta(hours=1)), is_kept=True, is_closed=True)

    found = plan(wish(2, time(9), time(10)), of=replace(OPEN_MORNINGS, slot_rules=(kept,)))

    assert [remark.line for remark in found.there] == [2]


def test_a_slot_that_was_closed_once_is_open_when_it_comes_again() -> None:
    starts_at = datetime(2026, 12, 1, 13, tzinfo=UTC)
    closed = SlotRule(Slot("yoga", starts_at, starts_at + timedelta(hours=1)), is_closed=True)

    found = plan(wish(2, time(14), time(15)), of=replace(OPEN_MORNINGS, slot_rules=(closed,)))

    assert found.rules == (SlotRule(closed.slot),)


def test_what_has_begun_is_left_out() -> None:
    found = plan(wish(2, time(13), time(15), NOW.date()), wish(3, time(14), time(15), NOW.date()))

    assert [remark.line for remark in found.over] == [2]
    assert [one.wish.line for one in found.new] == [3]


def test_beyond_the_horizon_is_allowed_and_told() -> None:
    (one,) = plan(wish(2, time(14), time(15), date(2027, 12, 1))).new

    assert one.notes == ("Beyond the horizon: it can be booked from Tue 1 Dec 2026 on.",)


@pytest.mark.parametrize(
    ("starts", "ends", "day", "told"),
    [
        (time(2, 30), time(5), date(2027, 3, 28), "Clocks skip 02:30 that night: it starts at 03:30."),
        (time(1), time(2, 30), date(2027, 3, 28), "Clocks skip 02:30 that night: it ends at 03:30."),
        (time(2, 30), time(5), date(2027, 10, 31), "02:30 comes twice that night: it starts the first time."),
        (time(1), time(2, 30), date(2027, 10, 31), "02:30 comes twice that night: it ends the second time."),
    ],
)
def test_a_night_on_which_clocks_change_is_told(starts: time, ends: time, day: date, told: str) -> None:
    (one,) = plan(wish(2, starts, ends, day)).new

    assert told in one.notes


def test_a_slot_within_the_time_that_clocks_skip_is_no_slot() -> None:
    (problem,) = plan(wish(2, time(2, 45), time(3, 15), date(2027, 3, 28))).problems

    assert "skip when they go forward" in problem.why


def test_an_instant_that_the_clocks_of_the_site_cannot_tell_apart_is_refused() -> None:
    second = datetime(2027, 10, 31, 1, 0, tzinfo=UTC)
    exactly = (second, second + timedelta(minutes=30))

    (problem,) = plan(wish(2, time(2), time(2, 30), date(2027, 10, 31), exactly=exactly)).problems

    assert "cannot be told apart" in problem.why


def test_an_empty_slot_and_one_in_no_year_are_refused() -> None:
    apart = schedule([], zone=ZoneInfo("America/New_York"))
    found = plan(wish(2, time(9), time(9)), wish(3, time(22), time(23), date(2199, 12, 31)), of=apart)

    assert [remark.line for remark in found.problems] == [2, 3]


def test_what_keeps_a_new_slot_from_being_offered_is_told() -> None:
    of_staff = schedule([], by_shift())
    dark = replace(OPEN_MORNINGS, blackouts=(Blackout(DAY, DAY),))
    nobody = replace(of_staff, staff=crew(member("pia")))
    off = schedule([], replace(service(), is_offered=False))

    (in_blackout,) = plan(wish(2, time(14), time(15)), of=dark).new
    alone = plan(wish(2, time(14), time(15), capacity=3), of=nobody, key="talk")

    assert in_blackout.notes == ("In a blackout: not offered while that stands.",)
    assert alone.new[0].notes == ("Nobody is on shift then: not offered until somebody is.",)
    assert alone.notes == ("Seats come by who is on shift: those in the file are not used.",)
    assert alone.rules[0].capacity is None
    assert "switched off" in plan(wish(2, time(14), time(15)), of=off).notes[0]


def test_a_slot_that_a_hidden_time_of_the_day_before_would_take_away_is_told() -> None:
    """A typed slot yields even to one that yields itself: so the days stay apart."""
    typed = [
        Opening("yoga", time(20), time(1), day=DAY - timedelta(days=1), whole=True),
        Opening("yoga", time(0, 30), time(3), day=DAY, whole=True),
        Opening("yoga", time(2, 30), time(2, 15), day=DAY, whole=True),
    ]
    found = plan(wish(2, time(2), time(4), DAY + timedelta(days=1)), of=schedule(typed))

    assert len(found.new) + len(found.problems) == 1
    assert all(after(found, schedule(typed)).makes(one.slot) for one in found.new)


_WALL = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))


@settings(max_examples=80, deadline=None)
@given(schedules_and_days(), st.lists(st.tuples(st.integers(-1, 2), _WALL, _WALL), max_size=12))
def test_every_new_slot_is_made_and_none_that_was_there_is_lost(
    drawn: tuple[Schedule, date], wanted: list[tuple[int, time, time]]
) -> None:
    before, day = drawn
    wishes = [Wish(n, day + timedelta(days=d), a, b, None) for n, (d, a, b) in enumerate(wanted, 2)]
    found = plan_of(before, "yoga", Reading(tuple(wishes)), datetime(2000, 1, 2, tzinfo=UTC))

    assert len(found.new) + len(found.there) + len(found.problems) == len(wishes)
    made = after(found, before)
    near = [day + timedelta(days=n) for n in range(-3, 5)]
    old = {offered.slot for each in near for offered in before.slots_on("yoga", each)}
    new = {offered.slot for each in near for offered in made.slots_on("yoga", each)}
    assert new == old | {one.slot for one in found.new}
    again = plan_of(made, "yoga", Reading(tuple(wishes)), datetime(2000, 1, 2, tzinfo=UTC))
    assert again.new == ()


def test_dates_of_the_plan_are_in_order() -> None:
    days = [DAY + timedelta(days=n) for n in (3, 1, 2)]
    found = plan(*(wish(n, time(14), time(15), day) for n, day in enumerate(days, 2)))

    assert [day for day, _ in found.by_day] == sorted(days)
