"""What a whole schedule offers, whatever is said of openings, people, shifts, days off, blackouts and single slots."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.schedules import blackouts, whole_schedules_and_days
from widget_server.domain.impact import Taken, kept_rules
from widget_server.domain.schedule import Blackout, CapacityRule, DayOff, Opening, Schedule, Shift, first_instant
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.domain.wall_times import Stretch

DAYS = 4
Drawn = tuple[Schedule, date]
Span = tuple[datetime, datetime]


def around(day: date, reach: int = DAYS) -> list[date]:
    return [day + timedelta(days=n) for n in range(-reach, reach + 1)]


def offers(offered: Schedule, key: str, day: date) -> list[OfferedSlot]:
    return offered.slots_between(key, day - timedelta(days=DAYS), day + timedelta(days=DAYS))


def spans(offered: Schedule, stretch: Stretch | Blackout, day: date) -> list[Span]:
    days = [near for near in around(day, DAYS + 3) if stretch.is_on(near)]
    return [stretch.span(near, offered.zone) for near in days]


def meet(span: Span, slot: Slot) -> bool:
    return max(span[0], slot.starts_at) < min(span[1], slot.ends_at)


def serving(offered: Schedule, name: str, slot: Slot, day: date) -> bool:
    """The same as a roster says, looked at from one instant to the next."""
    on = [span for shift in offered.shifts if shift.staff == name for span in on_duty(offered, shift, slot, day)]
    away = [span for one in offered.blackouts if one.staff == name for span in spans(offered, one, day)]
    edges = {edge for span in (*on, *away) for edge in span}
    instants = [slot.starts_at, *(edge for edge in edges if slot.starts_at < edge < slot.ends_at)]
    return slot.service in offered.staff[name].services and all(
        any(a <= at < b for a, b in on) and not any(a <= at < b for a, b in away) for at in instants
    )


def on_duty(offered: Schedule, shift: Shift, slot: Slot, day: date) -> Iterator[Span]:
    if shift.services and slot.service not in shift.services:
        return
    for near in around(day, DAYS + 3):
        is_off = shift.day is None and DayOff(shift.staff, near) in offered.days_off
        if shift.is_on(near) and not is_off:
            yield shift.span(near, offered.zone)


def slots_are_in_order_never_overlap_and_are_found_by_themselves(offered: Schedule, day: date) -> None:
    for key in offered.services:
        slots = offers(offered, key, day)
        assert all(before.slot.ends_at <= after.slot.starts_at for before, after in pairwise(slots))
        for one in slots:
            assert one.slot.starts_at < one.slot.ends_at
            assert offered.find(one.slot) is one
            assert Slot.parse(one.slot.id) == one.slot


def every_slot_is_a_typed_one_or_cut_from_an_opening_it_lies_within(offered: Schedule, day: date) -> None:
    for key, of_service in offered.services.items():
        length = timedelta(minutes=of_service.length_min)
        openings = [opening for opening in offered.openings if opening.service == key]
        typed = [span for opening in openings if opening.whole for span in spans(offered, opening, day)]
        cut = [span for opening in openings if not opening.whole for span in spans(offered, opening, day)]
        for slot in (one.slot for one in offers(offered, key, day)):
            is_cut = slot.ends_at - slot.starts_at == length
            is_cut = is_cut and any(a <= slot.starts_at and slot.ends_at <= b for a, b in cut)
            assert (slot.starts_at, slot.ends_at) in typed or is_cut


def a_typed_slot_is_offered_just_so_unless_another_typed_one_overlaps_it(offered: Schedule, day: date) -> None:
    openings = [opening for opening in offered.openings if opening.service == "yoga" and opening.whole]
    typed = {span for opening in openings for span in spans(offered, opening, day) if span[0] < span[1]}
    bare = replace(offered, blackouts=())

    for starts_at, ends_at in typed:
        slot = Slot("yoga", starts_at, ends_at)
        is_near = (
            abs((offered.day_of(starts_at) - day).days) <= DAYS
        )  # of those further away not all neighbours are known
        if is_near and not any(meet(span, slot) for span in typed - {(starts_at, ends_at)}):
            assert bare.find(slot) is not None


def on_a_roster_is_exactly_who_is_on_shift_all_the_time_and_not_away(offered: Schedule, day: date) -> None:
    for cut in offered.cut_on("talk", day):
        assert cut.roster == tuple(name for name in offered.staff if serving(offered, name, cut.slot, day))


def by_shift_the_roster_makes_the_seats_and_is_what_the_engine_claims_from(offered: Schedule, day: date) -> None:
    talk = offered.services["talk"]
    before, after = (timedelta(minutes=m) for m in (talk.buffer_before_min, talk.buffer_after_min))

    for one in offers(offered, "talk", day):
        (need,) = one.needs
        on_day = offered.day_of(one.slot.starts_at)
        assert need.candidates
        assert one.capacity == len(need.candidates) * need.seats_each == len(need.candidates) * talk.capacity
        assert all(offered.staff[name.removeprefix("staff/")] for name in need.candidates)
        assert (need.busy_from, need.busy_until) == (one.slot.starts_at - before, one.slot.ends_at + after)
        assert need.day_from == first_instant(on_day, time(0), offered.zone)
        assert need.day_from <= one.slot.starts_at < need.day_until
    assert all(one.needs == () and one.capacity == 12 for one in offers(offered, "yoga", day))


def a_blackout_of_site_or_service_leaves_no_slot_and_takes_no_other(offered: Schedule, day: date) -> None:
    bare = replace(offered, blackouts=tuple(one for one in offered.blackouts if one.staff is not None))

    for key in offered.services:
        dark = [
            span
            for one in offered.blackouts
            if one.is_of_site or one.service == key
            for span in spans(offered, one, day)
        ]
        left = [one for one in offers(bare, key, day) if not any(meet(span, one.slot) for span in dark)]
        assert offers(offered, key, day) == left


def by_shift_without_anybody_offers_nothing(offered: Schedule, day: date) -> None:
    alone = replace(offered, staff={name: replace(one, is_active=False) for name, one in offered.staff.items()})

    assert alone.services["talk"].capacity_rule is CapacityRule.BY_SHIFT
    assert offers(alone, "talk", day) == []
    assert [one.slot for one in offers(alone, "yoga", day)] == [one.slot for one in offers(offered, "yoga", day)]


def changing_one_day_changes_no_other(offered: Schedule, day: date, data: st.DataObject) -> None:
    """Only slots that reach over midnight meet those of a neighbouring day; three days away nothing does."""
    times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
    key, starts, ends = data.draw(st.sampled_from(["yoga", "talk"])), data.draw(times), data.draw(times)
    one_day = replace(data.draw(blackouts(st.just(day))), last_day=day, yearly=False)
    changed = replace(
        offered,
        openings=(*offered.openings, Opening(key, starts, ends, day=day, whole=data.draw(st.booleans()))),
        shifts=(*offered.shifts, Shift("pia", starts, ends, day=day)),
        days_off=(*offered.days_off, DayOff("quinn", day)),
        blackouts=(*offered.blackouts, one_day),
    )

    for other in around(day, 7):
        if abs((other - day).days) >= 3:
            for service in offered.services:
                assert changed.slots_on(service, other) == offered.slots_on(service, other)


def a_slot_is_bookable_from_its_horizon_to_its_notice_only(offered: Schedule, day: date, data: st.DataObject) -> None:
    notice_h, horizon_days, hours = (
        data.draw(st.integers(least, most)) for least, most in ((0, 10), (1, 10), (-20, 20))
    )
    yoga = replace(offered.services["yoga"], notice_min=notice_h * 60, horizon_days=horizon_days)
    limited = replace(offered, services=offered.services | {"yoga": yoga})

    for one in offers(limited, "yoga", day):
        on_day = limited.day_of(one.slot.starts_at)
        for now in (
            one.slot.starts_at - timedelta(hours=notice_h) + timedelta(hours=hours),
            first_instant(on_day - timedelta(days=horizon_days), time(0), limited.zone) + timedelta(hours=hours),
        ):
            in_time = now < one.slot.starts_at - timedelta(hours=notice_h)
            assert one.is_bookable(now) == (in_time and (on_day - limited.day_of(now)).days <= horizon_days)


PROMISES = (
    slots_are_in_order_never_overlap_and_are_found_by_themselves,
    every_slot_is_a_typed_one_or_cut_from_an_opening_it_lies_within,
    a_typed_slot_is_offered_just_so_unless_another_typed_one_overlaps_it,
    on_a_roster_is_exactly_who_is_on_shift_all_the_time_and_not_away,
    by_shift_the_roster_makes_the_seats_and_is_what_the_engine_claims_from,
    a_blackout_of_site_or_service_leaves_no_slot_and_takes_no_other,
    by_shift_without_anybody_offers_nothing,
)
PROMISES_OF_CHANGES = (
    changing_one_day_changes_no_other,
    a_slot_is_bookable_from_its_horizon_to_its_notice_only,
)


@settings(max_examples=100, deadline=None)
@given(whole_schedules_and_days(), st.data())
def test_all_that_a_schedule_promises_is_so(drawn: Drawn, data: st.DataObject) -> None:
    """One after the other of the same schedule, as to think of one takes longer than to look at it."""
    for is_so in PROMISES:
        is_so(*drawn)
    for is_so_whatever in PROMISES_OF_CHANGES:
        is_so_whatever(*drawn, data)


@settings(max_examples=80, deadline=None)
@given(whole_schedules_and_days(), whole_schedules_and_days(), st.data())
def test_what_is_taken_stays_where_it_is_whatever_is_edited(before: Drawn, after: Drawn, data: st.DataObject) -> None:
    """Also if the site moves to another zone, and its days are quite different ones from then on."""
    (old, day), (edited, _) = before, after
    slots = [one.slot for key in old.services for one in offers(old, key, day)]
    taken = [Taken(slot, booked=1) for slot in slots if data.draw(st.integers(0, 3)) == 0]
    new = replace(edited, slot_rules=tuple(kept_rules(edited, taken)))

    for one in taken:
        found = new.find(one.slot)
        assert found is not None
        assert found.slot == one.slot
        assert found.capacity >= one.seats
        assert found.is_closed == (edited.find(one.slot) is None)
    for key in new.services:
        slots_now = [one.slot for one in offers(new, key, day)]
        assert all(earlier.ends_at <= later.starts_at for earlier, later in pairwise(slots_now))
