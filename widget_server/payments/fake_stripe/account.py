"""The only place that decides what becomes of sessions, payments and refunds of an account. No I/O, no clock."""

from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from widget_server.payments.fake_stripe.checks import SESSION_S_MAX, check_amount, check_session, currency_of, line_of
from widget_server.payments.fake_stripe.idempotency import Kept
from widget_server.payments.fake_stripe.objects import Charge, Dispute, Event, Intent, Listed, Refund, Session, new_id
from widget_server.payments.fake_stripe.params import LIST_MAX
from widget_server.payments.fake_stripe.refusals import (
    StripeRefusal,
    disputed,
    missing_object,
    missing_parameter,
    not_open,
    nothing_to_refund,
    of_a_session,
    refund_too_large,
    refunded_already,
    unexpected_state,
)

AUTHORISED_S_MAX = 7 * 24 * 60 * 60
KEPT_MAX = 5000
"""Of everything; what is older is forgotten."""
AT_ONCE, TAKES_DAYS = ("ideal",), ("sepa_debit",)
METHODS = ("card", *AT_ONCE, *TAKES_DAYS)
_EXCLUDED = "excluded_payment_method_types"
_CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
_Kept = TypeVar("_Kept")


@dataclass(slots=True)
class Account:
    """One business with its keys, and its books. `now` is told with everything that depends on it, in epoch seconds."""

    id: str
    name: str
    secret_key: str
    webhook_secret: str
    webhook_url: str | None
    pages_url: str
    """What the addresses of its pay pages begin with."""
    refunds_wait: bool = False
    """Refunds take days, as with banks, until they are finished on demand."""
    sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict)
    intents: OrderedDict[str, Intent] = field(default_factory=OrderedDict)
    refunds: OrderedDict[str, Refund] = field(default_factory=OrderedDict)
    disputes: OrderedDict[str, Dispute] = field(default_factory=OrderedDict)
    events: OrderedDict[str, Event] = field(default_factory=OrderedDict)
    untold: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))
    answers: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    key_in_use: str | None = None
    """The idempotency key of the request that is being answered: its events carry it."""

    @property
    def is_live(self) -> bool:
        return "_live_" in self.secret_key

    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]:
        profile = {"name": self.name, "url": None, "mcc": None}
        return {
            "id": self.id,
            "object": "account",
            "business_profile": profile,
            "business_type": None,
            "charges_enabled": True,
            "country": "DE",
            "default_currency": "eur",
            "settings": {
                "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
                "card_payments": {"statement_descriptor_prefix": None},
                "dashboard": {"display_name": self.name, "timezone": "Etc/UTC"},
                "payments": {"statement_descriptor": None},
            },
            "type": "standard",
        }

    def page_of(self, session_id: str) -> str:
        return f"{self.pages_url}/pay/{session_id}"

    # What the business asks for

    def open_session(self, wanted: Mapping[str, Any], now: int) -> Session:
        check_session(wanted, now)
        allowed, excluded = wanted.get("allowed_payment_method_types", METHODS), wanted.get(_EXCLUDED, ())
        intent_data = wanted.get("payment_intent_data", {})
        session_id = new_id("cs", is_live=self.is_live)
        session = Session(
            id=session_id,
            url=self.page_of(session_id),
            created=now,
            expires_at=wanted.get("expires_at", now + SESSION_S_MAX),
            lines=tuple(line_of(line) for line in wanted["line_items"]),
            currency=currency_of(wanted),
            success_url=wanted["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id),
            cancel_url=wanted.get("cancel_url"),
            email=wanted.get("customer_email"),
            locale=wanted.get("locale"),
            reference=wanted.get("client_reference_id"),
            metadata=dict(wanted.get("metadata", {})),
            intent_metadata=dict(intent_data.get("metadata", {})),
            intent_description=intent_data.get("description"),
            is_live=self.is_live,
            methods=tuple(method for method in METHODS if method in allowed and method not in excluded),
            captures_card_later=bool(wanted.get("payment_method_options", {}).get("card", {}).get("capture_method")),
        )
        return _keep(self.sessions, session.id, session)

    def session(self, id: str, now: int) -> Session:
        session = self.sessions.get(id)
        if session is None:
            raise missing_object("checkout.session", id, "session")
        if session.status == "open" and now >= session.expires_at:
            self._end(session, now)
        if session.intent is not None:
            self._let_lapse(session.intent, now)
        return session

    def expire(self, id: str, now: int) -> Session:
        session = self.session(id, now)
        if session.status != "open":
            raise not_open(session.status)
        self._end(session, now)
        return session

    def intent(self, id: str, now: int) -> Intent:
        intent = self.intents.get(id)
        if intent is None:
            raise missing_object("payment_intent", id, "intent")
        self._let_lapse(intent, now)
        return intent

    def capture(self, id: str, wanted: Mapping[str, Any], now: int) -> Intent:
        intent = self.intent(id, now)
        if intent.status != "requires_capture" or intent.charge is None:
            raise unexpected_state("captured", intent.status, ("requires_capture",))
        amount = wanted.get("amount_to_capture", intent.amount)
        if not 0 < amount <= intent.amount:
            message = f"The payment intent could not be captured: up to {intent.amount} can be."
            raise StripeRefusal(message, code="amount_too_large", param="amount_to_capture")
        intent.metadata |= wanted.get("metadata", {})
        self.succeed(intent, amount, now)
        return intent

    def cancel(self, id: str, wanted: Mapping[str, Any], now: int) -> Intent:
        intent = self.intent(id, now)
        if intent.status not in _CANCELABLE:
            raise unexpected_state("canceled", intent.status, _CANCELABLE)
        if intent.status != "requires_capture":
            raise of_a_session()
        self.give_up(intent, wanted.get("cancellation_reason"), now)
        return intent

    def refund(self, wanted: Mapping[str, Any], now: int) -> Refund:
        if "payment_intent" not in wanted:
            raise missing_parameter("payment_intent")
        intent = self.intents.get(wanted["payment_intent"])
        if intent is None:
            raise missing_object("payment_intent", wanted["payment_intent"], "payment_intent")
        charge = intent.charge
        if charge is None or not charge.amount_captured:
            raise nothing_to_refund(intent.id)
        if any(one.charge is charge and one.keeps_money for one in self.disputes.values()):
            raise disputed(charge.id)
        if not charge.left_to_refund:
            raise refunded_already(charge.id)
        amount = wanted.get("amount", charge.left_to_refund)
        check_amount(amount, charge.currency, "amount")
        if amount > charge.left_to_refund:
            raise refund_too_large(f"{amount} {charge.currency}", f"{charge.left_to_refund} {charge.currency}")
        refund = Refund(
            new_id("re"),
            charge,
            now,
            amount,
            dict(wanted.get("metadata", {})),
            wanted.get("reason"),
            self._refund_status(),
        )
        charge.amount_refunded += amount
        self.tell("charge.refunded", charge.as_json(), now)
        self.tell("refund.created", refund.as_json(), now)
        return _keep(self.refunds, refund.id, refund)

    def refund_of(self, id: str) -> Refund:
        if id not in self.refunds:
            raise missing_object("refund", id, "refund")
        return self.refunds[id]

    def list_refunds(self, wanted: Mapping[str, Any]) -> Listed:
        """The newest first."""
        newest_first = list(self.refunds.values())[::-1]
        if (after := wanted.get("starting_after")) is not None:
            newest_first = newest_first[newest_first.index(self.refund_of(after)) + 1 :]
        intent_id, limit = wanted.get("payment_intent"), min(max(wanted.get("limit", 10), 1), LIST_MAX)
        found = [one for one in newest_first if intent_id in (None, one.charge.intent_id)]
        return Listed("/v1/refunds", found[:limit], has_more=len(found) > limit)

    def event(self, id: str) -> Event:
        if id not in self.events:
            raise missing_object("event", id, "id")
        return self.events[id]

    # What customers, banks and time do

    def begin(self, session: Session, now: int) -> Intent:
        """The customer tries to pay. Twice is the same payment."""
        if session.intent is None:
            intent = Intent(
                id=new_id("pi"),
                session_id=session.id,
                created=now,
                amount=session.amount,
                currency=session.currency,
                metadata=dict(session.intent_metadata),
                description=session.intent_description,
                is_live=session.is_live,
                methods=session.methods,
                captures_card_later=session.captures_card_later,
            )
            session.intent = _keep(self.intents, intent.id, intent)
            self.tell("payment_intent.created", intent.as_json(), now)
        return session.intent

    def authorise(self, session: Session, now: int) -> None:
        intent = self.begin(session, now)
        intent.charge = self._charge(intent, "card", now)
        intent.status, intent.authorised_at, intent.last_error = "requires_capture", now, None
        session.status = "complete"
        self.tell("payment_intent.amount_capturable_updated", intent.as_json(), now)
        self.tell("checkout.session.completed", session.as_json(), now)

    def charge_at_once(self, session: Session, method: str, now: int) -> None:
        intent = self.begin(session, now)
        intent.charge = self._charge(intent, method, now)
        session.status = "complete"
        self.succeed(intent, intent.amount, now)
        self.tell("checkout.session.completed", session.as_json(), now)

    def start_slow_payment(self, session: Session, method: str, now: int) -> None:
        """The customer has done their part, and the bank takes days."""
        intent = self.begin(session, now)
        intent.charge = self._charge(intent, method, now)
        intent.charge.status, intent.status, session.status = "pending", "processing", "complete"
        self.tell("payment_intent.processing", intent.as_json(), now)
        self.tell("checkout.session.completed", session.as_json(), now)

    def finish_slow_payment(self, session: Session, now: int, *, is_paid: bool) -> None:
        intent = session.intent
        assert intent is not None
        assert intent.charge is not None
        assert intent.status == "processing"
        if is_paid:
            intent.charge.status = "succeeded"
            self.succeed(intent, intent.amount, now)
            self.tell("checkout.session.async_payment_succeeded", session.as_json(), now)
        else:
            intent.charge.status = "failed"
            self.decline(session, "payment_intent_payment_attempt_failed", "The payment failed.", now)
            self.tell("checkout.session.async_payment_failed", session.as_json(), now)

    def decline(self, session: Session, code: str, message: str, now: int) -> None:
        intent = self.begin(session, now)
        intent.status = "requires_payment_method"
        intent.last_error = {"type": "card_error", "code": code, "message": message}
        self.tell("payment_intent.payment_failed", intent.as_json(), now)

    def succeed(self, intent: Intent, amount: int, now: int) -> None:
        assert intent.charge is not None
        intent.charge.amount_captured = amount
        intent.charge.metadata = dict(intent.metadata)
        intent.status, intent.last_error = "succeeded", None
        self.tell("payment_intent.succeeded", intent.as_json(), now)

    def give_up(self, intent: Intent, reason: str | None, now: int) -> None:
        """Nothing is taken, and nothing can be any more."""
        intent.status, intent.canceled_at, intent.cancellation_reason = "canceled", now, reason
        if intent.charge is not None:
            intent.charge.amount_refunded = intent.charge.amount  # so Stripe shows an authorisation given back
        self.tell("payment_intent.canceled", intent.as_json(), now)

    def finish_refund(self, refund: Refund, now: int, *, why_not: str | None = None) -> None:
        refund.status, refund.failure_reason = ("failed", why_not) if why_not else ("succeeded", None)
        if why_not:
            refund.charge.amount_refunded -= refund.amount
        self.tell("refund.failed" if why_not else "refund.updated", refund.as_json(), now)

    def dispute(self, intent: Intent, now: int, *, is_inquiry: bool) -> Dispute:
        """A bank takes all of it back, until it is decided; by an inquiry, it only asks."""
        assert intent.charge is not None
        intent.charge.is_disputed = True
        dispute = Dispute(new_id("dp"), intent.charge, now, intent.charge.amount_captured)
        dispute.status = "warning_needs_response" if is_inquiry else dispute.status
        self.tell("charge.dispute.created", dispute.as_json(), now)
        if not is_inquiry:
            self.withdraw(dispute, now)
        return _keep(self.disputes, dispute.id, dispute)

    def withdraw(self, dispute: Dispute, now: int) -> None:
        """A bank takes the money, also where it had only asked so far."""
        dispute.status = "needs_response"
        self.tell("charge.dispute.funds_withdrawn", dispute.as_json(), now)

    def close_dispute(self, dispute: Dispute, now: int, *, is_won: bool) -> None:
        dispute.status = "won" if is_won else "lost"
        self.tell("charge.dispute.closed", dispute.as_json(), now)

    def tell(self, kind: str, of: dict[str, Any], now: int) -> None:
        event = Event(new_id("evt"), kind, now, of, self.is_live, self.key_in_use)
        _keep(self.events, event.id, event)
        self.untold.append(event)

    def _end(self, session: Session, now: int) -> None:
        session.status = "expired"
        if session.intent is not None and session.intent.status in _CANCELABLE:
            self.give_up(session.intent, "automatic", now)
        self.tell("checkout.session.expired", session.as_json(), now)

    def _let_lapse(self, intent: Intent, now: int) -> None:
        if intent.status == "requires_capture" and now >= (intent.authorised_at or 0) + AUTHORISED_S_MAX:
            self.give_up(intent, "automatic", now)

    def _charge(self, intent: Intent, method: str, now: int) -> Charge:
        metadata = dict(intent.metadata)
        return Charge(new_id("ch"), intent.id, now, intent.amount, intent.currency, metadata, intent.is_live, method)

    def _refund_status(self) -> str:
        return "pending" if self.refunds_wait else "succeeded"


def _keep(shelf: OrderedDict[str, _Kept], id: str, one: _Kept) -> _Kept:
    shelf[id] = one
    if len(shelf) > KEPT_MAX:
        shelf.popitem(last=False)
    return one
