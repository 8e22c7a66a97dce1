"""The only place that knows what Stripe tells of: the events that a webhook needs, and how one names its payment."""

import re
from typing import Any

from widget_server.domain.payments import Dispute, DisputeState, PaymentEvent, from_stripe

EVENTS = (
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
)
"""What a webhook at Stripe is to be set up for. What it tells besides is heard, and means nothing."""
_DISPUTES = {
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
REASON_LENGTH_MAX = 60
ID_LENGTH_MAX = 255
"""Stripe says that its ids have at most so many characters."""


def event_of(event: dict[str, Any]) -> PaymentEvent:
    """Raises ValueError, AttributeError, KeyError or TypeError for what is none."""
    of: dict[str, Any] = event["data"]["object"]
    intent = of["id"] if of["object"] == "payment_intent" else of.get("payment_intent")
    attempt = (of.get("metadata") or {}).get("attempt") or of.get("client_reference_id")
    return PaymentEvent(
        id=_id(event["id"]),
        intent_id=None if intent is None else _id(intent["id"] if isinstance(intent, dict) else intent),
        attempt_id=None if attempt is None else _id(attempt),
        dispute=_dispute_of(of) if of["object"] == "dispute" else None,
    )


def _dispute_of(of: dict[str, Any]) -> Dispute | None:
    """None for a mere inquiry, with which no bank has taken anything."""
    state, amount, currency = _DISPUTES.get(of["status"]), of["amount"], of["currency"]
    if state is None:
        return None
    if not isinstance(amount, int) or amount < 0 or not re.fullmatch("[a-z]{3}", currency):
        raise ValueError
    return Dispute(_id(of["id"]), from_stripe(amount, currency), state, str(of.get("reason", ""))[:REASON_LENGTH_MAX])


def _id(text: object) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= ID_LENGTH_MAX:
        raise ValueError
    return text
