"""The only place that says what it costs to move: today's price of the seats, less what they stand at.

What an operator asks for costs nobody anything: there the price stays, as it does where it cannot be compared.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from widget_server.domain.bookings import Booking, BookingState
from widget_server.domain.coupons import Coupon, discounts, spread
from widget_server.domain.money import Difference, Money
from widget_server.domain.orders import Order, OrderState
from widget_server.domain.payments import step_of
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.errors import CouponRefused


@dataclass(frozen=True, slots=True)
class SeatPrice:
    """Of a booking, as it stands in the record."""

    unit_price_minor: int
    discount_minor: int

    def of(self, seats: int) -> int:
        return self.unit_price_minor * seats - self.discount_minor


@dataclass(frozen=True, slots=True)
class MovePrice:
    """What bookings cost once they have moved, by the slots that they leave, but for those that keep their price."""

    prices: Mapping[Slot, SeatPrice]
    settled: Difference
    """What is to be paid for it, or goes back."""


@dataclass(frozen=True, slots=True)
class MoveTerms:
    """What decides about the price of a move, besides order and schedule."""

    coupon: Coupon | None
    """With which it was sold."""
    cleared: frozenset[Slot]
    """An operator has decided that these are to be cancelled or asked to move, and that is still to be done."""


def keep_price(order: Order) -> MovePrice:
    return MovePrice({}, Difference(0, order.total.currency))


def costs_otherwise(order: Order, schedule: Schedule, *, asked: bool = False) -> frozenset[Slot]:
    """Where the order has bookings of services that have another price by now: those that an operator has `asked` to
    move, or all others.
    """
    return frozenset(
        booking.slot
        for booking in order.bookings
        if booking.state is BookingState.CONFIRMED
        and (booking.move_request is not None) is asked
        and (price := _price_today(order, schedule, booking)) is not None
        and price != booking.unit_price_minor
    )


def price_of_move(order: Order, schedule: Schedule, leaving: Collection[Slot], terms: MoveTerms) -> MovePrice:
    """Of bookings that leave these slots together. The coupon of the order is worked out again for all of it; what that
    changes, it changes for those that move.
    """
    moving = [booking for booking in order.bookings if booking.slot in costs_otherwise(order, schedule) & set(leaving)]
    moving = [booking for booking in moving if booking.slot not in terms.cleared]
    if not moving or (order.coupon and terms.coupon is None):
        return keep_price(order)
    today = {booking.slot: _price_today(order, schedule, booking) or 0 for booking in moving}
    off = _taken_off(order, today, terms.coupon) if terms.coupon else [0] * len(moving)
    prices = {booking.slot: SeatPrice(today[booking.slot], less) for booking, less in zip(moving, off, strict=True)}
    change = sum(prices[booking.slot].of(booking.seats) - booking.price_minor for booking in moving)
    return MovePrice(prices, Difference(max(change, -_left(order)), order.total.currency))


def _price_today(order: Order, schedule: Schedule, booking: Booking) -> int | None:
    """Of a seat; None where its service has none in the currency of the order."""
    service = schedule.services.get(booking.slot.service)
    return service.price.amount_minor if service and service.price.currency == order.total.currency else None


def _taken_off(order: Order, today: Mapping[Slot, int], coupon: Coupon) -> list[int]:
    """Off each of those that move, in their order: what the coupon takes off the whole order, less what others have."""
    currency = order.total.currency
    prices = [
        (booking, today.get(booking.slot, booking.unit_price_minor) * booking.seats) for booking in order.bookings
    ]
    try:
        taken = sum(discounts(coupon, [(booking.slot.service, Money(price, currency)) for booking, price in prices]))
    except CouponRefused:
        taken = 0
    taken -= sum(booking.discount_minor for booking in order.bookings if booking.slot not in today)
    parts = [price if coupon.is_for(booking.slot.service) else 0 for booking, price in prices if booking.slot in today]
    taken = min(max(taken, 0), sum(parts))
    return spread(taken, parts, step_of(currency)) if taken else [0] * len(parts)


def _left(order: Order) -> int:
    """What was paid for the order and has not gone back, nor is on its way."""
    is_paid = order.payment is not None and order.state in (OrderState.PAID, OrderState.REFUNDED)
    return order.payment.left_minor if is_paid and order.payment else 0
