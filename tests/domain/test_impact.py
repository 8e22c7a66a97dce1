from dataclasses import replace
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from tests.domain.schedules import by_shift, crew, daily, member, schedule, service
from tests.domain.test_schedule import walls
from widget_server.domain.impact import Affected, Overlap, Taken, Trouble, affected, kept_rules, overlaps
from widget_server.domain.schedule import Blackout, DayOff, Opening, Schedule, Shift, SlotRule
from widget_server.domain.slots import Slot

SATURDAY = date(2026, 11, 21)
NINE, TEN = Slot.parse("yoga.20261121T0800Z.60"), Slot.parse("yoga.20261121T0900Z.60")
ANNAS, BENS = Taken(NINE, booked=3), Taken(TEN, booked=1, held=1)


def mornings(**said: object) -> Schedule:
    of_yoga = replace(service(), **said)  # type: ignore[arg-type]
    return schedule(daily("yoga", time(9), time(12)), of_yoga)


def shifts() -> Schedule:
    """Pia serves from nine to eleven, and Quinn from ten."""
    return replace(
        schedule(daily("yoga", time(9), time(12)), by_shift("yoga", seats_each=3)),
        staff=crew(member("pia", "yoga"), member("quinn", "yoga")),
        shifts=(Shift("pia", time(9), time(11), weekday=5), Shift("quinn", time(10), time(12), weekday=5)),
    )


def troubles(old: Schedule, new: Schedule, *taken: Taken) -> dict[str, Trouble]:
    return {found.taken.slot.id: found.trouble for found in affected(old, new, taken or (ANNAS, BENS))}


def test_what_leaves_taken_slots_alone_affects_nobody() -> None:
    later = replace(mornings(), openings=tuple(daily("yoga", time(9), time(18))))

    assert affected(mornings(), later, [ANNAS, BENS]) == []
    assert affected(mornings(), mornings(capacity=3), [ANNAS, BENS]) == []


def test_a_taken_slot_that_no_opening_makes_any_more_is_named() -> None:
    later = replace(mornings(), openings=tuple(daily("yoga", time(10), time(12))))

    assert affected(mornings(), later, [ANNAS, BENS]) == [Affected(ANNAS, Trouble.NOT_OFFERED, 0)]
    assert troubles(mornings(), replace(mornings(), services={})) == dict.fromkeys(
        (NINE.id, TEN.id), Trouble.NOT_OFFERED
    )


def test_a_slot_without_a_seat_taken_is_nobodys_trouble() -> None:
    assert affected(mornings(), replace(mornings(), openings=()), [Taken(NINE)]) == []


def test_capacity_below_what_is_taken_names_what_is_in_the_way() -> None:
    assert affected(mornings(), mornings(capacity=2), [ANNAS, BENS]) == [Affected(ANNAS, Trouble.TOO_FEW_SEATS, 2)]
    grown = replace(mornings(capacity=2), slot_rules=(SlotRule(NINE, capacity=3),))
    assert affected(mornings(), grown, [ANNAS, BENS]) == []


def test_what_was_in_trouble_before_is_told_only_if_it_gets_worse() -> None:
    assert troubles(mornings(capacity=1), mornings(capacity=2)) == {}
    assert troubles(mornings(capacity=2), mornings(capacity=1), ANNAS) == {NINE.id: Trouble.TOO_FEW_SEATS}
    closed = replace(mornings(), slot_rules=(SlotRule(NINE, is_closed=True),))
    assert troubles(closed, replace(closed, version=2)) == {}


def test_blackouts_closed_slots_and_a_withdrawn_service_are_told_apart() -> None:
    early = Blackout(SATURDAY, SATURDAY, starts=time(8), ends=time(9, 30))
    closed = SlotRule(TEN, is_closed=True)

    assert troubles(mornings(), replace(mornings(), blackouts=(early,))) == {NINE.id: Trouble.BLACKOUT}
    assert troubles(mornings(), replace(mornings(), slot_rules=(closed,))) == {TEN.id: Trouble.CLOSED}
    assert set(troubles(mornings(), mornings(is_offered=False)).values()) == {Trouble.WITHDRAWN}


def test_a_day_off_names_the_slots_it_leaves_without_staff_without_seats_or_without_their_person() -> None:
    nine, ten = replace(ANNAS, staff=frozenset({"pia"})), replace(BENS, staff=frozenset({"pia"}))
    full_ten = Taken(TEN, booked=4, staff=frozenset({"pia", "quinn"}))
    away = replace(shifts(), days_off=(DayOff("pia", SATURDAY),))

    assert affected(shifts(), away, [nine, ten]) == [
        Affected(nine, Trouble.NO_SHIFTS, 0),
        Affected(ten, Trouble.STAFF_AWAY, 3, frozenset({"pia"})),
    ]
    assert troubles(shifts(), away, full_ten) == {TEN.id: Trouble.TOO_FEW_SEATS}
    assert troubles(shifts(), away, replace(ten, staff=frozenset({"quinn"}))) == {}


def test_a_taken_slot_is_kept_closed_with_its_seats_when_its_opening_goes() -> None:
    later = replace(mornings(), openings=tuple(daily("yoga", time(10), time(12))))
    rules = kept_rules(later, [ANNAS, BENS, Taken(NINE)])
    kept = replace(later, slot_rules=tuple(rules))

    found = kept.find(NINE)

    assert rules == [SlotRule(NINE, is_kept=True)]
    assert found is not None
    assert (found.is_closed, found.capacity) == (True, 12)
    assert walls(kept, "yoga", SATURDAY) == ["09:00", "10:00", "11:00"]
    assert walls(kept, "yoga", SATURDAY + timedelta(days=7)) == ["10:00", "11:00"]


def test_a_kept_slot_is_open_again_when_an_opening_makes_it_again() -> None:
    kept = SlotRule(NINE, is_kept=True)

    found = replace(mornings(), slot_rules=(kept,)).find(NINE)
    still_closed = replace(mornings(), slot_rules=(replace(kept, is_closed=True),)).find(NINE)

    assert found is not None
    assert still_closed is not None
    assert (found.is_closed, still_closed.is_closed) == (False, True)


def test_a_kept_slot_has_room_for_all_who_have_seats_of_it() -> None:
    gone = replace(shifts(), shifts=())
    small = replace(mornings(capacity=2), openings=())

    assert kept_rules(gone, [ANNAS]) == [SlotRule(NINE, is_kept=True, capacity=3)]
    assert kept_rules(small, [ANNAS, BENS]) == [
        SlotRule(NINE, is_kept=True, capacity=3),
        SlotRule(TEN, is_kept=True),
    ]
    for bare in (gone, small):
        found = replace(bare, slot_rules=tuple(kept_rules(bare, [ANNAS]))).find(NINE)
        assert found is not None
        assert (found.capacity, found.is_closed) == (3, True)


def test_a_kept_slot_stays_what_was_said_of_it_before() -> None:
    grown = replace(mornings(), openings=(), slot_rules=(SlotRule(NINE, capacity=20),))

    assert kept_rules(grown, [ANNAS]) == [SlotRule(NINE, capacity=20, is_kept=True)]


def test_a_new_slot_across_a_taken_one_is_named_and_not_offered() -> None:
    longer = replace(mornings(length_min=90), slot_rules=())
    across = Slot("yoga", NINE.starts_at, NINE.starts_at + timedelta(minutes=90))
    kept = replace(longer, slot_rules=tuple(kept_rules(longer, [ANNAS])))

    assert overlaps(longer, [ANNAS]) == overlaps(kept, [ANNAS]) == [Overlap(across, ANNAS)]
    assert kept.find(across) is None
    assert walls(kept, "yoga", SATURDAY) == ["09:00", "10:30"]
    assert overlaps(mornings(), [ANNAS, BENS]) == []


def test_a_typed_slot_over_midnight_is_named_where_it_meets_a_taken_one() -> None:
    night = Opening("yoga", time(23), time(9, 30), day=SATURDAY - timedelta(days=1), whole=True)
    nightly = replace(mornings(), openings=(night,))

    (overlap,) = overlaps(nightly, [ANNAS])

    assert overlap.taken == ANNAS
    assert overlap.slot.id == "yoga.20261120T2200Z.630"


def test_a_site_that_moves_to_another_zone_keeps_its_wall_times_and_its_taken_slots() -> None:
    moved = replace(mornings(), zone=ZoneInfo("America/New_York"))
    kept = replace(moved, slot_rules=tuple(kept_rules(moved, [ANNAS])))

    assert troubles(mornings(), moved, ANNAS) == {NINE.id: Trouble.NOT_OFFERED}
    assert walls(kept, "yoga", SATURDAY) == ["03:00", "09:00", "10:00", "11:00"]
    assert walls(kept, "yoga", SATURDAY + timedelta(days=1)) == ["09:00", "10:00", "11:00"]
