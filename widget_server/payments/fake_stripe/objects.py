"""The only place for what the pretend Stripe keeps, and for how it looks in answers: with the real one's fields.

A test compares the answers with the types of Stripe's own package.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

API_VERSION = "2026-10-28.endive"
_METHODS: Mapping[str, Mapping[str, str | int]] = {
    "card": {"brand": "visa", "exp_month": 12, "exp_year": 2040, "funding": "credit", "last4": "4242"},
    "ideal": {"bank": "rabobank", "iban_last4": "5264"},
    "sepa_debit": {"bank_code": "37040044", "country": "DE", "last4": "3000"},
}
"""What Stripe says of how somebody has paid."""
_CARD_LATER = {"card": {"capture_method": "manual", "request_three_d_secure": "automatic"}}


def new_id(kind: str, *, is_live: bool | None = None) -> str:
    """`cs_test_…` where objects of test mode can be told apart, `pi_…` elsewhere."""
    mode = "" if is_live is None else "live_" if is_live else "test_"
    return f"{kind}_{mode}{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    unit_amount: int
    quantity: int


@dataclass(slots=True)
class Charge:
    id: str
    intent_id: str
    created: int
    amount: int
    currency: str
    metadata: Mapping[str, str]
    is_live: bool
    method: str
    amount_captured: int = 0
    amount_refunded: int = 0
    status: str = "succeeded"
    is_disputed: bool = False

    @property
    def left_to_refund(self) -> int:
        return self.amount_captured - self.amount_refunded

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount_captured,
            "amount_refunded": self.amount_refunded,
            "application": None,
            "application_fee": None,
            "balance_transaction": None,
            "billing_details": {"address": None, "email": None, "name": None, "phone": None},
            "captured": self.amount_captured > 0,
            "created": self.created,
            "currency": self.currency,
            "customer": None,
            "disputed": self.is_disputed,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": self.is_live,
            "metadata": dict(self.metadata),
            "on_behalf_of": None,
            "paid": self.status == "succeeded",
            "payment_intent": self.intent_id,
            "payment_method_details": {"type": self.method, self.method: _METHODS[self.method]},
            "refunded": self.amount_refunded == self.amount,
            "review": None,
            "source": None,
            "source_transfer": None,
            "status": self.status,
            "transfer": None,
        }


@dataclass(slots=True)
class Intent:
    id: str
    session_id: str
    created: int
    amount: int
    currency: str
    metadata: dict[str, str]
    description: str | None
    is_live: bool
    methods: tuple[str, ...]
    captures_card_later: bool
    status: str = "requires_payment_method"
    charge: Charge | None = None
    authorised_at: int | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    last_error: dict[str, Any] | None = None

    @property
    def amount_received(self) -> int:
        return self.charge.amount_captured if self.charge else 0

    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]:
        charge = self.charge
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": self.amount if self.status == "requires_capture" else 0,
            "amount_received": self.amount_received,
            "application": None,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": "automatic_async",
            "client_secret": f"{self.id}_secret",
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": None,
            "description": self.description,
            "last_payment_error": self.last_error,
            "latest_charge": charge and (charge.as_json() if "latest_charge" in expand else charge.id),
            "livemode": self.is_live,
            "metadata": dict(self.metadata),
            "next_action": {"type": "use_stripe_sdk"} if self.status == "requires_action" else None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": _CARD_LATER if self.captures_card_later else {},
            "payment_method_types": list(self.methods),
            "payment_record": None,
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "status": self.status,
            "transfer_data": None,
        }


@dataclass(slots=True)
class Session:
    id: str
    url: str
    created: int
    expires_at: int
    lines: tuple[Line, ...]
    currency: str
    success_url: str
    cancel_url: str | None
    email: str | None
    locale: str | None
    reference: str | None
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    intent_description: str | None
    is_live: bool
    methods: tuple[str, ...]
    captures_card_later: bool
    status: str = "open"
    intent: Intent | None = None
    """Made when the customer first tries to pay, as Stripe has done since its versions of 2022."""

    @property
    def amount(self) -> int:
        return sum(line.unit_amount * line.quantity for line in self.lines)

    @property
    def payment_status(self) -> str:
        return "paid" if self.intent is not None and self.intent.status == "succeeded" else "unpaid"

    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]:
        below = {name.removeprefix("payment_intent.") for name in expand if name.startswith("payment_intent.")}
        is_expanded = bool(below) or "payment_intent" in expand
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": None,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.reference,
            "created": self.created,
            "currency": self.currency,
            "custom_fields": [],
            "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
            "customer": None,
            "customer_creation": "if_required",
            "customer_email": self.email,
            "expires_at": self.expires_at,
            "invoice": None,
            "livemode": self.is_live,
            "locale": self.locale,
            "metadata": dict(self.metadata),
            "mode": "payment",
            "payment_intent": self.intent and (self.intent.as_json(below) if is_expanded else self.intent.id),
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_options": _CARD_LATER if self.captures_card_later else {},
            "payment_method_types": list(self.methods),
            "payment_status": self.payment_status,
            "setup_intent": None,
            "shipping_options": [],
            "status": self.status,
            "submit_type": None,
            "subscription": None,
            "success_url": self.success_url,
            "ui_mode": "hosted_page",
            "url": self.url if self.status == "open" else None,
        }


@dataclass(slots=True)
class Refund:
    id: str
    charge: Charge
    created: int
    amount: int
    metadata: dict[str, str]
    reason: str | None
    status: str = "succeeded"
    failure_reason: str | None = None

    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]:
        parts = {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": None,
            "charge": self.charge.id,
            "created": self.created,
            "currency": self.charge.currency,
            "metadata": dict(self.metadata),
            "payment_intent": self.charge.intent_id,
            "reason": self.reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": self.status,
            "transfer_reversal": None,
        }
        if self.failure_reason:
            parts["failure_reason"] = self.failure_reason
        return parts


@dataclass(frozen=True, slots=True)
class Listed:
    url: str
    shown: Sequence[Refund]
    has_more: bool

    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]:
        data = [one.as_json() for one in self.shown]
        return {"object": "list", "data": data, "has_more": self.has_more, "url": self.url}


@dataclass(slots=True)
class Dispute:
    id: str
    charge: Charge
    created: int
    amount: int
    reason: str = "product_not_received"
    status: str = "needs_response"

    @property
    def keeps_money(self) -> bool:
        return self.status in {"needs_response", "lost"}

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": self.charge.id,
            "created": self.created,
            "currency": self.charge.currency,
            "is_charge_refundable": not self.keeps_money,
            "livemode": self.charge.is_live,
            "metadata": {},
            "payment_intent": self.charge.intent_id,
            "reason": self.reason,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    kind: str
    created: int
    of: dict[str, Any]
    """The object as it was at that moment."""
    is_live: bool
    idempotency_key: str | None = field(default=None)

    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": {"object": self.of},
            "livemode": self.is_live,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": self.idempotency_key},
            "type": self.kind,
        }
