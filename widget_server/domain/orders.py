"""The only place for what one hold became: an order of one or more bookings."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from widget_server.domain.bookings import Booking, BookingState, Customer
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.payments import OrderPayment
from widget_server.domain.slots import OfferedSlot, Slot


class OrderState(StrEnum):
    OPEN = "open"
    AUTHORISED = "authorised"
    PAID = "paid"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    VOIDED = "voided"


class OutcomeState(StrEnum):
    """What became of a pinned hold. The first to write it decides."""

    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    ABANDONED = "abandoned"
    VOIDING = "voiding"
    VOIDED = "voided"

    @property
    def is_nothing(self) -> bool:
        """Such a hold became no booking, or none that lasted."""
        return self in (OutcomeState.ABANDONED, OutcomeState.VOIDING, OutcomeState.VOIDED)


@dataclass(frozen=True, slots=True)
class Order:
    """`id` is the id of the hold it came from; `number` is for people to read out."""

    id: str
    number: str
    state: OrderState
    customer: Customer
    bookings: tuple[Booking, ...]
    total: Money
    """What its bookings cost, those too that were cancelled. What was paid may be another amount: see `payment`."""
    created_at: datetime
    is_test: bool = False
    """Made while its site was in test mode: nobody means it."""
    erased_at: datetime | None = None
    """Since then nobody knows any more who its customer was."""
    payment: OrderPayment | None = None
    """None where there was nothing to pay."""
    coupon: str = ""
    """The code that was used, as its operator wrote it."""

    @property
    def discount(self) -> Money:
        """What the coupon has taken off."""
        return Money(sum(booking.discount_minor for booking in self.bookings), self.total.currency)

    def is_to_come(self, now: datetime) -> bool:
        """Whether a booking of it is neither cancelled nor over."""
        standing = (booking for booking in self.bookings if booking.state is not BookingState.CANCELLED)
        return any(booking.slot.ends_at > now for booking in standing)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A slot of an order, and the hold under whose id it was taken: the order's own, or that of its last move."""

    hold_id: str
    slot: Slot


@dataclass(frozen=True, slots=True)
class Move:
    """One booking of an order is to leave its slot for another one, with as many seats."""

    leaves: Slot
    offered: OfferedSlot
    seats: int

    @property
    def line(self) -> Line:
        return Line(self.offered.slot, self.seats)
