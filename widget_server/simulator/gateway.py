"""The only place where calls reach the simulated Stripe: on their way they wait, are watched, or get lost."""

import asyncio
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from widget_server.domain.payments import Payment, PaymentAccount, PaymentEvent, PaymentState, Refunded, WantedPayment
from widget_server.errors import BadSignature, PaymentRefused, PaymentsAway, PaymentsNotSetUp, StripeSilent
from widget_server.payments.events import event_of
from widget_server.payments.fake_stripe.faults import Call
from widget_server.payments.fake_stripe.refusals import StripeRefusal
from widget_server.payments.intents import settled
from widget_server.payments.stripe_gateway import WAIT_S
from widget_server.simulator.faults import Fault, Faults
from widget_server.simulator.stripe import KEYS, Stripe, page_of, payment_of, refunded_of, sign
from widget_server.simulator.turns import Turns

TIMEOUT_S, SLOW_S_MAX = 10.0, 9.0
BUSY_FOR = timedelta(seconds=WAIT_S)
"""What the product's gateway makes of an answer that does not say how long."""
_AWAY = "The payment service cannot be reached just now."

_Result = TypeVar("_Result")


class Process(Protocol):
    """Whose calls these are."""

    name: str
    is_alive: bool

    def crash(self) -> None: ...


class SimulatedGateway:
    """One process's way to Stripe, in place of the product's own gateway."""

    def __init__(self, stripe: Stripe, process: Process, turns: Turns, faults: Faults) -> None:
        self._stripe = stripe
        self._process = process
        self._turns = turns
        self._faults = faults

    async def open(self, account: PaymentAccount, wanted: WantedPayment) -> Payment:
        def act(now: int) -> Payment:
            opened = payment_of(self._stripe.account.open_session(page_of(wanted), now))
            self._stripe.till.opened(wanted)
            return opened

        return await self._ask(account, Call.OPEN, act, key=f"{wanted.attempt_id}:open", sent=repr(wanted))

    async def read(self, account: PaymentAccount, session_id: str) -> Payment:
        return await self._ask(
            account, Call.READ, lambda now: payment_of(self._stripe.account.session(session_id, now))
        )

    async def expire(self, account: PaymentAccount, session_id: str) -> Payment:
        try:
            return await self._ask(
                account, Call.EXPIRE, lambda now: payment_of(self._stripe.account.expire(session_id, now))
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
            return refunded_of(refund)

        sent = f"{intent_id} {amount_minor}"
        return await self._ask(account, Call.REFUND, act, key=f"{refund_id}:refund", sent=sent)

    async def find_refund(self, account: PaymentAccount, intent_id: str, *, refund_id: str) -> Refunded | None:
        def act(_: int) -> Refunded | None:
            found = self._stripe.account.list_refunds({"payment_intent": intent_id, "limit": 100}).shown
            return next((refunded_of(one) for one in found if one.metadata.get("refund") == refund_id), None)

        return await self._ask(account, Call.LIST_REFUNDS, act)

    async def read_refund(self, account: PaymentAccount, stripe_id: str) -> Refunded:
        return await self._ask(
            account, Call.READ_REFUND, lambda _: refunded_of(self._stripe.account.refund_of(stripe_id))
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
        return payment_of(self._stripe.account.session(payment.session_id, now))

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
            answer = self._stripe.once(call, act, key, sent, breaks=fault is Fault.STRIPE_BREAKS)
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
            raise StripeSilent(_AWAY, BUSY_FOR)

    async def _after(self, fault: Fault | None) -> None:
        if fault is Fault.CRASH_AFTER:
            self._process.crash()
        self._must_live()
        if fault is Fault.STRIPE_SILENT:
            await self._stay_silent()

    async def _stay_silent(self) -> None:
        await asyncio.sleep(TIMEOUT_S)
        self._must_live()
        raise StripeSilent(_AWAY)

    def _must_live(self) -> None:
        if not self._process.is_alive:
            raise asyncio.CancelledError


def _as_ours(refusal: StripeRefusal) -> PaymentsAway | PaymentsNotSetUp | PaymentRefused:
    """As the product's gateway does: a lock is about one payment, all else about Stripe itself."""
    if refusal.status >= 500:
        return StripeSilent(_AWAY)
    if refusal.status in (409, 429):
        return PaymentsAway(_AWAY)
    if refusal.status in (401, 403):
        return PaymentsNotSetUp("Stripe does not take the keys of this site.")
    return PaymentRefused(refusal.message)


def _intent_id(payment: Payment) -> str:
    assert payment.intent_id is not None
    return payment.intent_id
