"""The only place for what a customer gives to book, and what they get: bookings."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from widget_server.domain.move_requests import MoveRequest
from widget_server.domain.questions import Answer
from widget_server.domain.schedule import Place
from widget_server.domain.slots import Slot


class BookingState(StrEnum):
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    ATTENDED = "attended"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class Customer:
    """Who books. The address may be empty for a free service; then the order link is the only way back."""

    name: str
    email: str
    zone: str
    locale: str


@dataclass(frozen=True, slots=True)
class Booking:
    """Confirmed seats of one slot for one customer."""

    slot: Slot
    service_name: str
    seats: int
    state: BookingState
    place: Place
    access: str
    attendees: tuple[str, ...]
    """Of all who come to this meeting: first names or addresses, as its service shows them."""
    created_at: datetime
    served_by: tuple[str, ...] = ()
    """Names of the staff who serve it. Nobody hears them before the booking is confirmed."""
    cancelled_at: datetime | None = None
    cancel_message: str = ""
    """What the operator who cancelled it wrote to the customer."""
    answers: tuple[Answer, ...] = ()
    """To what its service asked when it was booked."""
    move_request: MoveRequest | None = None
    """While it waits for the customer, and only then."""
    unit_price_minor: int = 0
    """A seat's, as it was sold, or moved last, in the currency of the order."""
    discount_minor: int = 0
    """What a coupon has taken off the price of all seats."""

    @property
    def price_minor(self) -> int:
        """Of all seats."""
        return self.unit_price_minor * self.seats - self.discount_minor


@dataclass(frozen=True, slots=True)
class BookedSeats:
    """How many seats of a slot are booked, as the store counts them; the newest `version` wins wherever it is told."""

    slot: Slot
    booked: int
    version: int


class BookedDay(NamedTuple):
    """As `BookedSeats`, of all slots of a service that start on one day of UTC, for where there are very many."""

    day: str
    """As the ids of its slots begin: `yoga.20261121`."""
    seats: str
    """How they go on, booked seats and version, all with a blank between: `0930Z.60 3 5 1030Z.60 1 1`. The store puts
    it together and the engine takes it apart, so that nobody between them has to look at each slot."""
