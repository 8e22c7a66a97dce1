"""How /v1 tells of a payment: what it has come to, what is held instead, and a move that is to be paid."""

from widget_server.domain import policies
from widget_server.domain.alternatives import Alternative
from widget_server.domain.orders import Order
from widget_server.domain.payments import AttemptState, MovePayment, OrderPayment
from widget_server.web.shapes import Body, Instant, MoneyBody


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
