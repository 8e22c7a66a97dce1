"""How /v1 tells of an order and its bookings."""

from collections.abc import Mapping

from widget_server.domain import policies
from widget_server.domain.bookings import Booking
from widget_server.domain.money import Difference, Money
from widget_server.domain.move_requests import MoveRequest
from widget_server.domain.orders import Order
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.use_cases.move_requests import Alternatives
from widget_server.web.bodies.payments import PaymentBody
from widget_server.web.shapes import Body, Instant, MoneyBody

Differences = Mapping[Slot, Difference]
"""What the customer of an order would settle for moving a booking, by its slot."""


class FreeTimeBody(Body):
    slot: str
    starts_at: Instant
    ends_at: Instant


class MoveRequestBody(Body):
    message: str
    """Of the operator; may be empty."""
    asked_at: Instant
    alternatives: tuple[FreeTimeBody, ...]
    """Free just now for as many seats, by their start."""

    @staticmethod
    def of(asked: MoveRequest, free: tuple[Slot, ...]) -> "MoveRequestBody":
        alternatives = (FreeTimeBody(slot=slot.id, starts_at=slot.starts_at, ends_at=slot.ends_at) for slot in free)
        return MoveRequestBody(message=asked.message, asked_at=asked.asked_at, alternatives=tuple(alternatives))


class AnswerBody(Body):
    question: str
    """As it was asked."""
    answer: bool | str


class CancellationBody(Body):
    at: Instant
    message: str
    """Of the operator who cancelled it; may be empty."""


class BookingBody(Body):
    slot: str
    service: str
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int
    state: str
    place: str
    access: str
    attendees: tuple[str, ...]
    served_by: tuple[str, ...]
    """Names of the staff, once it is confirmed."""
    answers: tuple[AnswerBody, ...]
    move_until: Instant
    """By its customer, as the service has it now; who is asked to move may until it starts."""
    move_request: MoveRequestBody | None
    """While the operator asks for another time."""
    cancellation: CancellationBody | None
    refund_if_cancelled: MoneyBody | None
    """What would go back if the customer cancelled this booking alone now; null where nothing was to be paid."""
    move_difference: MoneyBody
    """What its customer would settle by moving this booking alone now: less than nothing, and it goes back."""

    @staticmethod
    def of(
        booking: Booking, order: Order, schedule: Schedule, alternatives: Alternatives, differences: Differences
    ) -> "BookingBody":
        back = policies.refund_if_cancelled(order, only=booking.slot) if order.payment else None
        asked, free = booking.move_request, alternatives.get(booking.slot)
        cancelled_at = booking.cancelled_at
        return BookingBody(
            slot=booking.slot.id,
            service=booking.slot.service,
            service_name=booking.service_name,
            starts_at=booking.slot.starts_at,
            ends_at=booking.slot.ends_at,
            seats=booking.seats,
            state=booking.state,
            place=booking.place,
            access=booking.access,
            attendees=booking.attendees,
            served_by=booking.served_by,
            answers=tuple(AnswerBody(question=one.question, answer=one.answer) for one in booking.answers),
            move_until=policies.may_change_until(schedule, booking),
            move_request=MoveRequestBody.of(asked, free) if asked and free is not None else None,
            cancellation=CancellationBody(at=cancelled_at, message=booking.cancel_message) if cancelled_at else None,
            refund_if_cancelled=MoneyBody.of(back) if back else None,
            move_difference=MoneyBody.of(differences.get(booking.slot, Money(0, order.total.currency))),
        )


class OrderCustomerBody(Body):
    name: str
    email: str


class OrderCouponBody(Body):
    code: str
    discount: MoneyBody
    """What it has taken off."""

    @staticmethod
    def of(order: Order) -> "OrderCouponBody | None":
        return OrderCouponBody(code=order.coupon, discount=MoneyBody.of(order.discount)) if order.coupon else None


class OrderBody(Body):
    id: str
    number: str
    state: str
    total: MoneyBody
    """What is to be paid, or was, less what a coupon takes off."""
    coupon: OrderCouponBody | None
    payment: PaymentBody | None
    """Null where nothing was to be paid."""
    customer: OrderCustomerBody
    bookings: tuple[BookingBody, ...]
    created_at: Instant
    cancel_until: Instant | None
    """Null where nothing is left to cancel."""
    test: bool
    """Made in test mode: nobody means it."""
    erased_at: Instant | None
    """When its personal data was erased; names and address are empty then."""

    @staticmethod
    def of(
        order: Order,
        schedule: Schedule,
        alternatives: Alternatives | None = None,
        differences: Differences | None = None,
    ) -> "OrderBody":
        return OrderBody(
            id=order.id,
            number=order.number,
            state=order.state,
            total=MoneyBody.of(order.total),
            coupon=OrderCouponBody.of(order),
            payment=PaymentBody.of(order, order.payment) if order.payment else None,
            customer=OrderCustomerBody(name=order.customer.name, email=order.customer.email),
            bookings=tuple(
                BookingBody.of(booking, order, schedule, alternatives or {}, differences or {})
                for booking in order.bookings
            ),
            created_at=order.created_at,
            cancel_until=policies.cancel_until(schedule, order),
            test=order.is_test,
            erased_at=order.erased_at,
        )


class OrderAnswer(Body):
    order: OrderBody
    server_now: Instant


class ConfirmationAnswer(OrderAnswer):
    order_secret: str
    order_url: str


class CheckoutAnswer(ConfirmationAnswer):
    pay_url: str | None
    """Null where there is nothing to pay any more."""
    pay_until: Instant | None
