"""What an edit has changed, as the audit log tells it: by names and figures, never long, never of customers."""

from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest

from tests.domain.schedules import daily, member, schedule, service
from widget_server.domain import changes
from widget_server.domain.blackouts import Blackout
from widget_server.domain.coupons import Coupon
from widget_server.domain.impact import Choice, Chosen
from widget_server.domain.money import Money
from widget_server.domain.openings import Opening, SlotRule
from widget_server.domain.services import Service
from widget_server.domain.staffing import DayOff, Shift

YOGA = service()
MORNINGS = schedule(daily("yoga", time(9), time(12)), YOGA)
TUESDAY = date(2026, 11, 24)


def test_a_service_says_what_it_was_and_is_and_of_texts_only_that_they_are_others() -> None:
    after = replace(YOGA, capacity=8, is_offered=False, access="https://meet.example/secret", description="x" * 4000)

    assert changes.of_service(YOGA, YOGA) == {}
    assert changes.of_service(YOGA, after) == {
        "capacity": [12, 8],
        "is_offered": [True, False],
        "access": "changed",
        "description": "changed",
    }


def test_a_new_service_says_what_it_begins_with() -> None:
    told = changes.of_new_service(service(price_minor=4500))

    assert (told["name"], told["length_min"], told["capacity"]) == ("Yoga", 60, 12)
    assert told["price"] == {"amount": 4500, "currency": "EUR"}
    assert "is_offered" not in told


def test_a_choice_says_what_became_of_how_many() -> None:
    chosen = Chosen(Choice.CANCEL, {7: Choice.KEEP, 8: Choice.MOVE, 9: Choice.KEEP})

    told = changes.of_choice(chosen, [6, 7, 8, 9])
    assert told == {"bookings_kept": 2, "bookings_asked_to_move": 1, "bookings_cancelled": 1}
    assert changes.of_choice(Chosen(Choice.KEEP), [6]) == {"bookings_kept": 1}
    assert changes.of_choice(chosen, []) == {"held_seats": "given up"}
    assert changes.of_choice(Chosen(Choice.MOVE), []) == {"held_seats": "kept"}


def test_a_price_is_told_with_its_currency() -> None:
    after = service(price_minor=4500)

    assert changes.of_service(YOGA, after) == {
        "price": [{"amount": 0, "currency": "EUR"}, {"amount": 4500, "currency": "EUR"}]
    }


@pytest.mark.parametrize("field", [name for name in Service.__slots__ if name != "key"])
def test_no_field_of_a_service_changes_in_silence(field: str) -> None:
    other: Any = object()
    after = replace(YOGA, **{field: other})

    assert list(changes.of_service(YOGA, after)) == [field]


def test_of_somebody_who_serves_it_is_told_what_when_and_never_their_address() -> None:
    mia = member("mia", "yoga")
    shifts = (Shift("mia", time(9), time(12), weekday=0), Shift("mia", time(9), time(12), weekday=1))
    before = replace(MORNINGS, staff={"mia": mia}, shifts=shifts)
    dated = Shift("mia", time(9), time(12), day=TUESDAY, services=frozenset({"yoga"}), id=7)
    after = replace(
        before,
        staff={"mia": replace(mia, email="mia@new.example", services=frozenset(), is_active=False)},
        shifts=(shifts[0], dated),
        days_off=(DayOff("mia", TUESDAY),),
    )

    assert changes.of_member(before, before, "mia") == {}
    assert changes.of_member(before, after, "mia") == {
        "is_active": [True, False],
        "email": "changed",
        "serves": ["Yoga", ""],
        "shifts_added": "24 Nov 2026, 09:00\u201312:00, for Yoga",
        "shifts_removed": "Tuesdays, 09:00\u201312:00",
        "days_off_added": "24 Nov 2026",
    }
    assert changes.of_member(MORNINGS, before, "mia") == {
        "serves": ["", "Yoga"],
        "shifts_added": "Mondays, 09:00\u201312:00; Tuesdays, 09:00\u201312:00",
    }


def test_a_calendar_says_which_times_came_and_went_and_what_is_said_of_single_ones() -> None:
    first, second, *_ = (offered.slot for offered in MORNINGS.slots_on("yoga", TUESDAY))
    was_closed = replace(MORNINGS, slot_rules=(SlotRule(second, is_closed=True),))
    typed = Opening("yoga", time(14), time(15), day=TUESDAY, whole=True)
    after = replace(
        was_closed,
        openings=(*[one for one in MORNINGS.openings if one.weekday != 0], typed),
        slot_rules=(SlotRule(first, is_closed=True, capacity=5),),
    )

    assert changes.of_calendar(was_closed, was_closed, "yoga") == {}
    assert changes.of_calendar(was_closed, after, "yoga") == {
        "times_added": "24 Nov 2026, 14:00\u201315:00, one slot",
        "times_removed": "Mondays, 09:00\u201312:00",
        "closed": "24 Nov 2026, 09:00\u201310:00",
        "opened": "24 Nov 2026, 10:00\u201311:00",
        "seats_of_single_times": "24 Nov 2026, 09:00\u201310:00: 12 \u2192 5",
    }


class Unspoken(time):
    def __format__(self, _: str) -> str:
        raise AssertionError("it is as it was")


def test_what_is_as_it_was_is_not_even_put_into_words() -> None:
    typed = [Opening("yoga", Unspoken(14), Unspoken(15), day=TUESDAY, id=number) for number in (1, 2)]
    before = replace(MORNINGS, openings=tuple(typed))
    after = replace(MORNINGS, openings=(*[replace(one, id=None) for one in typed], *MORNINGS.openings[:1]))

    assert changes.of_calendar(before, after, "yoga") == {"times_added": "Mondays, 09:00\u201312:00"}


def test_of_very_many_only_the_first_are_named() -> None:
    typed = tuple(
        Opening("yoga", time(14), time(15), day=TUESDAY + timedelta(days=n), whole=True) for n in range(5_000)
    )

    told = changes.of_calendar(MORNINGS, replace(MORNINGS, openings=(*MORNINGS.openings, *typed)), "yoga")

    assert told["times_added"].endswith("; and 4,990 more")
    assert len(told["times_added"]) < 1_000


def test_a_blackout_says_whose_and_when_and_not_why() -> None:
    paint = Blackout(TUESDAY, TUESDAY, reason="Anna is ill")
    later = Blackout(TUESDAY, None, service="yoga", starts=time(12), ends=time(13), weekdays=frozenset({0, 4}))

    assert changes.of_blackout(MORNINGS, None, paint) == {"for": "Everything", "when": "24 Nov 2026"}
    assert changes.of_blackout(MORNINGS, paint, replace(paint, reason="")) == {
        "for": "Everything",
        "when": "24 Nov 2026",
        "reason": "changed",
    }
    assert changes.of_blackout(MORNINGS, paint, replace(later, reason=paint.reason)) == {
        "for": ["Everything", "Yoga"],
        "when": ["24 Nov 2026", "24 Nov 2026 \u2013 for ever, Mon, Fri, 12:00\u201313:00"],
    }


def test_a_coupon_says_what_it_takes_when_and_how_often() -> None:
    before = Coupon("SPRING", percent=10, services=frozenset({"yoga", "talk"}), used=3)
    after = Coupon("SPRING", amount=Money(500, "EUR"), last_day=TUESDAY, uses_max=7, is_active=False)

    assert changes.of_new_coupon(before) == {
        "code": "SPRING", "percent": 10, "is_active": True, "services": "talk, yoga"
    }  # fmt: skip
    assert changes.of_coupon(before, replace(before, used=4)) == {}
    assert changes.of_coupon(before, after) == {
        "percent": [10, ""],
        "amount": ["", {"amount": 500, "currency": "EUR"}],
        "last_day": ["", "2026-11-24"],
        "uses_max": ["", 7],
        "is_active": [True, False],
        "services": ["talk, yoga", "all"],
    }


def test_a_text_is_cut_where_it_is_long() -> None:
    after = replace(YOGA, name="y" * 1_000)

    assert len(changes.of_service(YOGA, after)["name"][1]) == changes.TEXT_LENGTH_MAX
