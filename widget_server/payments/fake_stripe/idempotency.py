"""The only place that gives the same answer to the same request, by its `Idempotency-Key`."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from widget_server.payments.fake_stripe.refusals import invalid, other_parameters, still_running

KEY_LENGTH_MAX = 255
KEYS_MAX = 5000
KEPT_S = 24 * 60 * 60
"""Stripe keeps answers at least so long: https://docs.stripe.com/api/idempotent_requests"""


@dataclass(slots=True)
class Kept:
    request: tuple[str, str]
    """Its path, and its parameters in a form that can be compared."""
    at: int
    answer: tuple[int, dict[str, Any]] | None = None
    """Status and body; None while the first request is being answered."""


Answers = OrderedDict[str, Kept]


def find_or_begin(answers: Answers, key: str, request: tuple[str, str], now: int) -> tuple[int, dict[str, Any]] | None:
    """The answer of the first time; None if this is it. Raises StripeRefusal for a key of another request."""
    if len(key) > KEY_LENGTH_MAX:
        raise invalid("Idempotency-Key", f"Idempotency keys have at most {KEY_LENGTH_MAX} characters.")
    kept = answers.get(key)
    if kept is None or now >= kept.at + KEPT_S:
        answers[key] = Kept(request, now)
        if len(answers) > KEYS_MAX:
            answers.popitem(last=False)
        return None
    if kept.request != request:
        raise other_parameters(key)
    if kept.answer is None:
        raise still_running(key)
    return kept.answer


def keep(answers: Answers, key: str, answer: tuple[int, dict[str, Any]]) -> None:
    if key in answers:
        answers[key].answer = answer


def forget_unanswered(answers: Answers, key: str) -> None:
    """Nothing was done: the key is as good as new."""
    kept = answers.get(key)
    if kept is not None and kept.answer is None:
        del answers[key]
