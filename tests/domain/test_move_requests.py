"""Whoever is asked for another time is offered the nearest, and bound by no deadline: they were asked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.domain.test_policies import EARLY, ELEVEN, NINE, TEN, booked, offered, yoga_that
from widget_server.domain import policies
from widget_server.domain.bookings import BookingState
from widget_server.domain.holds import Line
from widget_server.domain.impact import Choice, Chosen
from widget_server.domain.move_requests import MoveRequest, MoveState, nearest
from widget_server.domain.orders import Order
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, TooLate

__all__ = ["offered"]

ASKED = MoveRequest(MoveState.WAITING, "The heating is broken.", "anna@example.org", EARLY)
MINUTE = timedelta(minutes=1)


def asked(order: Order) -> Order:
    """For its first booking."""
    return replace(order, bookings=(replace(order.bookings[0], move_request=ASKED), *order.bookings[1:]))


def hours_from(slot: Slot, *hours: int) -> list[Slot]:
    return [
        slot._replace(starts_at=slot.starts_at + timedelta(hours=n), ends_at=slot.ends_at + timedelta(hours=n))
        for n in hours
    ]


def test_the_three_nearest_are_offered_by_their_start() -> None:
    free = hours_from(NINE, 9, -2, 30, 3, -50)

    assert nearest(free, NINE) == tuple(hours_from(NINE, -2, 3, 9))
    assert nearest(free[:1], NINE) == (free[0],)
    assert nearest([], NINE) == ()


def test_of_two_that_are_as_near_the_earlier_comes_first() -> None:
    free = hours_from(NINE, 4, 3, 2, 1, -1)

    assert nearest(free, NINE) == tuple(hours_from(NINE, -1, 1, 2))


def test_whoever_is_asked_may_move_or_cancel_until_it_starts(offered: Schedule) -> None:
    two_hours, late = yoga_that(offered, cancel_until_min=120), NINE.starts_at - MINUTE
    order = booked((NINE, 2))

    with pytest.raises(TooLate):
        policies.may_reschedule(two_hours, order, [Line(ELEVEN, 2)], late)
    with pytest.raises(TooLate):
        policies.may_cancel(order, late, two_hours)
    assert policies.may_reschedule(two_hours, asked(order), [Line(ELEVEN, 2)], late)
    policies.may_cancel(asked(order), late, two_hours)
    assert policies.cancel_until(two_hours, asked(order)) == NINE.starts_at
    for act in (
        lambda: policies.may_reschedule(two_hours, asked(order), [Line(ELEVEN, 2)], NINE.starts_at),
        lambda: policies.may_cancel(asked(order), NINE.starts_at, two_hours),
    ):
        with pytest.raises(TooLate):
            act()


def test_a_question_about_one_booking_is_none_about_another(offered: Schedule) -> None:
    two_hours, late = yoga_that(offered, cancel_until_min=120), NINE.starts_at - MINUTE
    order = asked(booked((NINE, 2), (TEN, 1)))

    assert policies.may_reschedule(two_hours, order, [Line(ELEVEN, 2), Line(TEN, 1)], late)
    with pytest.raises(TooLate):
        policies.may_reschedule(two_hours, order, [Line(NINE, 2), Line(ELEVEN, 1)], late)
    policies.may_cancel(order, late, two_hours, only=NINE)
    for only in (TEN, None):
        with pytest.raises(TooLate):
            policies.may_cancel(order, late, two_hours, only=only)
    with pytest.raises(NotFound):
        policies.may_cancel(order, late, two_hours, only=ELEVEN)


def test_it_is_told_what_can_be_done_only_because_somebody_is_asked(offered: Schedule) -> None:
    two_hours, order = yoga_that(offered, cancel_until_min=120), asked(booked((TEN, 2), (NINE, 1)))
    deadline = TEN.starts_at - timedelta(hours=2)

    assert policies.only_as_asked(two_hours, order, deadline - MINUTE) == frozenset()
    assert policies.only_as_asked(two_hours, order, deadline) == {TEN}


def test_a_booking_moves_whatever_has_become_of_another_one_of_its_order(offered: Schedule) -> None:
    order = booked((NINE, 2), (TEN, 1))
    cancelled = replace(order, bookings=(replace(order.bookings[0], state=BookingState.CANCELLED), order.bookings[1]))
    lines = [Line(NINE, 2), Line(ELEVEN, 1)]

    assert policies.may_reschedule(offered, cancelled, lines, EARLY)
    assert policies.may_reschedule(offered, order, lines, NINE.starts_at), "the first has begun"
    with pytest.raises(TooLate):
        policies.may_reschedule(offered, cancelled, [Line(ELEVEN, 2), Line(TEN, 1)], EARLY)


def test_single_bookings_may_go_another_way_than_all() -> None:
    chosen = Chosen(Choice.KEEP, {7: Choice.MOVE})

    assert [chosen.of(7), chosen.of(8)] == [Choice.MOVE, Choice.KEEP]
    assert not chosen.keeps_everybody
    assert Chosen(Choice.KEEP, {7: Choice.KEEP}).keeps_everybody
