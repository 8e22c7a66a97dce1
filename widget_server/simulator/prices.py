"""The only place that says what costs something in the simulation, and how much of it goes back."""

from collections.abc import Sequence

from widget_server.domain.holds import Line
from widget_server.domain.money import Money

CURRENCY = "EUR"
FREE = Money(0, CURRENCY)
PRICES = {"course": Money(4500, CURRENCY)}
"""Of the services that are not free."""
REFUND_PERCENT = 40
"""Of all of them, for customers who cancel in time."""


def price_of(service: str) -> Money:
    return PRICES.get(service, FREE)


def total_of(lines: Sequence[Line]) -> Money:
    return sum((price_of(line.slot.service).times(line.seats) for line in lines), FREE)
