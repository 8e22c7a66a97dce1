"""The only place for how /v1 answers what is held, ordered, paid and refused. Tables are elsewhere."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from widget_server.clock import iso
from widget_server.domain import policies
from widget_server.domain.alternatives import Alternative
from widget_server.domain.bookings import Booking
from widget_server.domain.holds import Hold
from widget_server.domain.methods import Method
from widget_server.domain.money import Difference, Money
from widget_server.domain.move_requests import MoveRequest
from widget_server.domain.my_bookings import MyBooking
from widget_server.domain.orders import Order
from widget_server.domain.payments import AttemptState, MovePayment, OrderPayment, PaidPart, RefundState, lost_minor
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.use_cases.coupons import Quote
from widget_server.use_cases.move_requests import Alternatives
from widget_server.use_cases.receipts import Receipt
from widget_server.web.shapes import Body, Instant, LineBody, MoneyBody

Differences = Mapping[Slot, Difference]
"""What the customer of an order would settle for moving a booking, by its slot."""


_told = lru_cache(64)(iso)
"""Of all that is granted in the same millisecond, most tells the same instants."""


class HoldBody(Body):
    id: str
    state: str
    lines: tuple[LineBody, ...]
    expires_at: Instant
    limit_at: Instant
    version: int


class HoldAnswer(Body):
    hold: HoldBody
    server_now: Instant

    @staticmethod
    def json_of(hold: Hold) -> bytes:
        """Written past the models: this is the hot path, and ids, states and instants have nothing to be escaped."""
        lines = ",".join([f'{{"slot":"{line.slot.id}","seats":{line.seats}}}' for line in hold.lines])
        until = f'"expires_at":"{_told(hold.expires_at)}","limit_at":"{_told(hold.limit_at)}"'
        body = f'{{"id":"{hold.id}","state":"{hold.state}","lines":[{lines}],{until},"version":{hold.version}}}'
        return f'{{"hold":{body},"server_now":"{_told(hold.now)}"}}'.encode()


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


class OfferedTimeBody(Body):
    slot: str
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int


class OfferedBody(Body):
    """Seats that are held for whoever has paid too late for others."""

    id: str
    times: tuple[OfferedTimeBody, ...]
    """One for each booking that was wanted, in their order."""

    @staticmethod
    def of(order: Order, offered: Alternative) -> "OfferedBody":
        wanted = zip(order.bookings, offered.slots, strict=True)
        return OfferedBody(
            id=offered.hold_id,
            times=tuple(
                OfferedTimeBody(
                    slot=slot.id,
                    service_name=booking.service_name,
                    starts_at=slot.starts_at,
                    ends_at=slot.ends_at,
                    seats=booking.seats,
                )
                for booking, slot in wanted
            ),
        )


class MovedTimeBody(Body):
    slot: str
    starts_at: Instant
    ends_at: Instant
    leaves: str
    """The slot where the booking is until then."""


class MovePaymentBody(Body):
    state: AttemptState
    amount: MoneyBody
    """What it costs more."""
    times: tuple[MovedTimeBody, ...]
    """Of those bookings that are to move."""
    pay_url: str | None
    """Where its customer pays, while they can; to be opened in a tab of its own."""
    pay_until: Instant

    @staticmethod
    def of(move: MovePayment) -> "MovePaymentBody":
        return MovePaymentBody(
            state=move.state,
            amount=MoneyBody.of(move.amount),
            times=tuple(
                MovedTimeBody(slot=to.id, starts_at=to.starts_at, ends_at=to.ends_at, leaves=leaves.id)
                for leaves, to in move.moves
            ),
            pay_url=move.pay_url,
            pay_until=move.pay_until,
        )


class PaymentBody(Body):
    state: AttemptState
    pay_url: str | None
    """Where its customer pays, while they can; to be opened in a tab of its own."""
    pay_until: Instant
    paid: MoneyBody
    """What was taken, whatever has gone back since."""
    refunding: MoneyBody
    """What is on its way back."""
    refunded: MoneyBody
    """What has gone back."""
    refund_refused: MoneyBody
    """What was to go back, and could not: the operator knows, and sees to it."""
    refund_if_cancelled: MoneyBody
    """What would go back if the customer cancelled all of the order now."""
    offered: tuple[OfferedBody, ...]
    """Where it was paid too late: what is held for its customer, to choose from."""
    offered_until: Instant | None
    """Then they are free again, and the money goes back."""
    too_late: bool
    """Its seats were gone when it was paid; false where money goes back for another reason."""
    delayed: bool
    """It was paid, and the site's keys cannot take the money: it goes on once the operator has mended them."""
    move: MovePaymentBody | None
    """While a move is being paid, or where the last one was paid and could not be made: then its money goes back."""

    @staticmethod
    def of(order: Order, payment: OrderPayment) -> "PaymentBody":
        total = order.total

        def money(amount: int) -> MoneyBody:
            return MoneyBody(amount=amount, currency=total.currency)

        return PaymentBody(
            state=payment.state,
            pay_url=payment.pay_url,
            pay_until=payment.pay_until,
            paid=money(payment.paid_minor),
            refunding=money(payment.refunding_minor),
            refunded=money(payment.refunded_minor),
            refund_refused=money(payment.refused_minor),
            refund_if_cancelled=MoneyBody.of(policies.refund_if_cancelled(order)),
            offered=tuple(OfferedBody.of(order, each) for each in payment.alternatives),
            offered_until=payment.offered_until,
            too_late=payment.came_too_late,
            delayed=payment.is_stuck,
            move=MovePaymentBody.of(payment.move) if payment.move else None,
        )


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


class SellerBody(Body):
    name: str
    about: str
    """In lines: an address, a tax number. May be empty."""


class ReceiptLineBody(Body):
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int
    unit_price: MoneyBody
    price: MoneyBody
    """Of all seats, before a coupon."""
    state: str

    @staticmethod
    def of(booking: Booking, currency: str) -> "ReceiptLineBody":
        each = Money(booking.unit_price_minor, currency)
        return ReceiptLineBody(
            service_name=booking.service_name,
            starts_at=booking.slot.starts_at,
            ends_at=booking.slot.ends_at,
            seats=booking.seats,
            unit_price=MoneyBody.of(each),
            price=MoneyBody.of(each.times(booking.seats)),
            state=booking.state,
        )


class RefundBody(Body):
    amount: MoneyBody
    at: Instant
    state: RefundState


class PaidBody(Body):
    amount: MoneyBody
    at: Instant
    paid_by: str | None

    @staticmethod
    def of(part: PaidPart) -> "PaidBody":
        return PaidBody(amount=MoneyBody.of(part.amount), at=part.at, paid_by=_shown(part.method))


def _shown(method: Method | None) -> str | None:
    return (method.shown or None) if method else None


class ReceiptBody(Body):
    number: str
    """Of the order."""
    receipt_number: str
    """Its own: another one with whatever has changed on it."""
    ordered_at: Instant
    seller: SellerBody
    customer: OrderCustomerBody
    lines: tuple[ReceiptLineBody, ...]
    coupon: OrderCouponBody | None
    total: MoneyBody
    tax: str
    """What the seller says about taxes; may be empty."""
    paid: MoneyBody
    paid_by: str | None
    """Such as "Visa •••• 4242"; null where nobody knows, or nothing was to be paid."""
    payments: tuple[PaidBody, ...]
    """Of which that is the sum: for the order, and for moves that have cost more."""
    refunds: tuple[RefundBody, ...]
    disputed: MoneyBody
    """What a bank has given back, as its customer asked it to."""
    test: bool

    @staticmethod
    def of(receipt: Receipt) -> "ReceiptBody":
        order, site, payment = receipt.order, receipt.site, receipt.order.payment
        refunds = [one for one in payment.refunds if one.state is not RefundState.FAILED] if payment else []
        disputed = lost_minor(payment.disputes) if payment else 0
        return ReceiptBody(
            number=order.number,
            receipt_number=receipt.number,
            ordered_at=order.created_at,
            seller=SellerBody(name=site.name, about=site.receipt_seller),
            customer=OrderCustomerBody(name=order.customer.name, email=order.customer.email),
            lines=tuple(ReceiptLineBody.of(booking, order.total.currency) for booking in order.bookings),
            coupon=OrderCouponBody.of(order),
            total=MoneyBody.of(order.total),
            tax=site.receipt_tax,
            paid=MoneyBody(
                amount=payment.paid_minor if payment else order.total.amount_minor, currency=order.total.currency
            ),
            paid_by=_shown(payment.method) if payment else None,
            payments=tuple(PaidBody.of(one) for one in payment.parts) if payment else (),
            refunds=tuple(
                RefundBody(amount=MoneyBody.of(one.amount), at=one.created_at, state=one.state) for one in refunds
            ),
            disputed=MoneyBody(amount=disputed, currency=order.total.currency),
            test=order.is_test,
        )


class ReceiptAnswer(Body):
    receipt: ReceiptBody
    server_now: Instant


class ConfirmationAnswer(OrderAnswer):
    order_secret: str
    order_url: str


class CheckoutAnswer(ConfirmationAnswer):
    pay_url: str | None
    """Null where there is nothing to pay any more."""
    pay_until: Instant | None


class QuoteAnswer(Body):
    coupon: str
    """As its operator wrote it."""
    full: MoneyBody
    """Without it."""
    discount: MoneyBody
    total: MoneyBody

    @staticmethod
    def of(quote: Quote) -> "QuoteAnswer":
        return QuoteAnswer(
            coupon=quote.coupon,
            full=MoneyBody.of(quote.full),
            discount=MoneyBody.of(quote.discount),
            total=MoneyBody.of(quote.total),
        )


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


class ErrorBody(BaseModel):
    model_config = ConfigDict(extra="allow")
    code: str
    message: str


class ErrorAnswer(Body):
    error: ErrorBody


def error(code: str, message: str, **details: Any) -> dict[str, Any]:
    """The one shape of every error under /v1."""
    return {"error": {"code": code, "message": message, **details}}
