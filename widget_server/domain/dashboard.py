"""The only place for what operators see of bookings: lines of orders, who comes, and what can be looked for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from widget_server.domain.bookings import BookingState
from widget_server.domain.money import Money
from widget_server.domain.move_requests import MoveRequest
from widget_server.domain.questions import Answer
from widget_server.domain.slots import Slot

TEXT_LENGTH_MAX = 100
ERASED = "erased"
"""In place of the name of a customer whose personal data was erased."""
ID_MAX = 2**31 - 1
"""PostgreSQL takes no greater number for an id."""


class Sorting(StrEnum):
    NEWEST = "newest"
    """The last booked first."""
    SOONEST = "soonest"
    """By the start of the slot, the earliest first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bookings; whatever is empty wants all."""

    service: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Starts from `since` on, and before `until`."""
    state: BookingState | None = None
    staff: str = ""
    """Key of who serves them."""
    is_test: bool | None = None
    """Whether booked in test mode; None: either."""
    text: str = ""
    """Part of an order number, a name or an address."""
    sorting: Sorting = Sorting.NEWEST


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a line stands in a sorted list: so the next page begins after it, however many there are."""

    first: int
    """An id, or the seconds of an instant."""
    second: int
    """An id."""

    def __str__(self) -> str:
        return f"{self.first}.{self.second}"

    @staticmethod
    def parse(text: str) -> "Place | None":
        first, _, second = text.partition(".")
        if not all(part.isascii() and part.isdecimal() and len(part) <= 10 for part in (first, second)):
            return None
        place = Place(int(first), int(second))
        return place if place.second <= ID_MAX else None


@dataclass(frozen=True, slots=True)
class BookingLine:
    """One booking with what its order says of it."""

    id: int
    place: Place
    order_id: str
    number: str
    slot: Slot
    service_name: str
    seats: int
    state: BookingState
    customer: str
    email: str
    attendees: tuple[str, ...]
    """Names, one a seat; may be empty."""
    served_by: tuple[str, ...]
    """Names of the staff who serve it, while it stands."""
    price: Money
    """Of all seats, less the discount."""
    discount: Money
    """What a coupon has taken off."""
    coupon: str
    """Its code, if there was one."""
    paid: Money
    """For the whole order, whatever has gone back since."""
    refunded: Money
    """Of the whole order: what has gone back."""
    created_at: datetime
    cancelled_at: datetime | None
    is_test: bool
    cancel_message: str
    """What its customer was told."""
    answers: tuple[Answer, ...]
    """To what its service asked."""
    move_request: MoveRequest | None
    """The last one, whatever became of it."""

    @property
    def names(self) -> str:
        """All that were given."""
        return ", ".join(name for name in self.attendees if name)

    def is_waiting(self, now: datetime) -> bool:
        """Its customer has been asked for another time, and can still choose one."""
        return self.move_request is not None and self.move_request.is_waiting and self.slot.starts_at > now


@dataclass(frozen=True, slots=True)
class Attendance:
    """One seat of a booking that stands: who comes, and who booked it for them."""

    place: Place
    name: str
    """The customer's for a first seat that was given none: whoever names nobody comes themselves. Else maybe empty."""
    order_id: str
    number: str
    slot: Slot
    service_name: str
    customer: str
    email: str
    """Of the customer."""
    own_email: str
    """Their own, if one was given."""
    state: BookingState
    served_by: tuple[str, ...]
    is_test: bool


@dataclass(frozen=True, slots=True)
class Meeting:
    """What SQL has of a slot that somebody has booked."""

    slot: Slot
    capacity: int
    booked: int
