"""The story of a checkout: from a hold to a pay page, and back without having paid."""

from dataclasses import dataclass
from datetime import datetime

from widget_server.domain.bookings import Customer
from widget_server.domain.holds import Hold, Line
from widget_server.domain.orders import Order
from widget_server.use_cases.pinning import HoldRef, OrderRef, Pinning, Visit


@dataclass(frozen=True, slots=True)
class WantedCheckout:
    """As `WantedConfirmation`. An address is needed: without one, nobody could be told that their money goes back."""

    customer: Customer
    attendees: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    """What the customer saw; never empty."""
    visit: Visit
    digest: str
    """All that was sent, in one text: the same again gets the same pay page."""


@dataclass(frozen=True, slots=True)
class CheckoutBegun:
    order: Order
    """In the state open, or further on where it was paid meanwhile."""
    secret: str
    """Of the order; the link of the order has another one."""
    pay_url: str | None
    """None where there is nothing to pay any more."""
    pay_until: datetime
    now: datetime


class Checkout(Pinning):
    async def begin(self, ref: HoldRef, wanted: WantedCheckout) -> CheckoutBegun:
        """Pin the hold for the payment window and open a page to pay it; holds that are not there are taken.

        The same call again gets the same page, and goes on where an earlier one was stopped. With another body, the
        earlier page is ended at Stripe first; if it was paid by then, that is the answer. Raises what `confirm` raises,
        InvalidRequest for what costs nothing, less than can be charged, or has no address; PaymentsNotSetUp;
        PaymentsAway, after which the same call again goes on; PaymentRefused, after which the hold is a hold again.
        """
        raise NotImplementedError

    async def go_back(self, ref: HoldRef) -> Hold:
        """End the page at Stripe, and have the hold back, with MIN_LEFT at least; without a page open, as it is.

        Raises Paying where Stripe says that it was paid: then the order is the answer. PaymentsAway: it is found out
        by the worker, or by the same call again. NotFound, NotYours.
        """
        raise NotImplementedError

    async def find_order(self, ref: OrderRef) -> Order:
        """As `Bookings.find_order`, also while it is not paid yet, or where nothing came of that.

        Then `order.payment` says how it stands, and its bookings are `confirming`, or `cancelled`, without access.
        """
        raise NotImplementedError

    async def ask(self, ref: OrderRef) -> Order:
        """Have Stripe asked how an unpaid order stands, unless that was two seconds ago or less; then as `find_order`.

        Raises NotFound. Where Stripe is away, the order is as it is.
        """
        raise NotImplementedError
