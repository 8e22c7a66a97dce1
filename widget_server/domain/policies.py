"""The only place for what is allowed: refusals that need nothing but values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from widget_server.domain.bookings import Booking, BookingState, Customer
from widget_server.domain.coupons import Coupon, discounts
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.orders import Move, Order, OrderState
from widget_server.domain.payments import Terms, goes_back, why_not_chargeable
from widget_server.domain.questions import Answer, read_answers
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import YEAR_MAX, YEAR_MIN, OfferedSlot, Slot
from widget_server.errors import (
    Changed,
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

LINES_MAX = 20
SEATS_MAX = 50
RANGE_DAYS_MAX = 31
HOLDS_PER_VISITOR_MAX = 3
HOLDS_PER_NETWORK_MAX = 50


def may_hold(
    schedule: Schedule, lines: Sequence[Line], now: datetime | None = None, *, is_paid: bool = False
) -> list[OfferedSlot]:
    """The offered slots of these lines, in their order, if such a hold may be asked for at all.

    Without `now` neither notice nor horizon is looked at. `is_paid`: nothing is to be paid for it any more.
    Raises InvalidRequest, TooManySeats, SlotClosed, TooSoon, TooFar, PaymentsNotSetUp. Whether seats are left is for
    the engine to say.
    """
    offered = may_confirm(schedule, lines, is_paid=is_paid)
    for slot in offered:
        if slot.is_closed:
            raise SlotClosed("This time is not offered any more.", slot=slot.slot.id)
        if now is not None:
            _is_in_time(slot, now)
    return offered


def may_confirm(schedule: Schedule, lines: Sequence[Line], *, is_paid: bool = False) -> list[OfferedSlot]:
    """The slots of these lines, in their order, if a hold of them may become a booking, as it is or once it is paid.

    What was held in time can be booked, also if it is too late by now to hold it, or closed for everybody else.
    Raises InvalidRequest, TooManySeats, SlotClosed, PaymentsNotSetUp.
    """
    if not lines or len({line.slot for line in lines}) != len(lines):
        raise InvalidRequest("Name each slot once, and at least one.")
    if len(lines) > LINES_MAX:
        raise TooManySeats(f"At most {LINES_MAX} slots can be held at once.", maximum=LINES_MAX)
    may_cost = is_paid or schedule.takes_payments
    return [_find_line(schedule, line, may_cost=may_cost) for line in lines]


def find_to_pin(schedule: Schedule, slot: Slot) -> OfferedSlot | None:
    """With what a hold of this slot is pinned. Closed by now, it has room only for whoever still holds seats of it."""
    offered = schedule.find(slot)
    return replace(offered, capacity=0) if offered is not None and offered.is_closed else offered


def _find_line(schedule: Schedule, line: Line, *, may_cost: bool) -> OfferedSlot:
    offered = schedule.find(line.slot)
    if offered is None:
        raise SlotClosed("This time is not offered any more.", slot=line.slot.id)
    service = schedule.services[line.slot.service]
    most = min(service.seats_per_booking_max, SEATS_MAX)
    if not 1 <= line.seats <= most:
        raise TooManySeats(f"Between 1 and {most} seats can be booked at once.", slot=line.slot.id, maximum=most)
    if not (may_cost or service.price.is_free):
        raise PaymentsNotSetUp("This service has a price, and payments are not set up yet.")
    return offered


def must_be_free(schedule: Schedule, lines: Sequence[Line], *, coupon: Coupon | None = None) -> None:
    """What has a price becomes a booking by being paid, in no other way, unless a coupon takes all of it off.

    Raises InvalidRequest; CouponRefused for one that takes nothing off.
    """
    total = sum(price.amount_minor for _, price in _prices(schedule, lines))
    if total > sum(taken_off(schedule, lines, coupon)):
        raise InvalidRequest("This has a price: begin a checkout to pay it.")


def price_of(schedule: Schedule, lines: Sequence[Line]) -> Money:
    """Of all these lines, without a coupon."""
    prices = [price for _, price in _prices(schedule, lines)]
    return sum(prices, Money(0, prices[0].currency))


def taken_off(schedule: Schedule, lines: Sequence[Line], coupon: Coupon | None) -> list[int]:
    """By a coupon off each line, in minor units. Raises CouponRefused for one that takes nothing off."""
    return discounts(coupon, _prices(schedule, lines)) if coupon else [0] * len(lines)


def _prices(schedule: Schedule, lines: Sequence[Line]) -> list[tuple[str, Money]]:
    """Of all seats of each line; what is no service costs nothing, and is refused elsewhere."""
    services = {line.slot.service: schedule.services.get(line.slot.service) for line in lines}
    currency = next((one.price.currency for one in services.values() if one), "XXX")
    return [
        (key, service.price.times(line.seats) if (service := services[key]) else Money(0, currency))
        for line in lines
        for key in [line.slot.service]
    ]


def may_check_out(customer: Customer, total: Money) -> None:
    """Raises InvalidRequest for what cannot be paid: because it is free, or too little, or nobody could be told."""
    if not customer.email:
        raise InvalidRequest(
            "An e-mail address is needed.", fields=[{"field": "customer.email", "problem": "is needed to pay"}]
        )
    if total.is_free:
        raise InvalidRequest("There is nothing to pay: confirm the hold.")
    if why := why_not_chargeable(total):
        raise InvalidRequest(why)


def answers_of(
    schedule: Schedule,
    lines: Sequence[Line],
    given: Sequence[Mapping[str, str | bool]],
    *,
    must_answer: bool = True,
) -> list[tuple[Answer, ...]]:
    """To what the service of each line asks. Raises InvalidRequest; what is no service is refused elsewhere."""
    answers, services = dict(enumerate(given)), schedule.services
    return [
        read_answers(services[line.slot.service].questions, answers.get(number, {}), must_answer=must_answer)
        if line.slot.service in services
        else ()
        for number, line in enumerate(lines)
    ]


def addresses_of(schedule: Schedule, lines: Sequence[Line], given: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Of those who come, a line each, at most one a seat. Raises InvalidRequest where its service asks for none."""
    addresses, services = dict(enumerate(given)), schedule.services
    found = [tuple(addresses.get(number, ()))[: line.seats] for number, line in enumerate(lines)]
    for line, each in zip(lines, found, strict=True):
        service = services.get(line.slot.service)
        if any(each) and not (service and service.attendee_emails):
            raise InvalidRequest("This service asks for no addresses of those who come.", field="attendee_emails")
    return found


def _is_in_time(offered: OfferedSlot, now: datetime) -> None:
    """What has begun is refused too, by notice or without."""
    if offered.slot.starts_at <= now:
        raise SlotClosed("This time has begun.", slot=offered.slot.id)
    if offered.is_too_soon(now):
        raise TooSoon("This time starts too soon to be booked.", slot=offered.slot.id)
    if offered.is_too_far(now):
        raise TooFar("This time is too far ahead to be booked yet.", slot=offered.slot.id)


def may_cancel(order: Order, now: datetime, schedule: Schedule | None = None, *, only: Slot | None = None) -> None:
    """Raises TooLate once a booking of the order has begun, or its service's deadline to cancel has passed.

    Without a schedule, for operators, there is no such deadline. With `only` it is about that booking alone: raises
    NotFound if the order has none there. What is cancelled already may be cancelled again. Raises Paying while the
    money is being taken, and for customers while they pay for a move.
    """
    if only is not None and all(booking.slot != only for booking in order.bookings):
        raise NotFound("This order has no booking at that time.")
    if order.state is OrderState.AUTHORISED:
        raise Paying("The payment of this booking is just being completed.")
    if schedule is not None:
        _must_not_be_moving(order)
    confirmed = [booking for booking in _confirmed(order) if only in (None, booking.slot)]
    if any(booking.slot.starts_at <= now for booking in confirmed):
        raise TooLate("This booking has begun and can no longer be cancelled.")
    until = min((may_change_until(schedule, booking) for booking in confirmed), default=None) if schedule else None
    if until is not None and until <= now:
        raise TooLate("It is too late to cancel this booking.", until=until)


def may_erase(order: Order, now: datetime) -> None:
    """Whether nobody needs to know any more who comes. Raises Changed while a booking of the order is not over."""
    if order.is_to_come(now):
        raise Changed("A booking of this order is still to come: cancel it first, or wait until it is over.")


def may_have_receipt(order: Order) -> None:
    """Raises NotFound unless it was sold: what waits for its payment, or came to nothing, has no receipt."""
    if order.state not in (OrderState.PAID, OrderState.REFUNDED):
        raise NotFound("There is no receipt for this order.")


def cancel_until(schedule: Schedule, order: Order) -> datetime | None:
    """Until when its customer can cancel an order; None where there is nothing left to cancel."""
    return min((may_change_until(schedule, booking) for booking in _confirmed(order)), default=None)


def may_reschedule(schedule: Schedule, order: Order, lines: Sequence[Line], now: datetime) -> list[Move]:
    """Which bookings of the order move where. `lines` are all that the order is to have, in the order of its bookings.

    What that costs is for `move_prices.py` to say. Raises TooLate once a booking that is to move has begun or was
    cancelled, or its deadline has passed; InvalidRequest unless every line keeps its service and seats, and at least
    one changes its slot; Paying while the money is being taken, or another move is paid; and what `may_hold` raises.
    """
    moving = _moving(order, lines)
    if order.state is OrderState.AUTHORISED:
        raise Paying("The payment of this booking is just being completed.")
    _must_not_be_moving(order)
    if any(booking.state is not BookingState.CONFIRMED for booking, _ in moving):
        raise TooLate("This booking was cancelled and can no longer be moved.")
    if any(booking.slot.starts_at <= now for booking, _ in moving):
        raise TooLate("This booking has begun and can no longer be moved.")
    until = min(may_change_until(schedule, booking) for booking, _ in moving)
    if until <= now:
        raise TooLate("It is too late to move this booking.", until=until)
    is_paid = bool(order.coupon) or order.payment is not None or not order.total.is_free
    offered = may_hold(schedule, [line for _, line in moving], now, is_paid=is_paid)
    return [Move(booking.slot, slot, line.seats) for (booking, line), slot in zip(moving, offered, strict=True)]


def _must_not_be_moving(order: Order) -> None:
    if order.payment and order.payment.move and order.payment.move.is_open:
        raise Paying("A move of this booking is just being paid: pay it, or give it up first.")


def may_change_until(schedule: Schedule, booking: Booking) -> datetime:
    """Until when its customer can cancel or move a booking. Whoever is asked to may until it starts."""
    return booking.slot.starts_at if booking.move_request else changes_until(schedule, booking.slot)


def changes_until(schedule: Schedule, slot: Slot) -> datetime:
    """From here on a booking of this slot stays as it is, as far as its customer can say, unless they are asked."""
    service = schedule.services.get(slot.service)
    return slot.starts_at - timedelta(minutes=service.cancel_until_min if service else 0)


def only_as_asked(schedule: Schedule, order: Order, now: datetime) -> frozenset[Slot]:
    """Where the order's customer can still change something, but only because they are asked to."""
    return frozenset(b.slot for b in _confirmed(order) if b.move_request and changes_until(schedule, b.slot) <= now)


def refund_if_cancelled(order: Order, *, only: Slot | None = None) -> Money:
    """What goes back to a customer who cancels all that can be cancelled of an order now, as it was sold to them; with
    `only`, the booking there alone.
    """
    nothing, payment = Money(0, order.total.currency), order.payment
    if payment is None or order.state is not OrderState.PAID:
        return nothing
    terms = {each.service: each for each in payment.terms}
    cancelled = [booking for booking in _confirmed(order) if only in (None, booking.slot)]
    parts = [
        (Money(booking.price_minor, nothing.currency), _percent_back(booking, sold))
        for booking in cancelled
        if (sold := terms.get(booking.slot.service))
    ]
    return goes_back(parts, Money(payment.left_minor, nothing.currency))


def _percent_back(booking: Booking, sold: Terms) -> int:
    """Of what was paid for it: all where it was asked to move, as nobody has to accept another time."""
    return 100 if booking.move_request else sold.refund_percent


def _confirmed(order: Order) -> list[Booking]:
    return [booking for booking in order.bookings if booking.state is BookingState.CONFIRMED]


def _moving(order: Order, lines: Sequence[Line]) -> list[tuple[Booking, Line]]:
    if [(b.slot.service, b.seats) for b in order.bookings] != [(line.slot.service, line.seats) for line in lines]:
        raise InvalidRequest("Name all lines of the order: each keeps its service and its seats.")
    moving = [(booking, line) for booking, line in zip(order.bookings, lines, strict=True) if booking.slot != line.slot]
    if not moving:
        raise InvalidRequest("This is the time that is booked already.")
    if {line.slot for _, line in moving} & {booking.slot for booking in order.bookings}:
        raise InvalidRequest("A line cannot move to the time of another line of the same order.")
    return moving


def may_read_range(first: date, last: date) -> None:
    """Raises InvalidRequest for days out of order, more than a month of them, or years nobody books in."""
    if first.year < YEAR_MIN or last.year > YEAR_MAX:
        raise InvalidRequest(f"Only the years {YEAR_MIN} to {YEAR_MAX} can be read.")
    if last < first:
        raise InvalidRequest("`to` must not be before `from`.")
    if (last - first).days >= RANGE_DAYS_MAX:
        raise InvalidRequest(f"At most {RANGE_DAYS_MAX} days can be read at once.")


def service_of(schedule: Schedule, key: str) -> None:
    """Raises NotFound for a service the site does not have."""
    if key not in schedule.services:
        raise NotFound("There is no such service.")
