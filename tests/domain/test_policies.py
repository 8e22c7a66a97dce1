from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tests.domain.schedules import daily, schedule, service
from widget_server.domain import policies
from widget_server.domain.bookings import Booking, BookingState, Customer
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.orders import Move, Order, OrderState
from widget_server.domain.schedule import Place, Schedule, SlotRule
from widget_server.domain.slots import Slot
from widget_server.errors import (
    InvalidRequest,
    NotFound,
    Paying,
    PaymentsNotSetUp,
    SlotClosed,
    TooFar,
    TooLate,
    TooManySeats,
    TooSoon,
)

NINE, TEN = Slot.parse("yoga.20261121T0800Z.60"), Slot.parse("yoga.20261121T0900Z.60")
ELEVEN = Slot.parse("yoga.20261121T1000Z.60")
FIRST = date(2026, 11, 1)
EARLY = datetime(2026, 11, 21, 7, tzinfo=UTC)


@pytest.fixture
def offered() -> Schedule:
    services = (service("yoga", seats_max=6), service("gala", seats_max=500), service("talk", price_minor=500))
    return schedule([o for s in services for o in daily(s.key, time(0), time(0))], *services)


def booked(*lines: tuple[Slot, int], total: int = 0) -> Order:
    bookings = tuple(
        Booking(slot, "Yoga", seats, BookingState.CONFIRMED, Place.IN_PERSON, "", (), EARLY) for slot, seats in lines
    )
    customer = Customer("Anna Berg", "", "UTC", "en")
    return Order("A" * 22, "ABCD-2345", OrderState.PAID, customer, bookings, Money(total, "EUR"), EARLY)


def test_offered_slots_come_back_in_the_order_of_the_lines(offered: Schedule) -> None:
    slots = policies.may_hold(offered, [Line(TEN, 1), Line(NINE, 6)])

    assert [o.slot for o in slots] == [TEN, NINE]
    assert [o.capacity for o in slots] == [12, 12]


def test_a_hold_without_lines_is_refused(offered: Schedule) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_hold(offered, [])


def test_the_same_slot_twice_is_refused(offered: Schedule) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_hold(offered, [Line(NINE, 1), Line(NINE, 1)])


def test_twenty_lines_are_held_and_not_one_more(offered: Schedule) -> None:
    slots = [o.slot for o in offered.slots_on("yoga", FIRST)]

    assert len(policies.may_hold(offered, [Line(slot, 1) for slot in slots[:20]])) == 20
    with pytest.raises(TooManySeats) as refusal:
        policies.may_hold(offered, [Line(slot, 1) for slot in slots[:21]])
    assert refusal.value.details == {"maximum": 20}


@pytest.mark.parametrize("slot_id", ["yoga.20261121T0830Z.60", "yoga.20261121T0800Z.45", "chess.20261121T0800Z.60"])
def test_a_time_that_is_not_offered_is_closed(offered: Schedule, slot_id: str) -> None:
    with pytest.raises(SlotClosed) as refusal:
        policies.may_hold(offered, [Line(NINE, 1), Line(Slot.parse(slot_id), 1)])
    assert refusal.value.details == {"slot": slot_id}


@pytest.mark.parametrize("seats", [-1, 0, 7])
def test_seats_beyond_what_the_service_sells_at_once_are_refused(offered: Schedule, seats: int) -> None:
    with pytest.raises(TooManySeats) as refusal:
        policies.may_hold(offered, [Line(NINE, seats)])
    assert refusal.value.details == {"slot": NINE.id, "maximum": 6}


def test_no_service_sells_more_than_fifty_seats_at_once(offered: Schedule) -> None:
    gala = Slot.parse("gala.20261121T0800Z.60")

    assert policies.may_hold(offered, [Line(gala, 50)])
    with pytest.raises(TooManySeats):
        policies.may_hold(offered, [Line(gala, 51)])


def yoga_that(offered: Schedule, **said: int) -> Schedule:
    yoga = replace(offered.services["yoga"], **said)  # type: ignore[arg-type]
    return replace(offered, services=offered.services | {"yoga": yoga})


def test_nothing_is_held_once_it_has_begun_or_later_than_its_notice(offered: Schedule) -> None:
    line, begins, minute = Line(NINE, 1), NINE.starts_at, timedelta(minutes=1)
    a_day_before = yoga_that(offered, notice_min=24 * 60)

    assert policies.may_hold(offered, [line], begins - minute)
    with pytest.raises(SlotClosed) as begun:
        policies.may_hold(offered, [line], begins)
    assert begun.value.code == "slot_closed"
    assert policies.may_hold(a_day_before, [line], begins - timedelta(days=1) - minute)
    with pytest.raises(TooSoon) as refusal:
        policies.may_hold(a_day_before, [Line(TEN, 1), line], begins - timedelta(days=1))
    assert refusal.value.details == {"slot": NINE.id}


def test_nothing_is_held_further_ahead_than_the_horizon_which_moves_at_the_midnight_of_the_site(
    offered: Schedule,
) -> None:
    two_days = yoga_that(offered, horizon_days=2)
    midnight = datetime(2026, 11, 18, 23, tzinfo=UTC)

    assert policies.may_hold(two_days, [Line(NINE, 1)], midnight)
    with pytest.raises(TooFar) as refusal:
        policies.may_hold(two_days, [Line(NINE, 1)], midnight - timedelta(milliseconds=1))
    assert refusal.value.details == {"slot": NINE.id}


def test_what_was_held_in_time_can_be_confirmed_though_it_is_too_soon_or_closed_by_now(offered: Schedule) -> None:
    closed = replace(yoga_that(offered, notice_min=60), slot_rules=(SlotRule(NINE, is_closed=True),))

    with pytest.raises(SlotClosed):
        policies.may_hold(closed, [Line(NINE, 1)])
    (slot,) = policies.may_confirm(closed, [Line(NINE, 1)])
    assert slot.slot == NINE
    with pytest.raises(SlotClosed):
        policies.may_confirm(closed, [Line(Slot.parse("yoga.20261121T0830Z.60"), 1)])


def test_a_customer_cancels_until_the_deadline_and_an_operator_until_it_begins(offered: Schedule) -> None:
    order, two_hours = booked((TEN, 1), (NINE, 2)), yoga_that(offered, cancel_until_min=120)
    deadline = NINE.starts_at - timedelta(hours=2)

    policies.may_cancel(order, deadline - timedelta(milliseconds=1), two_hours)
    policies.may_cancel(order, NINE.starts_at - timedelta(milliseconds=1), offered)
    policies.may_cancel(order, deadline)
    for at, of in [(deadline, two_hours), (NINE.starts_at, offered), (NINE.starts_at, None)]:
        with pytest.raises(TooLate):
            policies.may_cancel(order, at, of)


def test_what_is_cancelled_already_can_be_cancelled_again_at_any_time(offered: Schedule) -> None:
    order = booked((NINE, 2))
    cancelled = replace(order, bookings=(replace(order.bookings[0], state=BookingState.CANCELLED),))

    policies.may_cancel(cancelled, NINE.ends_at, yoga_that(offered, cancel_until_min=120))


def test_a_booking_of_a_service_that_is_gone_is_cancelled_until_it_begins(offered: Schedule) -> None:
    policies.may_cancel(booked((NINE, 2)), NINE.starts_at - timedelta(minutes=1), replace(offered, services={}))


def test_only_what_moves_must_be_moved_before_its_deadline_and_where_it_goes_in_time(offered: Schedule) -> None:
    order, two_hours = booked((NINE, 2), (ELEVEN, 1)), yoga_that(offered, cancel_until_min=120)
    deadline, late = NINE.starts_at - timedelta(hours=2), Slot.parse("yoga.20261121T1500Z.60")

    assert policies.may_reschedule(two_hours, order, [Line(NINE, 2), Line(late, 1)], deadline)
    with pytest.raises(TooLate):
        policies.may_reschedule(two_hours, order, [Line(late, 2), Line(ELEVEN, 1)], deadline)
    with pytest.raises(TooSoon):
        policies.may_reschedule(yoga_that(offered, notice_min=240), order, [Line(NINE, 2), Line(TEN, 1)], deadline)


def test_a_priced_service_is_not_given_away_without_payments(offered: Schedule) -> None:
    with pytest.raises(PaymentsNotSetUp):
        policies.may_hold(offered, [Line(Slot.parse("talk.20261121T0800Z.60"), 1)])


@pytest.mark.parametrize("days", [0, 30])
def test_a_day_and_a_month_can_be_read(days: int) -> None:
    policies.may_read_range(FIRST, FIRST + timedelta(days=days))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (FIRST, FIRST - timedelta(days=1)),
        (FIRST, FIRST + timedelta(days=31)),
        (date.min, date.min),
        (date(1999, 12, 31), date(2000, 1, 1)),
        (date(2199, 12, 31), date(2200, 1, 1)),
        (date.max, date.max),
    ],
)
def test_ranges_that_make_no_month_are_refused(first: date, last: date) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_read_range(first, last)


def test_a_service_the_site_does_not_have_is_not_found(offered: Schedule) -> None:
    policies.service_of(offered, "yoga")

    with pytest.raises(NotFound):
        policies.service_of(offered, "chess")


def test_lines_with_another_slot_than_their_booking_move_and_the_others_stay(offered: Schedule) -> None:
    moves = policies.may_reschedule(offered, booked((NINE, 2), (TEN, 1)), [Line(ELEVEN, 2), Line(TEN, 1)], EARLY)

    eleven = offered.find(ELEVEN)
    assert eleven is not None
    assert [(move.leaves, move.line) for move in moves] == [(NINE, Line(ELEVEN, 2))]
    assert moves == [Move(NINE, eleven, 2)]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [Line(ELEVEN, 2)],
        [Line(ELEVEN, 3), Line(TEN, 1)],
        [Line(TEN, 1), Line(ELEVEN, 2)],
        [Line(Slot.parse("gala.20261121T1000Z.60"), 2), Line(TEN, 1)],
        [Line(NINE, 2), Line(TEN, 1)],
        [Line(TEN, 2), Line(NINE, 1)],
        [Line(ELEVEN, 2), Line(NINE, 1)],
    ],
    ids=["none", "fewer", "more seats", "another order", "another service", "the same", "exchanged", "handed down"],
)
def test_an_order_moves_line_by_line_with_service_and_seats_or_not_at_all(offered: Schedule, lines: list[Line]) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_reschedule(offered, booked((NINE, 2), (TEN, 1)), lines, EARLY)


def test_what_has_begun_or_was_cancelled_or_is_just_being_paid_does_not_move(offered: Schedule) -> None:
    order, lines = booked((NINE, 2)), [Line(ELEVEN, 2)]
    cancelled = replace(order, bookings=(replace(order.bookings[0], state=BookingState.CANCELLED),))

    for asked, at, expected in [
        (order, NINE.starts_at, TooLate),
        (cancelled, EARLY, TooLate),
        (replace(booked((NINE, 2), total=4500), state=OrderState.AUTHORISED), EARLY, Paying),
    ]:
        with pytest.raises(expected):
            policies.may_reschedule(offered, asked, lines, at)
    assert policies.may_reschedule(offered, order, lines, NINE.starts_at - timedelta(milliseconds=1))


def test_what_was_paid_moves_like_anything_else_whether_more_payments_are_taken_or_not(offered: Schedule) -> None:
    priced = replace(offered, services={"yoga": replace(offered.services["yoga"], price=Money(4500, "EUR"))})

    assert policies.may_reschedule(priced, booked((NINE, 2), total=9000), [Line(ELEVEN, 2)], EARLY)
    with pytest.raises(PaymentsNotSetUp):
        policies.may_reschedule(priced, booked((NINE, 2)), [Line(ELEVEN, 2)], EARLY)


def test_what_has_a_price_is_held_where_payments_are_taken_and_confirmed_only_by_paying(offered: Schedule) -> None:
    yoga, lines = replace(offered.services["yoga"], price=Money(4500, "EUR")), [Line(NINE, 1)]
    priced = replace(offered, services={"yoga": yoga}, takes_payments=True)

    assert policies.may_hold(priced, lines, EARLY)
    assert policies.may_confirm(priced, lines)
    with pytest.raises(InvalidRequest):
        policies.must_be_free(priced, lines)
    policies.must_be_free(offered, lines)


@pytest.mark.parametrize(
    ("email", "total"),
    [("", Money(4500, "EUR")), ("anna@example.org", Money(0, "EUR")), ("anna@example.org", Money(49, "EUR"))],
    ids=["no address", "free", "too little"],
)
def test_only_what_can_be_charged_to_somebody_who_can_be_told_is_checked_out(email: str, total: Money) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_check_out(Customer("Anna", email, "UTC", "en"), total)

    policies.may_check_out(Customer("Anna", "anna@example.org", "UTC", "en"), Money(50, "EUR"))


def test_an_order_moves_only_to_what_is_offered(offered: Schedule) -> None:
    with pytest.raises(SlotClosed):
        policies.may_reschedule(offered, booked((NINE, 2)), [Line(Slot.parse("yoga.20261121T1030Z.60"), 2)], EARLY)
