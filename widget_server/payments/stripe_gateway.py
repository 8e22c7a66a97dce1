"""The only place that speaks with Stripe, and the only import of its package.

Whatever moves money carries a key of its own, such as `<attempt>:capture`, so that the same again is done once. The
package itself tries nothing again: it would sleep while a customer waits, and the worker asks again anyway, with the
same key and with pauses that outlive a restart.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import stripe

from widget_server.domain.methods import BRAND_LENGTH_MAX, LAST4_LENGTH, TYPE_LENGTH_MAX, Method
from widget_server.domain.money import Money
from widget_server.domain.payments import (
    Payment,
    PaymentAccount,
    PaymentEvent,
    PaymentLine,
    PaymentState,
    Refunded,
    RefundState,
    WantedPayment,
    at_stripe,
    from_stripe,
)
from widget_server.errors import (
    BadSignature,
    InvalidRequest,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotSetUp,
    StripeSilent,
)
from widget_server.payments.events import event_of
from widget_server.payments.intents import STATES, settled
from widget_server.payments.pay_pages import TAKE_DAYS, language

API_VERSION = "2026-10-28.endive"
"""The one that the pinned package was made for: Stripe answers in its shapes, whatever the account's own version is."""
TIMEOUT_S = 10.0
SIGNATURE_AGE_S_MAX = 300
WAIT_S, WAIT_S_MAX = 2, 60
"""Where it was asked too much and does not say for how long to wait; and how long we wait at most if it does."""
_NOT_THERE = "not_there"
_SESSION: list[str] = ["payment_intent.latest_charge"]
_INTENT: list[str] = ["latest_charge"]


class StripeGateway:
    """One for the whole process, for all accounts. Each call says whose it is.

    Every method may raise PaymentsAway, when nobody knows what Stripe has done, and PaymentsNotSetUp, when Stripe does
    not take the account's keys. Stripe's definite no is PaymentRefused, with Stripe's own sentence.
    """

    def __init__(self, *, api_url: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """`api_url` is None for Stripe itself."""
        _hush()
        self._api_url, self._timeout_s = api_url, timeout_s
        self._http = stripe.HTTPXClient(timeout=timeout_s)

    async def open(self, account: PaymentAccount, wanted: WantedPayment) -> Payment:
        """A pay page. The same again is the same page, as long as Stripe remembers: a day."""
        options = _key(wanted.attempt_id, "open")
        async with self._asking():
            session = await self._client(account).v1.checkout.sessions.create_async(_page_of(wanted), options)
        return _payment(session)

    async def read(self, account: PaymentAccount, session_id: str) -> Payment:
        async with self._asking():
            session = await self._client(account).v1.checkout.sessions.retrieve_async(session_id, {"expand": _SESSION})
        return _payment(session)

    async def expire(self, account: PaymentAccount, session_id: str) -> Payment:
        """Nobody can pay it any more. Where somebody has, that is the answer. Again changes nothing."""
        try:
            async with self._asking():
                sessions = self._client(account).v1.checkout.sessions
                return _payment(await sessions.expire_async(session_id, {"expand": _SESSION}))
        except PaymentRefused:  # it is not open: so what is it?
            return await self.read(account, session_id)

    async def capture(self, account: PaymentAccount, payment: Payment, *, attempt_id: str) -> Payment:
        """All of it. Again, or where somebody has captured it in Stripe's pages, is the same CAPTURED.

        Raises PaymentRefused if nothing was taken and nothing can be, as when the authorisation has lapsed.
        """
        options = _key(attempt_id, "capture")
        captured = await self._settled(
            account,
            payment,
            lambda intents, intent_id: intents.capture_async(intent_id, {"expand": _INTENT}, options),
            wanted=PaymentState.CAPTURED,
        )
        if captured.state is PaymentState.GONE:
            raise PaymentRefused("The payment can no longer be captured.", reason="its authorisation has ended")
        return captured

    async def void(self, account: PaymentAccount, payment: Payment, *, attempt_id: str) -> Payment:
        """Give an authorisation back: GONE, also again. CAPTURED if it was captured before."""
        options = _key(attempt_id, "void")
        return await self._settled(
            account,
            payment,
            lambda intents, intent_id: intents.cancel_async(intent_id, {"expand": _INTENT}, options),
            wanted=PaymentState.GONE,
        )

    async def refund(self, account: PaymentAccount, intent_id: str, amount_minor: int, *, refund_id: str) -> Refunded:
        """Give back so much, in our minor units. The same again gives back nothing more."""
        async with self._asking():
            client = self._client(account).v1
            intent = await client.payment_intents.retrieve_async(intent_id)
            amount = at_stripe(Money(amount_minor, intent.currency.upper()))
            refund = await client.refunds.create_async(
                {"payment_intent": intent_id, "amount": amount, "metadata": {"refund": refund_id}},
                _key(refund_id, "refund"),
            )
        return _refunded(refund)

    async def find_refund(self, account: PaymentAccount, intent_id: str, *, refund_id: str) -> Refunded | None:
        """What has become of one that nobody knows whether it was made: each has our id. None: it was not."""
        async with self._asking():
            refunds = self._client(account).v1.refunds
            found = await refunds.list_async({"payment_intent": intent_id, "limit": 100})
            async for refund in found.auto_paging_iter():
                if (refund.to_dict().get("metadata") or {}).get("refund") == refund_id:
                    return _refunded(refund)
        return None

    async def read_refund(self, account: PaymentAccount, stripe_id: str) -> Refunded:
        """What has become of a refund that was waiting. `stripe_id` is what `refund` has answered."""
        async with self._asking():
            return _refunded(await self._client(account).v1.refunds.retrieve_async(stripe_id))

    async def attempt_of(self, account: PaymentAccount, intent_id: str) -> str | None:
        """Which attempt a payment is of, as its page was opened with it; None for what is not ours, or not there."""
        try:
            async with self._asking():
                intent = await self._client(account).v1.payment_intents.retrieve_async(intent_id)
        except PaymentRefused:
            return None
        attempt_id: str | None = (intent.to_dict().get("metadata") or {}).get("attempt")
        return attempt_id

    def read_event(self, account: PaymentAccount, body: bytes, signature: str) -> PaymentEvent:
        """What a webhook was told. Raises BadSignature for what Stripe has not signed in the last five minutes."""
        if not account.webhook_secret:  # what is signed with nothing could be from anybody
            raise BadSignature("There is no signing secret that this could be signed with.")
        try:
            stripe.WebhookSignature.verify_header(body, signature, account.webhook_secret, SIGNATURE_AGE_S_MAX)
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):  # of letters that are not compared
            raise BadSignature("This is not signed as Stripe would have signed it just now.") from None
        try:
            return event_of(json.loads(body))
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):  # its owner knows the secret, too
            raise InvalidRequest("This is no event of Stripe's.") from None

    async def check(self, account: PaymentAccount) -> str:
        """The name of the business whose keys these are, or its id if it has none; empty where they may not know it.

        Wants something done with what is not there: of a restricted key that is how to learn what it may do, without
        doing anything.
        """
        client = self._client(account).v1
        await self._may(client.checkout.sessions.expire_async(_NOT_THERE))
        await self._may(client.payment_intents.cancel_async(_NOT_THERE))
        await self._may(client.refunds.create_async({"payment_intent": _NOT_THERE}))
        try:
            async with self._asking():
                business = await client.accounts.retrieve_current_async()
        except PaymentsNotSetUp:
            return ""  # it is known to Stripe, and good for payments; few restricted keys may read this
        settings, profile = getattr(business, "settings", None), getattr(business, "business_profile", None)
        shown = getattr(getattr(settings, "dashboard", None), "display_name", None)
        return shown or getattr(profile, "name", None) or business.id

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def _may(self, asked: Awaitable[object]) -> None:
        """Raises PaymentsNotSetUp unless Stripe would have answered, had there been anything."""
        with suppress(PaymentRefused):
            async with self._asking():
                await asked

    def _client(self, account: PaymentAccount) -> stripe.StripeClient:
        addresses: Any = {"api": self._api_url} if self._api_url else {}
        return stripe.StripeClient(
            account.secret_key,
            stripe_version=API_VERSION,
            base_addresses=addresses,
            max_network_retries=0,
            http_client=self._http,
        )

    async def _settled(self, account: PaymentAccount, payment: Payment, ask: Any, *, wanted: PaymentState) -> Payment:
        assert payment.intent_id is not None
        intent_id = payment.intent_id

        async def asked() -> Payment:
            async with self._asking():
                return _with_intent(payment, await ask(self._client(account).v1.payment_intents, intent_id))

        return await settled(asked, lambda: self._read_intent(account, payment), wanted=wanted)

    async def _read_intent(self, account: PaymentAccount, payment: Payment) -> Payment:
        assert payment.intent_id is not None
        async with self._asking():
            intents = self._client(account).v1.payment_intents
            return _with_intent(payment, await intents.retrieve_async(payment.intent_id, {"expand": _INTENT}))

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Stripe's errors become ours, without what was sent: it may be about people, or a key."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (TimeoutError, stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as problem:
            raise _away(problem) from None
        except (stripe.AuthenticationError, stripe.PermissionError):
            raise PaymentsNotSetUp("Stripe does not take the keys of this site.") from None
        except stripe.StripeError as refusal:
            why = refusal.user_message or "Stripe has refused this."
            raise PaymentRefused(why, reason=refusal.code or "refused") from None


def _away(problem: Exception) -> PaymentsAway:
    """A lock is about one payment, all else about Stripe itself."""
    message = "The payment service cannot be reached just now."
    if isinstance(problem, stripe.StripeError) and problem.code == "lock_timeout":
        return PaymentsAway(message)
    if not isinstance(problem, stripe.RateLimitError):
        return StripeSilent(message)
    told = str((problem.headers or {}).get("retry-after", ""))
    wait_s = int(told) if told.isascii() and told.isdecimal() and len(told) <= 4 else WAIT_S
    return StripeSilent(message, timedelta(seconds=min(max(wait_s, 1), WAIT_S_MAX)))


def _page_of(wanted: WantedPayment) -> stripe.params.checkout.SessionCreateParams:
    # Written to both, as events of payments do not name their session.
    names = {"attempt": wanted.attempt_id}
    return {
        "mode": "payment",
        "line_items": [_line(line) for line in wanted.lines],
        "client_reference_id": wanted.attempt_id,
        "metadata": names,
        "payment_intent_data": {"metadata": names},
        # For cards alone: one for the whole session would remove methods that cannot be authorised first.
        "payment_method_options": {"card": {"capture_method": "manual"}},
        "excluded_payment_method_types": cast("Any", list(TAKE_DAYS)),
        "adaptive_pricing": {"enabled": False},
        "customer_email": wanted.email,
        "locale": cast("Any", language(wanted.locale)),
        "success_url": wanted.return_url,
        "cancel_url": wanted.cancel_url,
        "expires_at": int(wanted.expires_at.timestamp()),
        "expand": _SESSION,
    }


def _line(line: PaymentLine) -> Any:
    price = {
        "currency": line.unit_price.currency.lower(),
        "unit_amount": at_stripe(line.unit_price),
        "product_data": {"name": line.name},
    }
    return {"price_data": price, "quantity": line.seats}


def _key(id: str, verb: str) -> stripe.RequestOptions:
    return {"idempotency_key": f"{id}:{verb}"}


def _payment(session: stripe.checkout.Session) -> Payment:
    assert session.amount_total is not None
    assert session.currency is not None
    known = Payment(
        session_id=session.id,
        state=PaymentState.OPEN if session.status == "open" else PaymentState.GONE,  # unless its intent knows better
        url=session.url,
        intent_id=None,
        amount=from_stripe(session.amount_total, session.currency),
        captured_minor=0,
        refunded_minor=0,
        attempt_id=session.client_reference_id or "",
    )
    intent = session.payment_intent
    return _with_intent(known, intent) if isinstance(intent, stripe.PaymentIntent) else known


def _with_intent(known: Payment, intent: stripe.PaymentIntent) -> Payment:
    """Decided by the PaymentIntent: a session says only paid or unpaid, and unpaid may be authorised."""
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    is_captured = intent.status == "succeeded"
    refunded = charge.amount_refunded if is_captured and charge else 0
    return replace(
        known,
        state=STATES.get(intent.status, known.state),
        intent_id=intent.id,
        captured_minor=from_stripe(intent.amount_received, intent.currency).amount_minor if is_captured else 0,
        refunded_minor=from_stripe(refunded, intent.currency).amount_minor,
        method=_method(charge.payment_method_details) if charge and charge.payment_method_details else known.method,
    )


def _method(details: stripe.Charge.PaymentMethodDetails) -> Method:
    """Each type has a field of its name, and few of these have a brand, or digits that are fit to be shown."""
    of_type = getattr(details, details.type, None)
    return Method(
        details.type[:TYPE_LENGTH_MAX],
        (getattr(of_type, "brand", None) or "")[:BRAND_LENGTH_MAX],
        (getattr(of_type, "last4", None) or "")[-LAST4_LENGTH:],
    )


def _refunded(refund: stripe.Refund) -> Refunded:
    if refund.status == "succeeded":
        return Refunded(refund.id, RefundState.DONE)
    if refund.status in {"failed", "canceled"}:
        return Refunded(refund.id, RefundState.FAILED, getattr(refund, "failure_reason", None) or refund.status)
    return Refunded(refund.id, RefundState.WAITING)


def _hush() -> None:
    """What these packages log of each request has ids in it, and people's addresses when they are asked for more."""
    stripe.enable_telemetry = False
    for name in ("stripe", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
