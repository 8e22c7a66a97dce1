"""The only place for what a customer finds again by their address: all that was booked with it at one site."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from widget_server.domain.bookings import BookingState
from widget_server.domain.schedule import Place
from widget_server.domain.slots import Slot

LINK_LIFE = timedelta(hours=24)
"""So long a link shows them, unless a newer one was sent meanwhile."""


@dataclass(frozen=True, slots=True)
class MyBooking:
    """A booking as it stands in the list; all else is on the page of its order."""

    id: int
    order_id: str
    order_number: str
    slot: Slot
    service_name: str
    seats: int
    state: BookingState
    place: Place
    is_asked_to_move: bool
    is_test: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page of the list ends: the next one goes on with what starts before, or as early with a lower id."""

    starts_at: datetime
    booking_id: int


@dataclass(frozen=True, slots=True)
class MyBookings:
    """A page of them, those that start last first; `expires_at` is when their link ends."""

    bookings: Sequence[MyBooking]
    next: Mark | None
    expires_at: datetime
