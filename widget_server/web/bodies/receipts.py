"""How /v1 tells what to print of an order."""

from widget_server.domain.bookings import Booking
from widget_server.domain.methods import Method
from widget_server.domain.money import Money
from widget_server.domain.payments import PaidPart, RefundState, lost_minor
from widget_server.use_cases.receipts import Receipt
from widget_server.web.bodies.orders import OrderCouponBody, OrderCustomerBody
from widget_server.web.shapes import Body, Instant, MoneyBody


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


def _shown(method: Method | None) -> str | None:
    return (method.shown or None) if method else None
