"""The only place for what is allowed: refusals that need nothing but values."""

from collections.abc import Sequence
from datetime import date, datetime

from widget_server.domain.bookings import Booking, BookingState
from widget_server.domain.holds import Line
from widget_server.domain.orders import Move, Order
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import YEAR_MAX, YEAR_MIN, OfferedSlot
from widget_server.errors import InvalidRequest, NotFound, PaymentsNotSetUp, SlotClosed, TooLate, TooManySeats

LINES_MAX = 20
SEATS_MAX = 50
RANGE_DAYS_MAX = 31
HOLDS_PER_VISITOR_MAX = 3
HOLDS_PER_NETWORK_MAX = 50


def may_hold(schedule: Schedule, lines: Sequence[Line]) -> list[OfferedSlot]:
    """The offered slots of these lines, in their order, if such a hold may be asked for at all.

    Raises InvalidRequest, TooManySeats, SlotClosed, PaymentsNotSetUp. Whether seats are left is for the engine to say.
    """
    if not lines or len({line.slot for line in lines}) != len(lines):
        raise InvalidRequest("Name each slot once, and at least one.")
    if len(lines) > LINES_MAX:
        raise TooManySeats(f"At most {LINES_MAX} slots can be held at once.", maximum=LINES_MAX)
    return [_may_hold_line(schedule, line) for line in lines]


def _may_hold_line(schedule: Schedule, line: Line) -> OfferedSlot:
    offered = schedule.find(line.slot)
    if offered is None:
        raise SlotClosed("This time is not offered any more.", slot=line.slot.id)
    service = schedule.services[line.slot.service]
    most = min(service.seats_per_booking_max, SEATS_MAX)
    if not 1 <= line.seats <= most:
        raise TooManySeats(f"Between 1 and {most} seats can be booked at once.", slot=line.slot.id, maximum=most)
    if not service.price.is_free:
        raise PaymentsNotSetUp("This service has a price, and payments are not set up yet.")
    return offered


def may_cancel(order: Order, now: datetime) -> None:
    """Raises TooLate once a booking of the order has begun. One that is cancelled already may be cancelled again."""
    begun = [b for b in order.bookings if b.state is BookingState.CONFIRMED and b.slot.starts_at <= now]
    if begun:
        raise TooLate("This booking has begun and can no longer be cancelled.")


def may_reschedule(schedule: Schedule, order: Order, lines: Sequence[Line], now: datetime) -> list[Move]:
    """Which bookings of the order move where. `lines` are all that the order is to have, in the order of its bookings.

    Raises TooLate once a booking has begun or was cancelled; InvalidRequest unless every line keeps its service and
    seats, and at least one changes its slot; PaymentsNotSetUp for what was paid; and what `may_hold` raises.
    """
    if any(booking.state is not BookingState.CONFIRMED for booking in order.bookings):
        raise TooLate("This booking was cancelled and can no longer be moved.")
    if any(booking.slot.starts_at <= now for booking in order.bookings):
        raise TooLate("This booking has begun and can no longer be moved.")
    if not order.total.is_free:
        raise PaymentsNotSetUp("A booking that was paid cannot be moved yet.")
    moving = _moving(order, lines)
    offered = may_hold(schedule, [line for _, line in moving])
    return [Move(booking.slot, slot, line.seats) for (booking, line), slot in zip(moving, offered, strict=True)]


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
