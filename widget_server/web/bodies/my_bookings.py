"""How /v1 answers customers who ask for all of their bookings."""

from widget_server.domain.my_bookings import MyBooking
from widget_server.web.shapes import Body, Instant


class LinkAnswer(Body):
    """The same for every address."""

    valid_minutes: int


class MyBookingBody(Body):
    order: str
    number: str
    order_url: str
    slot: str
    service: str
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int
    state: str
    place: str
    asked_to_move: bool
    """Its order page has a question of the operator's."""
    test: bool

    @staticmethod
    def of(booking: MyBooking, order_url: str) -> "MyBookingBody":
        return MyBookingBody(
            order=booking.order_id,
            number=booking.order_number,
            order_url=order_url,
            slot=booking.slot.id,
            service=booking.slot.service,
            service_name=booking.service_name,
            starts_at=booking.slot.starts_at,
            ends_at=booking.slot.ends_at,
            seats=booking.seats,
            state=booking.state,
            place=booking.place,
            asked_to_move=booking.is_asked_to_move,
            test=booking.is_test,
        )


class MyBookingsAnswer(Body):
    bookings: tuple[MyBookingBody, ...]
    next: str | None
    """To be sent as `after` for those that start earlier."""
    expires_at: Instant
    server_now: Instant
