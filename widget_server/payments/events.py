"""The only place that knows what Stripe tells of: the events that a webhook needs, and how one names its payment."""

from typing import Any

from widget_server.domain.payments import PaymentEvent

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
)
"""What a webhook at Stripe is to be set up for. What it tells besides is heard, and means nothing."""
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
    )


def _id(text: object) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= ID_LENGTH_MAX:
        raise ValueError
    return text
