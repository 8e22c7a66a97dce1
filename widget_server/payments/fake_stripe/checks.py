"""The only place that says which pay pages and refunds the pretend Stripe does not make, as the real one would not."""

import re
from collections.abc import Mapping
from typing import Any

from widget_server.payments.fake_stripe.objects import Line
from widget_server.payments.fake_stripe.refusals import StripeRefusal, invalid, missing_parameter

SESSION_S_MIN, SESSION_S_MAX = 30 * 60, 24 * 60 * 60
AMOUNT_MAX = 99_999_999
MINIMUM = {
    **dict.fromkeys(("aud", "brl", "cad", "chf", "eur", "inr", "jpy", "nzd", "sgd", "usd"), 50),
    **{"aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17_500, "mxn": 1000},
    **{"myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000},
}
"""In Stripe's units; the others have none here. https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""
STEPS = {"isk": 100, "ugx": 100, **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)}
"""Amounts are multiples of this. https://docs.stripe.com/currencies#special-cases"""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")


def check_session(wanted: Mapping[str, Any], now: int) -> None:
    """Raises StripeRefusal. Nothing has been done yet, so nothing is kept under an idempotency key."""
    for name in ("mode", "success_url", "line_items"):
        if not wanted.get(name):
            raise missing_parameter(name)
    if wanted["mode"] != "payment" or wanted.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("mode", "This pretend Stripe knows hosted pages for payments, and nothing else.")
    for name in ("success_url", "cancel_url"):
        if name in wanted and not _URL.fullmatch(wanted[name]):
            raise invalid(name, "Not a valid URL", "url_invalid")
    email = wanted.get("customer_email")
    if email is not None and not _EMAIL.fullmatch(email):
        raise invalid("customer_email", f"Invalid email address: {email}", "email_invalid")
    _check_lines(wanted["line_items"])
    _check_end(wanted.get("expires_at"), now)


def _check_lines(lines: list[Mapping[str, Any]]) -> None:
    for at, line in enumerate(lines):
        price, path = line.get("price_data", {}), f"line_items[{at}]"
        for name in ("currency", "product_data", "unit_amount"):
            if name not in price:
                raise missing_parameter(f"{path}[price_data][{name}]")
        if "name" not in price["product_data"]:
            raise missing_parameter(f"{path}[price_data][product_data][name]")
        if line.get("quantity", 0) < 1:
            raise invalid(f"{path}[quantity]", "This value must be greater than or equal to 1.")
        if not re.fullmatch(r"[a-z]{3}", price["currency"]):
            raise invalid(f"{path}[price_data][currency]", f"Invalid currency: {price['currency']}")
    currencies = {line["price_data"]["currency"] for line in lines}
    if len(currencies) > 1:
        raise invalid("line_items", "All line items must have the same currency.")
    total = sum(line["price_data"]["unit_amount"] * line["quantity"] for line in lines)
    check_amount(total, currencies.pop(), "line_items")


def check_amount(amount: int, currency: str, param: str) -> None:
    """Raises StripeRefusal."""
    if amount < 1:
        raise invalid(param, "Invalid positive integer", "parameter_invalid_integer")
    if amount > AMOUNT_MAX:
        raise invalid(param, f"Amount must be no more than {AMOUNT_MAX} {currency}", "amount_too_large")
    if amount % STEPS.get(currency, 1):
        raise invalid(param, f"Invalid amount: in {currency}, amounts are multiples of {STEPS[currency]}.")
    if param == "line_items" and amount < MINIMUM.get(currency, 1):
        message = f"The Checkout Session's total amount due must add up to at least {MINIMUM[currency]} {currency}"
        raise invalid(param, message, "amount_too_small")


def _check_end(expires_at: int | None, now: int) -> None:
    if expires_at is None:
        return
    if expires_at < now + SESSION_S_MIN:
        raise _wrong_end("at least 30 minutes from")
    if expires_at > now + SESSION_S_MAX:
        raise _wrong_end("less than 24 hours from")


def _wrong_end(how: str) -> StripeRefusal:
    return invalid("expires_at", f"The `expires_at` timestamp must be {how} Checkout Session creation.")


def currency_of(wanted: Mapping[str, Any]) -> str:
    currency: str = wanted["line_items"][0]["price_data"]["currency"]
    return currency


def line_of(wanted: Mapping[str, Any]) -> Line:
    price = wanted["price_data"]
    return Line(price["product_data"]["name"], price["unit_amount"], wanted["quantity"])
