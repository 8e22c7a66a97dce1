"""What an operator sees of the money of an order, and giving some of it back."""

from contextlib import suppress
from typing import Any

from starlette.requests import Request

from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.money import Money
from widget_server.domain.orders import Order
from widget_server.domain.payments import AttemptState, DisputeState, RefundReason, RefundState
from widget_server.errors import InvalidRequest, NotFound
from widget_server.use_cases.edits import key_of_form
from widget_server.web.admin.prices import minor_of, typed_price
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.writing import money
from widget_server.web.context import use_cases
from widget_server.web.forms import Form, form_id

PAYMENT_STATES = {
    AttemptState.OPENING: "Being begun",
    AttemptState.OPEN: "Waiting for the customer",
    AttemptState.CAPTURING: "Authorised, just being taken",
    AttemptState.PAID: "Paid",
    AttemptState.RETURNING: "On its way back: the seats were gone",
    AttemptState.ENDED: "Nothing was kept",
}
REFUND_REASONS = {
    RefundReason.CANCELLED: "for what was cancelled",
    RefundReason.OPERATOR: "as an operator decided",
    RefundReason.AT_STRIPE: "in Stripe's own pages",
    RefundReason.NO_SEATS: "as the seats were gone",
    RefundReason.MOVED: "as it moved, and costs less by now",
}
REFUND_STATES = {
    RefundState.WAITING: "On its way",
    RefundState.DONE: "Paid back",
    RefundState.FAILED: "Refused by Stripe",
}
DISPUTE_STATES = {
    DisputeState.OPEN: "Not decided yet",
    DisputeState.WON: "Won",
    DisputeState.LOST: "Lost",
}
_IS_NO_AMOUNT = "Say how much goes back, as an amount such as {}."


async def give_back(request: Request, at: AtSite, form: Form) -> None:
    """As the form says. Raises NotFound; InvalidRequest for what is no amount, or more than is left."""
    order, _ = await use_cases(request).dashboard.order(at.site, request.path_params["order"])
    minor, currency = minor_of(form.text("amount"), order.total.currency), order.total.currency
    if not minor:
        raise InvalidRequest(_IS_NO_AMOUNT.format(typed_price(order.total.amount_minor, currency)))
    wanted = Money(minor, currency)
    await use_cases(request).refunding.refund(at.site.id, order.id, wanted, entry=_entry(request, at, form, wanted))


async def money_of(request: Request, at: AtSite, order: Order, form: Form | None) -> dict[str, Any]:
    """For the order's page: what is left of what was paid, and a form to give it back, with what was typed into it."""
    left = await _left(request, at, order)
    typed = form if form is not None else Form({"amount": typed_price(left.amount_minor, left.currency)})
    form_id(typed)
    return {
        "left": left,
        "paid": Money(order.payment.paid_minor if order.payment else 0, order.total.currency),
        "refund_form": typed,
        "payment_states": PAYMENT_STATES,
        "refund_reasons": REFUND_REASONS,
        "refund_states": REFUND_STATES,
        "dispute_states": DISPUTE_STATES,
    }


async def _left(request: Request, at: AtSite, order: Order) -> Money:
    if order.payment is not None:
        with suppress(NotFound):  # nothing was paid
            return await use_cases(request).refunding.left(at.site.id, order.id)
    return Money(0, order.total.currency)


def _entry(request: Request, at: AtSite, form: Form, wanted: Money) -> Entry:
    return Entry(
        site_id=at.site.id,
        operator_id=at.signed_in.operator.id,
        deed=Deed.REFUNDED,
        at=use_cases(request).dashboard.now(),
        about=request.path_params["order"],
        detail={"amount": money(wanted)},
        form_key=key_of_form(form_id(form), request.path_params["order"], wanted),
    )
