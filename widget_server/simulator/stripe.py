"""The only place that is Stripe in the simulation: one account, what it keeps of each call, and what it tells.

What becomes of sessions, payments and keys is decided by the pretend Stripe of the tests, on virtual time. What the
product's own gateway does besides is to speak Stripe's language, which needs no simulation and takes long.
"""

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from widget_server.domain.payments import (
    Payment,
    PaymentAccount,
    PaymentState,
    Refunded,
    RefundState,
    WantedPayment,
    at_stripe,
    from_stripe,
)
from widget_server.payments.events import EVENTS, event_of
from widget_server.payments.fake_stripe.account import Account
from widget_server.payments.fake_stripe.books import Books
from widget_server.payments.fake_stripe.faults import Call
from widget_server.payments.fake_stripe.idempotency import find_or_begin, forget_unanswered, keep
from widget_server.payments.fake_stripe.objects import Intent, Refund, Session
from widget_server.payments.fake_stripe.refusals import StripeRefusal, broken
from widget_server.payments.intents import STATES
from widget_server.simulator.till import Till
from widget_server.simulator.turns import VirtualClock

URL = "https://stripe.example"
KEYS = PaymentAccount("sk_live_of_the_simulator", "whsec_of_the_simulator")
LETTERS_MAX = 40
"""So many are on their way at a time; the oldest of more never arrive."""

_Kept = dict[str, Any]
"""Under a key: the answer, or the refusal."""
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Letter:
    """As it is posted to the webhook's address."""

    kind: str
    site: str
    body: bytes


class Stripe:
    """The one account that all sites have, with what customers do on its pages."""

    def __init__(self, clock: VirtualClock, till: Till) -> None:
        self.books = Books(clock, public_url=URL)
        self.account: Account = self.books.open_account(
            secret_key=KEYS.secret_key, webhook_secret=KEYS.webhook_secret, webhook_url=None
        )
        self.till = till
        self.letters: deque[Letter] = deque(maxlen=LETTERS_MAX)

    def collect_letters(self) -> None:
        """What has happened since somebody last looked is on its way."""
        while self.account.untold:
            event = self.account.untold.popleft()
            told = event.as_json()
            attempt = event_of(told).attempt_id
            site = self.till.site_of(attempt) if attempt else None
            if event.kind in EVENTS and site is not None:
                self.letters.append(Letter(event.kind, site, json.dumps(told).encode()))

    def once(self, call: Call, act: Callable[[int], _Result], key: str | None, sent: str, *, breaks: bool) -> _Result:
        """The same key, the same answer: also where that was a 500 after all had been done."""
        now, answers = self.books.now(), self.account.answers
        replayed = find_or_begin(answers, key, (call, sent), now) if key else None
        if replayed is not None:
            return cast("_Result", _given(replayed[1]))
        kept: _Kept
        try:
            kept = {"answer": act(now)}
        except StripeRefusal as refusal:
            kept = {"refusal": refusal}
            if key and not refusal.is_kept:
                forget_unanswered(answers, key)
        if breaks and "answer" in kept:
            kept = {"refusal": broken()}
        if key:
            keep(answers, key, (200, kept))
        return cast("_Result", _given(kept))


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _given(kept: _Kept) -> Any:
    if "refusal" in kept:
        raise kept["refusal"]
    return kept["answer"]


def page_of(wanted: WantedPayment) -> dict[str, Any]:
    names = {"attempt": wanted.attempt_id}
    return {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": line.unit_price.currency.lower(),
                    "unit_amount": at_stripe(line.unit_price),
                    "product_data": {"name": line.name},
                },
                "quantity": line.seats,
            }
            for line in wanted.lines
        ],
        "client_reference_id": wanted.attempt_id,
        "metadata": names,
        "payment_intent_data": {"metadata": names},
        "payment_method_options": {"card": {"capture_method": "manual"}},
        "customer_email": wanted.email,
        "success_url": wanted.return_url,
        "cancel_url": wanted.cancel_url,
        "expires_at": int(wanted.expires_at.timestamp()),
    }


def payment_of(session: Session) -> Payment:
    """As the product's gateway makes it of what Stripe answers."""
    state = PaymentState.OPEN if session.status == "open" else PaymentState.GONE
    known: Intent | None = session.intent
    charge = known.charge if known is not None and known.status == "succeeded" else None
    return Payment(
        session_id=session.id,
        state=state if known is None else STATES.get(known.status, state),
        url=session.url if session.status == "open" else None,
        intent_id=None if known is None else known.id,
        amount=from_stripe(session.amount, session.currency),
        captured_minor=charge.amount_captured if charge else 0,
        refunded_minor=charge.amount_refunded if charge else 0,
        attempt_id=session.reference or "",
    )


def refunded_of(refund: Refund) -> Refunded:
    state = {"succeeded": RefundState.DONE, "pending": RefundState.WAITING}.get(refund.status, RefundState.FAILED)
    return Refunded(refund.id, state, refund.failure_reason or "")
