"""The only place where a price that somebody types becomes minor units of a currency, and back."""

import re

from widget_server.domain.money import AMOUNT_MAX, digits_of

_TYPED = re.compile(r"(\d{1,8})(?:[.,](\d{1,3}))?", re.ASCII)
"""Of a currency without decimals that is as much as Stripe takes at once: an order may be worth it, and go back."""


def typed_price(minor: int, currency: str) -> str:
    """`1250` euro cents are `12.50`."""
    digits = digits_of(currency)
    whole, rest = divmod(minor, 10**digits)
    return f"{whole}.{rest:0{digits}}" if digits else str(whole)


def minor_of(typed: str, currency: str) -> int | None:
    """Nothing typed is free. None for what is no price of this currency."""
    if not typed:
        return 0
    match, digits = _TYPED.fullmatch(typed.replace(" ", "")), digits_of(currency)
    if match is None or len(match[2] or "") > digits:
        return None
    minor = int(match[1] + (match[2] or "").ljust(digits, "0"))
    return minor if minor <= AMOUNT_MAX else None
