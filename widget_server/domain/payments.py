"""The only place for what paying is: an attempt, what Stripe says of it, what goes back, and what can be charged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from widget_server.domain.alternatives import Alternative
from widget_server.domain.methods import Method
from widget_server.domain.money import Money
from widget_server.domain.slots import Slot

PAYMENT_WINDOW = timedelta(minutes=15)
"""So long a checkout may stay open. Then Stripe is asked, and what it answers decides."""
MIN_LEFT = timedelta(minutes=5)
"""Whoever comes back from the pay page has their seats for so long at least."""
SESSION_LENGTH = timedelta(minutes=35)
"""Stripe keeps a session for 30 minutes at least; what is over that is for the way there. We end it much earlier."""

MINIMUM_MINOR = {
    **{"AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50},
    **{"GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50},
    **{"PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50},
}
"""The least that can be charged, in our minor units: docs.stripe.com/currencies, "Minimum and maximum charge amounts".

Of other currencies Stripe converts its minimum; there, its refusal is the answer.
"""
MAXIMUM_AT_STRIPE = 99_999_999
"""Eight digits, in Stripe's own units. Same page."""
_TWO_DECIMALS_AT_STRIPE = ("ISK", "UGX")
"""Without decimals elsewhere, but Stripe takes them in hundredths, which must be 0. Same page, "Special cases"."""
_THREE_DECIMALS = ("BHD", "JOD", "KWD", "OMR", "TND")
"""Of these Stripe takes amounts whose last digit is 0."""


class AttemptState(StrEnum):
    OPENING = "opening"
    """The row is written; nobody knows whether Stripe has heard."""
    OPEN = "open"
    """Its customer can pay."""
    OFFERING = "offering"
    """It was paid, and the seats are gone: others are held, and its customer chooses."""
    CAPTURING = "capturing"
    """Seats are booked and the order is authorised; the capture is on its way."""
    PAID = "paid"
    """Captured and confirmed."""
    RETURNING = "returning"
    """There are no seats for it: whatever was paid goes back, once."""
    ENDED = "ended"
    """Nothing was kept."""


LIVE = (AttemptState.OPENING, AttemptState.OPEN, AttemptState.CAPTURING)
"""It may still become a booking. Of a hold, one attempt at most has not ended, whichever state it is in."""


class PaymentState(StrEnum):
    """What Stripe says."""

    OPEN = "open"
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    GONE = "gone"
    """Expired, cancelled, voided: nothing was taken, and nothing can be any more."""


class RefundState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class RefundReason(StrEnum):
    CANCELLED = "cancelled"
    """Bookings of the order were."""
    OPERATOR = "operator"
    """Somebody decided so, in the admin pages."""
    AT_STRIPE = "at_stripe"
    """Somebody did it in Stripe's own pages; we noticed."""
    NO_SEATS = "no_seats"
    """It was paid, and there was no booking for it."""
    MOVED = "moved"
    """A booking moved, and its service costs less by now."""


class DisputeState(StrEnum):
    OPEN = "open"
    """The bank keeps the money until it is decided."""
    WON = "won"
    """It is the site's again."""
    LOST = "lost"
    """It has gone back to the customer."""


@dataclass(frozen=True, slots=True)
class PaymentAccount:
    """A site's keys at Stripe."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """What the pay page shows of one line."""

    name: str
    unit_price: Money
    seats: int


@dataclass(frozen=True, slots=True)
class WantedPayment:
    """What to open a session with, sent as it is: the same attempt again has to be the same in every byte."""

    attempt_id: str
    lines: tuple[PaymentLine, ...]
    amount: Money
    """The sum of the lines."""
    email: str
    locale: str
    return_url: str
    cancel_url: str
    expires_at: datetime
    """When Stripe is to end the session should nobody else do; whole seconds, far enough ahead for Stripe."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A session and its intent, as Stripe has told them."""

    session_id: str
    state: PaymentState
    url: str | None
    intent_id: str | None
    amount: Money
    captured_minor: int
    """In our minor units, like `refunded_minor`."""
    refunded_minor: int
    attempt_id: str
    method: Method | None = None
    """How it was paid, if it was and Stripe says so."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """Somebody has asked their bank to take back what they had paid."""

    id: str
    amount: Money
    state: DisputeState
    reason: str
    """As the bank says it, in one word of Stripe's."""


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """Something has happened at Stripe. What it is worth is found out by asking."""

    id: str
    intent_id: str | None
    attempt_id: str | None
    dispute: Dispute | None = None
    """What it tells of one: that is believed as it is signed, as restricted keys may not ask."""


@dataclass(frozen=True, slots=True)
class Refunded:
    """What Stripe has answered to a refund."""

    id: str
    state: RefundState
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that goes back, or has gone."""

    id: str
    amount: Money
    reason: RefundReason
    state: RefundState
    why: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """As a service was sold in an order, whatever it pays back later."""

    service: str
    refund_percent: int
    """So much goes back to customers who cancel in time."""


@dataclass(frozen=True, slots=True)
class MovePayment:
    """What a customer pays to move bookings of an order, until it is paid, and they have moved."""

    attempt_id: str
    state: AttemptState
    amount: Money
    moves: tuple[tuple[Slot, Slot], ...]
    """From where to where."""
    pay_url: str | None
    """Where its customer pays; only while they can."""
    pay_until: datetime
    was_paid: bool
    """Something had been paid, whatever became of it."""
    disputes: tuple[Dispute, ...] = ()
    """Of what was paid for it. They are none of the order's until it has moved: its own money is not with that bank."""

    @property
    def is_open(self) -> bool:
        """It may still be paid, or nobody knows yet whether it was."""
        return self.state in (AttemptState.OPENING, AttemptState.OPEN)


@dataclass(frozen=True, slots=True)
class PaidPart:
    """One payment of an order: for itself, or for what a move has cost more."""

    attempt_id: str
    amount: Money
    at: datetime
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class OrderPayment:
    """What an order shows of how it was paid, or is to be."""

    attempt_id: str
    state: AttemptState
    pay_url: str | None
    """Where its customer pays; only while they can."""
    pay_until: datetime
    was_paid: bool
    """Something had been paid, whatever became of it."""
    parts: tuple[PaidPart, ...] = ()
    """All that was paid, whatever has gone back since; the first is for the order, others are for its moves."""
    refunds: tuple[Refund, ...] = ()
    terms: tuple[Terms, ...] = ()
    """Of each of its services."""
    alternatives: tuple[Alternative, ...] = ()
    """Held for its customer, who has paid too late, and may take one of them."""
    offered_until: datetime | None = None
    came_too_late: bool = False
    """The seats that it was for were gone by then, and no others were taken in their place."""
    is_stuck: bool = False
    """Nothing becomes of the money before the site has other keys at Stripe."""
    disputes: tuple[Dispute, ...] = ()
    method: Method | None = None
    move: MovePayment | None = None
    """While one is being paid, or where the last one was paid for nothing."""

    @property
    def paid_minor(self) -> int:
        """How much was paid, whatever has gone back since."""
        return sum(part.amount.amount_minor for part in self.parts)

    @property
    def refunded_minor(self) -> int:
        """What has gone back."""
        return sum(each.amount.amount_minor for each in self.refunds if each.state is RefundState.DONE)

    @property
    def refunding_minor(self) -> int:
        """What is on its way back."""
        return sum(each.amount.amount_minor for each in self.refunds if each.state is RefundState.WAITING)

    @property
    def disputed_minor(self) -> int:
        """What a bank keeps, or has given back to the customer."""
        return sum(each.amount.amount_minor for each in self.disputes if each.state is not DisputeState.WON)

    @property
    def left_minor(self) -> int:
        """What was paid and has not gone back, nor is on its way, nor with a bank."""
        return max(0, self.paid_minor - self.refunded_minor - self.refunding_minor - self.disputed_minor)

    @property
    def refused_minor(self) -> int:
        """What was to go back, was refused, and is still owed."""
        owed = still_refused(self.refunds, self.disputes, paid_minor=self.paid_minor)
        return sum(each.amount.amount_minor for each in owed)


_GIVEN_BACK = (RefundReason.OPERATOR, RefundReason.AT_STRIPE)


def still_refused(refunds: Sequence[Refund], disputes: Sequence[Dispute], *, paid_minor: int) -> list[Refund]:
    """Those that Stripe or a bank has refused, of one payment and the oldest first, each with what is owed of it yet.

    Of what a bank has given back by a dispute that was lost, nothing is owed. What somebody has given back later makes
    up for one that is no larger than it is; what goes back for a cancellation or a move is for that alone. And of what
    was paid, no more is owed than has neither gone back nor is on its way, in however many parts.
    """
    by_bank, owed = lost_minor(disputes), list[Refund]()
    back = by_bank + sum(each.amount.amount_minor for each in refunds if each.state is not RefundState.FAILED)
    for refund in refunds:
        if refund.state is RefundState.FAILED:
            made_up = min(by_bank, refund.amount.amount_minor)
            by_bank -= made_up
            if made_up < refund.amount.amount_minor:
                owed.append(replace(refund, amount=refund.amount.less(made_up)))
        elif fitting := [each for each in owed if _may_make_up(refund, each)]:
            owed.remove(max(fitting, key=lambda each: each.amount.amount_minor))
    return _at_most(owed, max(0, paid_minor - back))


def _may_make_up(refund: Refund, refused: Refund) -> bool:
    """Parts of one refund, of two payments, were made in the same moment."""
    is_later = refund.created_at > refused.created_at
    return refund.reason in _GIVEN_BACK and is_later and refused.amount.amount_minor <= refund.amount.amount_minor


def _at_most(owed: Sequence[Refund], minor: int) -> list[Refund]:
    """The newest of them, as far as that goes."""
    kept = list[Refund]()
    for each in reversed(owed):
        part = min(each.amount.amount_minor, minor)
        minor -= part
        if part:
            kept.append(replace(each, amount=Money(part, each.amount.currency)))
    return kept[::-1]


def lost_minor(disputes: Iterable[Dispute]) -> int:
    """What banks have given back to the customer for good."""
    return sum(each.amount.amount_minor for each in disputes if each.state is DisputeState.LOST)


def why_not_chargeable(amount: Money) -> str | None:
    """One sentence where Stripe would not take such an amount; None where it may. A price of 0 needs no payment."""
    if amount.is_free:
        return None
    least = MINIMUM_MINOR.get(amount.currency, 1)
    if amount.amount_minor < least:
        return "This is less than can be charged in this currency."
    if at_stripe(amount) > MAXIMUM_AT_STRIPE:
        return "This is more than can be charged at once."
    if not is_whole(amount):
        return "Amounts of this currency must end in 0 to be charged."
    return None


def is_whole(amount: Money) -> bool:
    """Whether Stripe can charge or refund it: of three decimals, the last must be 0."""
    return amount.amount_minor % step_of(amount.currency) == 0


def at_stripe(amount: Money) -> int:
    """As Stripe counts it: our minor units, but for currencies that are special there."""
    return amount.amount_minor * _factor(amount.currency)


def from_stripe(amount: int, currency: str) -> Money:
    """The other way round; `currency` in capitals or not."""
    return Money(amount // _factor(currency.upper()), currency.upper())


def share(amount: Money, percent: int) -> Money:
    """So much of an amount, rounded in favour of whoever gets it, to what can be refunded."""
    assert 0 <= percent <= 100
    step = step_of(amount.currency)
    exact = amount.amount_minor * percent
    return Money(min(-(-exact // (100 * step)) * step, amount.amount_minor), amount.currency)


def goes_back(parts: Iterable[tuple[Money, int]], left: Money) -> Money:
    """For bookings that are cancelled: so many percent of what was paid for each, and no more than is left of all."""
    back = sum(share(paid, percent).amount_minor for paid, percent in parts)
    return Money(min(back, left.amount_minor), left.currency)


def _factor(currency: str) -> int:
    return 100 if currency in _TWO_DECIMALS_AT_STRIPE else 1


def step_of(currency: str) -> int:
    """All amounts that Stripe takes of a currency are multiples of it, in our minor units."""
    return 10 if currency in _THREE_DECIMALS else 1
