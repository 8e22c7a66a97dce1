"""The only place where calls reach the simulated Stripe: on their way they wait, are watched, or get lost.

What becomes of sessions, payments and keys is decided by the pretend Stripe of the tests, on virtual time. What the
product's own gateway does besides is to speak Stripe's language, which needs no simulation and takes long.
"""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from widget_server.domain.payments import (
    Payment,
    PaymentAccount,
    PaymentEvent,
    PaymentState,
    Refunded,
    RefundState,
    WantedPayment,
    at_stripe,
    from_stripe,
)
from widget_server.errors import BadSignature, PaymentRefused, PaymentsAway, PaymentsNotSetUp
from widget_server.payments.events import EVENTS, event_of
from widget_server.payments.fake_stripe.account import Account
from widget_server.payments.fake_stripe.books import Books
from widget_server.payments.fake_stripe.faults import Call
from widget_server.payments.fake_stripe.idempotency import find_or_begin, forget_unanswered, keep
from widget_server.payments.fake_stripe.objects import Intent, Refund, Session
from widget_server.payments.fake_stripe.refusals import StripeRefusal, broken
from widget_server.payments.intents import STATES, settled
from widget_server.simulator.faults import Fault, Faults
from widget_server.simulator.till import Till
from widget_server.simulator.turns import Turns, VirtualClock

TIMEOUT_S, SLOW_S_MAX = 10.0, 9.0
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


class Process(Protocol):
    """Whose calls these are."""

    name: str
    is_alive: bool

    def crash(self) -> None: ...


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

    def now(self) -> int:
        return self.books.now()


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class SimulatedGateway:
    """One process's way to Stripe, in place of the product's own gateway."""

    def __init__(self, stripe: Stripe, process: Process, turns: Turns, faults: Faults) -> None:
        self._stripe = stripe
        self._process = process
        self._turns = turns
        self._faults = faults

    async def open(self, account: PaymentAccount, wanted: WantedPayment) -> Payment:
        def act(now: int) -> Payment:
            opened = _payment(self._stripe.account.open_session(_page_of(wanted), now))
            self._stripe.till.opened(wanted)
            return opened

        return await self._ask(account, Call.OPEN, act, key=f"{wanted.attempt_id}:open", sent=repr(wanted))

    async def read(self, account: PaymentAccount, session_id: str) -> Payment:
        return await self._ask(account, Call.READ, lambda now: _payment(self._stripe.account.session(session_id, now)))

    async def expire(self, account: PaymentAccount, session_id: str) -> Payment:
        try:
            return await self._ask(
                account, Call.EXPIRE, lambda now: _payment(self._stripe.account.expire(session_id, now))
            )
        except PaymentRefused:
            return await self.read(account, session_id)

    async def capture(self, account: PaymentAccount, payment: Payment, *, attempt_id: str) -> Payment:
        def act(now: int) -> Payment:
            self._stripe.account.capture(_intent_id(payment), {}, now)
            self._stripe.till.captured(attempt_id)
            return self._present(payment, now)

        captured = await self._settled(
            account, payment, Call.CAPTURE, act, key=f"{attempt_id}:capture", wanted=PaymentState.CAPTURED
        )
        if captured.state is PaymentState.GONE:
            raise PaymentRefused("The payment can no longer be captured: its authorisation has ended.")
        return captured

    async def void(self, account: PaymentAccount, payment: Payment, *, attempt_id: str) -> Payment:
        def act(now: int) -> Payment:
            self._stripe.account.cancel(_intent_id(payment), {}, now)
            self._stripe.till.voided(attempt_id)
            return self._present(payment, now)

        return await self._settled(
            account, payment, Call.CANCEL, act, key=f"{attempt_id}:void", wanted=PaymentState.GONE
        )

    async def refund(self, account: PaymentAccount, intent_id: str, amount_minor: int, *, refund_id: str) -> Refunded:
        def act(now: int) -> Refunded:
            wanted = {"payment_intent": intent_id, "amount": amount_minor, "metadata": {"refund": refund_id}}
            refund = self._stripe.account.refund(wanted, now)
            self._stripe.till.refunded(refund_id, amount_minor)
            return _refunded(refund)

        sent = f"{intent_id} {amount_minor}"
        return await self._ask(account, Call.REFUND, act, key=f"{refund_id}:refund", sent=sent)

    async def read_refund(self, account: PaymentAccount, stripe_id: str) -> Refunded:
        return await self._ask(
            account, Call.READ_REFUND, lambda _: _refunded(self._stripe.account.refund_of(stripe_id))
        )

    def read_event(self, account: PaymentAccount, body: bytes, signature: str) -> PaymentEvent:
        if not hmac.compare_digest(signature, sign(body, account.webhook_secret)):
            raise BadSignature("This is not signed as Stripe would have signed it just now.")
        return event_of(json.loads(body))

    async def _settled(
        self,
        account: PaymentAccount,
        payment: Payment,
        call: Call,
        act: Callable[[int], Payment],
        *,
        key: str,
        wanted: PaymentState,
    ) -> Payment:
        async def read() -> Payment:
            return await self._ask(account, Call.READ_INTENT, lambda now: self._present(payment, now))

        return await settled(lambda: self._ask(account, call, act, key=key), read, wanted=wanted)

    def _present(self, payment: Payment, now: int) -> Payment:
        return _payment(self._stripe.account.session(payment.session_id, now))

    async def _ask(
        self,
        account: PaymentAccount,
        call: Call,
        act: Callable[[int], _Result],
        *,
        key: str | None = None,
        sent: str = "",
    ) -> _Result:
        assert account.secret_key == KEYS.secret_key
        await self._turns.turn()
        self._must_live()
        fault = self._faults.at_stripe()
        await self._before(fault)
        try:
            answer = self._once(call, act, key, sent, breaks=fault is Fault.STRIPE_BREAKS)
        except StripeRefusal as refusal:
            raise _as_ours(refusal) from None
        finally:
            self._stripe.collect_letters()
        await self._after(fault)
        return answer

    async def _before(self, fault: Fault | None) -> None:
        if fault is Fault.CRASH_BEFORE:
            self._process.crash()
        self._must_live()
        if fault is Fault.STRIPE_SLOW:
            await asyncio.sleep(SLOW_S_MAX)
            self._must_live()
        if self._faults.is_stripe_away or fault is Fault.STRIPE_UNHEARD:
            await self._stay_silent()
        if fault is Fault.STRIPE_BUSY:
            raise PaymentsAway("The payment service cannot be reached just now.")

    async def _after(self, fault: Fault | None) -> None:
        if fault is Fault.CRASH_AFTER:
            self._process.crash()
        self._must_live()
        if fault is Fault.STRIPE_SILENT:
            await self._stay_silent()

    async def _stay_silent(self) -> None:
        await asyncio.sleep(TIMEOUT_S)
        self._must_live()
        raise PaymentsAway("The payment service cannot be reached just now.")

    def _once(self, call: Call, act: Callable[[int], _Result], key: str | None, sent: str, *, breaks: bool) -> _Result:
        """The same key, the same answer: also where that was a 500 after all had been done."""
        now, answers = self._stripe.now(), self._stripe.account.answers
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

    def _must_live(self) -> None:
        if not self._process.is_alive:
            raise asyncio.CancelledError


def _given(kept: _Kept) -> Any:
    if "refusal" in kept:
        raise kept["refusal"]
    return kept["answer"]


def _as_ours(refusal: StripeRefusal) -> PaymentsAway | PaymentsNotSetUp | PaymentRefused:
    if refusal.status in (409, 429) or refusal.status >= 500:
        return PaymentsAway("The payment service cannot be reached just now.")
    if refusal.status in (401, 403):
        return PaymentsNotSetUp("Stripe does not take the keys of this site.")
    return PaymentRefused(refusal.message)


def _page_of(wanted: WantedPayment) -> dict[str, Any]:
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


def _payment(session: Session) -> Payment:
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


def _refunded(refund: Refund) -> Refunded:
    state = {"succeeded": RefundState.DONE, "pending": RefundState.WAITING}.get(refund.status, RefundState.FAILED)
    return Refunded(refund.id, state, refund.failure_reason or "")


def _intent_id(payment: Payment) -> str:
    assert payment.intent_id is not None
    return payment.intent_id
