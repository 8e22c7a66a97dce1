from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from tests.domain.schedules import BERLIN, daily, schedule, schedules_and_days, service, zones_and_days
from widget_server.domain.schedule import Opening, Schedule, first_instant, last_instant
from widget_server.domain.slots import Slot
from widget_server.domain.wall_times import MIDNIGHT, ONE_DAY

SATURDAY = date(2026, 11, 21)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
FEW_DAYS = timedelta(days=3)


def walls(offered: Schedule, key: str, day: date) -> list[str]:
    """What the clock on the wall shows when the slots of a day start."""
    return [f"{o.slot.starts_at.astimezone(offered.zone):%H:%M}" for o in offered.slots_on(key, day)]


def test_an_opening_is_cut_into_slots_of_the_length_of_its_service() -> None:
    offered = schedule([Opening("yoga", time(9), time(12, 30), weekday=5)])

    slots = offered.slots_on("yoga", SATURDAY)

    assert [o.slot.id for o in slots] == [f"yoga.20261121T{hour:02}00Z.60" for hour in (8, 9, 10)]
    assert {o.capacity for o in slots} == {12}


def test_a_service_is_offered_on_its_weekdays_and_dates_only() -> None:
    sunday = SATURDAY + timedelta(days=1)
    offered = schedule([Opening("yoga", time(9), time(10), weekday=5), Opening("yoga", time(18), time(19), day=sunday)])

    assert walls(offered, "yoga", SATURDAY) == ["09:00"]
    assert walls(offered, "yoga", sunday) == ["18:00"]
    assert walls(offered, "yoga", SATURDAY - timedelta(days=1)) == []
    assert walls(offered, "yoga", sunday + timedelta(days=7)) == []


def test_openings_of_one_service_leave_those_of_another_alone() -> None:
    openings = [Opening("yoga", time(9), time(11), weekday=5), Opening("talk", time(9, 30), time(11), weekday=5)]
    offered = schedule(openings, service("yoga"), service("talk", length_min=30, capacity=1))

    assert walls(offered, "yoga", SATURDAY) == ["09:00", "10:00"]
    assert walls(offered, "talk", SATURDAY) == ["09:30", "10:00", "10:30"]


def test_overlapping_openings_never_offer_overlapping_slots() -> None:
    offered = schedule(
        [Opening("yoga", time(9), time(11), weekday=5), Opening("yoga", time(10, 30), time(14), day=SATURDAY)]
    )

    assert walls(offered, "yoga", SATURDAY) == ["09:00", "10:00", "11:30", "12:30"]


def test_a_slot_after_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    offered = schedule([Opening("yoga", time(22, 30), time(1, 30), day=SATURDAY)])

    assert walls(offered, "yoga", SATURDAY) == ["22:30", "23:30"]
    assert walls(offered, "yoga", SATURDAY + timedelta(days=1)) == ["00:30"]


def test_an_opening_that_began_on_the_day_before_goes_first() -> None:
    openings = [*daily("yoga", time(0), time(4)), Opening("yoga", time(22, 30), time(1, 30), day=SATURDAY)]
    offered = schedule(openings)

    assert walls(offered, "yoga", SATURDAY + timedelta(days=1)) == ["00:30", "02:00", "03:00"]
    assert walls(offered, "yoga", SATURDAY + timedelta(days=2)) == ["00:00", "01:00", "02:00", "03:00"]


def test_an_opening_from_midnight_to_midnight_lasts_all_day() -> None:
    offered = schedule(daily("yoga", time(0), time(0)))

    assert [len(offered.slots_on("yoga", day)) for day in (SATURDAY, SPRING, AUTUMN)] == [24, 23, 25]


def test_in_spring_a_skipped_hour_offers_nothing() -> None:
    offered = schedule(daily("yoga", time(1), time(5)))

    assert walls(offered, "yoga", SPRING) == ["01:00", "03:00", "04:00"]


def test_in_spring_a_skipped_start_is_as_much_later_as_was_skipped() -> None:
    offered = schedule(daily("yoga", time(2, 30), time(5, 30)))

    assert walls(offered, "yoga", SPRING) == ["03:30", "04:30"]


def test_in_autumn_a_repeated_hour_is_offered_twice_as_two_slots() -> None:
    offered = schedule(daily("yoga", time(1), time(4)))

    assert walls(offered, "yoga", AUTUMN) == ["01:00", "02:00", "02:00", "03:00"]
    assert len({o.slot.id for o in offered.slots_on("yoga", AUTUMN)}) == 4


def test_where_midnight_itself_is_repeated_no_moment_is_offered_twice() -> None:
    havana = schedule(daily("yoga", time(0), time(0)), zone=ZoneInfo("America/Havana"))

    assert walls(havana, "yoga", date(2026, 11, 1))[:3] == ["00:00", "00:00", "01:00"]
    assert_in_order_without_overlap(havana, date(2026, 10, 31), date(2026, 11, 3))


def test_where_a_whole_day_is_skipped_no_moment_is_offered_twice() -> None:
    apia = schedule(daily("yoga", time(10), time(9, 30)), service(length_min=45), zone=ZoneInfo("Pacific/Apia"))

    assert apia.slots_on("yoga", date(2011, 12, 30)) == ()
    assert_in_order_without_overlap(apia, date(2011, 12, 27), date(2012, 1, 3))


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/St_Johns", date(2010, 11, 7)),  # a minute after midnight, back by an hour
        ("Antarctica/Casey", date(2010, 3, 5)),  # at two, back by three
        ("America/Toronto", date(1919, 3, 31)),  # half an hour before midnight, forward by an hour
    ],
)
def test_a_midnight_that_clocks_cross_a_second_time_parts_days_once(zone: str, day: date) -> None:
    offered = schedule(daily("yoga", time(0), time(0)), service(length_min=15), zone=ZoneInfo(zone))

    assert_in_order_without_overlap(offered, day - FEW_DAYS, day + FEW_DAYS)
    for near in (day - ONE_DAY, day, day + ONE_DAY):
        for o in offered.slots_on("yoga", near):
            assert offered.find(o.slot) is o
            assert offered.day_of(o.slot.starts_at) == near
    dates = {o.slot.starts_at.astimezone(offered.zone).date() for o in offered.slots_on("yoga", day)}
    assert dates == ({day} if zone == "America/Toronto" else {day - ONE_DAY, day}), "by its date it would be two pieces"


def test_only_slots_that_are_offered_are_found() -> None:
    offered = schedule([Opening("yoga", time(22, 30), time(1, 30), weekday=5)])
    after_midnight = Slot.parse("yoga.20261121T2330Z.60")

    found = offered.find(after_midnight)

    assert found is not None
    assert found.slot == after_midnight
    for wrong in (
        "yoga.20261121T2330Z.45",
        "yoga.20261121T2300Z.60",
        "yoga.20261122T2330Z.60",
        "talk.20261121T2330Z.60",
    ):
        assert offered.find(Slot.parse(wrong)) is None


@pytest.mark.parametrize("slot_id", ["yoga.20000101T0001Z.60", "yoga.21991231T2359Z.10080"])
def test_a_slot_at_the_ends_of_the_calendar_can_be_looked_for(slot_id: str) -> None:
    assert schedule(daily("yoga", time(9), time(8))).find(Slot.parse(slot_id)) is None


def test_a_month_of_1488_slots_is_cut_once_and_then_at_hand() -> None:
    offered = schedule(daily("yoga", time(8), time(20)), service(length_min=15))
    first, last = date(2026, 12, 1), date(2026, 12, 31)
    cut = offered.slots_between("yoga", first, last)
    began = perf_counter()

    again = offered.slots_between("yoga", first, last)

    took_s = perf_counter() - began
    assert len(cut) == 1488
    assert all(a is b for a, b in zip(cut, again, strict=True))
    assert took_s < 0.02, "it takes well under a millisecond; this only tells cutting again from reading"


def test_what_a_schedule_keeps_in_memory_is_bounded() -> None:
    offered = schedule(daily("yoga", time(9), time(10)))

    offered.slots_between("yoga", date(2026, 1, 1), date(2028, 12, 31))

    infos = (offered._starting_on.cache_info(), offered._cutting._cut_on.cache_info())  # type: ignore[attr-defined]
    for info in infos:
        assert info.currsize == info.maxsize


@settings(max_examples=250, deadline=None)
@given(schedules_and_days())
def test_slots_are_in_order_and_never_overlap_in_any_zone(drawn: tuple[Schedule, date]) -> None:
    offered, day = drawn

    assert_in_order_without_overlap(offered, day - FEW_DAYS, day + FEW_DAYS)


@settings(max_examples=150, deadline=None)
@given(schedules_and_days())
def test_every_slot_lies_within_an_opening_and_has_exactly_the_length(drawn: tuple[Schedule, date]) -> None:
    offered, day = drawn
    length = timedelta(minutes=offered.services["yoga"].length_min)
    near = [day + timedelta(days=n) for n in range(-3, 2)]
    spans = [opening.span(d, offered.zone) for d in near for opening in offered.openings if opening.is_on(d)]

    for o in offered.slots_on("yoga", day):
        assert o.slot.ends_at - o.slot.starts_at == length
        assert any(starts_at <= o.slot.starts_at and o.slot.ends_at <= ends_at for starts_at, ends_at in spans)
        midnight, next_midnight = (first_instant(d, MIDNIGHT, offered.zone) for d in (day, day + ONE_DAY))
        assert midnight <= o.slot.starts_at < next_midnight


@settings(max_examples=150, deadline=None)
@given(schedules_and_days())
def test_no_room_for_a_slot_is_left_unused_inside_an_opening(drawn: tuple[Schedule, date]) -> None:
    """Of the day's earliest opening every slot is offered, unless an opening of an earlier day stands in the way."""
    offered, day = drawn
    spans = sorted(opening.span(day, offered.zone) for opening in offered.openings if opening.is_on(day))
    length = timedelta(minutes=offered.services["yoga"].length_min)
    earlier = [
        opening.span(d, offered.zone)[1]
        for d in (day - timedelta(days=2), day - timedelta(days=1))
        for opening in offered.openings
        if opening.is_on(d)
    ]
    if not spans or any(ends_at > spans[0][0] for ends_at in earlier) or spans[0][1] - spans[0][0] < length:
        return

    found = offered.find(Slot("yoga", spans[0][0], spans[0][0] + length))

    assert found is not None


@settings(max_examples=150, deadline=None)
@given(schedules_and_days())
def test_find_agrees_with_what_is_offered(drawn: tuple[Schedule, date]) -> None:
    offered, day = drawn
    slots = offered.slots_between("yoga", day - FEW_DAYS, day + FEW_DAYS)

    for o in slots:
        assert offered.find(o.slot) is o
        assert Slot.parse(o.slot.id) == o.slot
        a_minute_later = Slot("yoga", *(at + timedelta(minutes=1) for at in (o.slot.starts_at, o.slot.ends_at)))
        assert offered.find(a_minute_later) is None


@settings(max_examples=250, deadline=None)
@given(zones_and_days())
def test_a_wall_time_is_shown_from_its_first_to_its_last_instant_or_not_at_all(drawn: tuple[ZoneInfo, date]) -> None:
    zone, day = drawn
    for hour in range(24):
        first, last = first_instant(day, time(hour, 30), zone), last_instant(day, time(hour, 30), zone)
        shown = [
            at
            for at in (first, last)
            if at.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, time(hour, 30))
        ]

        assert first <= last
        if first != last:
            assert len(shown) == 2, "repeated: both ends show it"
        elif not shown:
            assert first.astimezone(zone).replace(tzinfo=None) > datetime.combine(day, time(hour, 30)), "skipped: later"


def test_the_instants_of_berlin_are_those_of_its_offset() -> None:
    assert first_instant(SATURDAY, time(9), BERLIN) == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert first_instant(AUTUMN, time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert last_instant(AUTUMN, time(2, 30), BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert first_instant(SPRING, time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def assert_in_order_without_overlap(offered: Schedule, first: date, last: date) -> None:
    slots = [o.slot for o in offered.slots_between("yoga", first, last)]
    for before, after in pairwise(slots):
        assert before.ends_at <= after.starts_at
