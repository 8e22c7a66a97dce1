"""Typed slots, buffers, rules for single slots, and services that are withdrawn: what becomes of openings."""

from dataclasses import replace
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.domain.schedules import BERLIN, by_shift, crew, daily, member, schedule, service
from tests.domain.test_schedule import AUTUMN, SATURDAY, SPRING, walls
from widget_server.domain.schedule import Opening, Schedule, Shift, SlotRule
from widget_server.domain.slots import OfferedSlot, Slot

SUNDAY = SATURDAY + timedelta(days=1)
NINE = Slot.parse("yoga.20261121T0800Z.60")


def typed(starts: time, ends: time, day: date = SATURDAY) -> Opening:
    return Opening("yoga", starts, ends, day=day, whole=True)


def lengths(offered: Schedule, day: date = SATURDAY) -> list[str]:
    """When the slots of a day start, and how many minutes they last."""
    slots = [o.slot for o in offered.slots_on("yoga", day)]
    starts = walls(offered, "yoga", day)
    return [f"{at}+{(o.ends_at - o.starts_at) // timedelta(minutes=1)}" for at, o in zip(starts, slots, strict=True)]


def found(offered: Schedule, slot: Slot = NINE) -> OfferedSlot:
    offer = offered.find(slot)
    assert offer is not None
    return offer


def test_typed_slots_are_just_as_long_as_they_were_typed() -> None:
    offered = schedule([typed(time(9), time(9, 20)), typed(time(14), time(17, 45)), typed(time(23), time(1))])

    assert lengths(offered) == ["09:00+20", "14:00+225", "23:00+120"]
    assert offered.slots_on("yoga", SUNDAY) == ()


def test_typed_slots_come_back_weekly_too() -> None:
    offered = schedule([Opening("yoga", time(9), time(9, 20), weekday=5, whole=True)])

    assert lengths(offered, SATURDAY + timedelta(days=7)) == ["09:00+20"]
    assert lengths(offered, SUNDAY) == []


def test_a_typed_slot_goes_before_what_is_cut_and_the_others_stay_where_they_are() -> None:
    offered = schedule([*daily("yoga", time(9), time(12)), typed(time(10, 15), time(10, 45))])

    assert lengths(offered) == ["09:00+60", "10:15+30", "11:00+60"]
    assert lengths(offered, SUNDAY) == ["09:00+60", "10:00+60", "11:00+60"]


def test_of_two_typed_slots_that_overlap_the_earlier_is_offered() -> None:
    evening = typed(time(23), time(1))
    offered = schedule([typed(time(9), time(11)), typed(time(10), time(12)), evening, typed(time(0), time(2), SUNDAY)])

    assert lengths(offered) == ["09:00+120", "23:00+120"]
    assert lengths(offered, SUNDAY) == []


def test_a_typed_slot_after_midnight_goes_before_what_was_cut_on_the_evening_before() -> None:
    offered = schedule([Opening("yoga", time(21, 30), time(1, 30), weekday=5), typed(time(0), time(1), SUNDAY)])

    assert lengths(offered) == ["21:30+60", "22:30+60"]
    assert lengths(offered, SUNDAY) == ["00:00+60"]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Europe/Berlin", SPRING, ["03:30+60"]),
        ("Europe/Berlin", AUTUMN, ["02:30+180"]),
        ("America/New_York", date(2026, 3, 8), ["03:30+60"]),
        ("Australia/Lord_Howe", date(2026, 10, 4), ["02:30+120"]),
        ("Asia/Kathmandu", SPRING, ["02:30+120"]),
        ("Pacific/Apia", date(2011, 12, 30), []),
        ("Pacific/Apia", date(2011, 12, 31), ["02:30+120"]),
    ],
)
def test_a_typed_slot_lasts_from_the_first_time_the_clock_shows_its_start_to_the_last_time_it_shows_its_end(
    zone: str, day: date, expected: list[str]
) -> None:
    every_day = [Opening("yoga", time(2, 30), time(4, 30), weekday=n, whole=True) for n in range(7)]

    assert lengths(schedule(every_day, zone=ZoneInfo(zone)), day) == expected


def test_buffers_lie_between_the_slots_of_one_opening() -> None:
    airing = replace(service(length_min=45), buffer_before_min=5, buffer_after_min=10)
    offered = schedule(
        [*daily("yoga", time(9), time(12)), typed(time(13), time(14)), typed(time(14), time(15))], airing
    )

    assert lengths(offered) == ["09:00+45", "10:00+45", "11:00+45", "13:00+60", "14:00+60"]


def test_a_slot_that_the_operator_has_closed_is_there_and_closed() -> None:
    offered = replace(schedule(daily("yoga", time(9), time(11))), slot_rules=(SlotRule(NINE, is_closed=True),))

    assert found(offered).is_closed
    assert [o.is_closed for o in offered.slots_on("yoga", SATURDAY)] == [True, False]
    assert [o.is_closed for o in offered.slots_on("yoga", SUNDAY)] == [False, False]


def test_one_slot_can_have_other_seats_than_its_service_but_not_by_shift() -> None:
    rules = (SlotRule(NINE, capacity=20),)
    fixed = replace(schedule(daily("yoga", time(9), time(11))), slot_rules=rules)
    staffed = replace(
        schedule(daily("yoga", time(9), time(11)), by_shift("yoga")),
        staff=crew(member("pia", "yoga")),
        shifts=(Shift("pia", time(9), time(11), weekday=5),),
    )

    assert [o.capacity for o in fixed.slots_on("yoga", SATURDAY)] == [20, 12]
    assert [o.capacity for o in replace(staffed, slot_rules=rules).slots_on("yoga", SATURDAY)] == [1, 1]


def test_a_rule_for_a_slot_that_nothing_offers_says_nothing() -> None:
    rule = SlotRule(Slot.parse("yoga.20261121T0830Z.60"), is_closed=True, capacity=3)
    offered = replace(schedule(daily("yoga", time(9), time(11))), slot_rules=(rule,))

    assert offered.find(rule.slot) is None
    assert lengths(offered) == ["09:00+60", "10:00+60"]


def test_a_withdrawn_service_offers_only_what_is_kept() -> None:
    withdrawn = schedule(daily("yoga", time(9), time(11)), replace(service(), is_offered=False))
    kept = replace(withdrawn, slot_rules=(SlotRule(NINE, is_kept=True),))

    assert withdrawn.slots_on("yoga", SATURDAY) == ()
    assert [(o.slot, o.is_closed) for o in kept.slots_on("yoga", SATURDAY)] == [(NINE, True)]


def test_the_horizon_counts_days_of_the_calendar_also_where_one_of_them_is_longer() -> None:
    monday = AUTUMN + timedelta(days=1)
    offered = schedule(daily("yoga", time(9), time(10)), replace(service(), horizon_days=2))

    (one,) = offered.slots_on("yoga", monday)

    assert one.bookable_from is not None
    assert one.bookable_from.astimezone(BERLIN).isoformat() == "2026-10-24T00:00:00+02:00"


def test_a_slot_is_found_on_the_day_it_starts_on_in_the_zone_of_the_site() -> None:
    late = Slot.parse("yoga.20261121T2330Z.60")
    offered = schedule([Opening("yoga", time(0, 30), time(1, 30), day=SUNDAY)], zone=BERLIN)

    assert found(offered, late).slot == late
    assert offered.makes(late)
    assert not offered.makes(NINE)
    assert not offered.makes(Slot.parse("chess.20261121T2330Z.60"))
