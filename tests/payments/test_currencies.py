"""One amount means the same to operators, to the widget and to Stripe."""

import re
from pathlib import Path

import pytest

from widget_server.domain.money import Money, digits_of
from widget_server.domain.payments import at_stripe
from widget_server.web.admin.choices import CURRENCIES

WORDS = Path(__file__).parents[2] / "widget_static/widget/words.js"
AT_STRIPE = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF"), 1),
    **dict.fromkeys(("XOF", "XPF"), 1),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 1000),
}
"""What one whole unit is at Stripe where it is not 100: docs.stripe.com/currencies, "Zero-decimal", "Three-decimal".

ISK and UGX have no decimals, and are 100 there all the same: "Special cases".
"""


@pytest.mark.parametrize("currency", sorted({*AT_STRIPE, *(choice.value for choice in CURRENCIES)}))
def test_one_unit_of_a_currency_is_what_stripe_takes_for_one(currency: str) -> None:
    one = Money(10 ** digits_of(currency), currency)

    assert at_stripe(one) == AT_STRIPE.get(currency, 100)


@pytest.mark.parametrize(("name", "digits"), [("WITHOUT_DECIMALS", 0), ("WITH_THREE_DECIMALS", 3)])
def test_the_widget_counts_as_the_admin_pages_do(name: str, digits: int) -> None:
    listed = re.search(rf"{name} = new Set\((.*?)\);", WORDS.read_text("utf-8"))

    assert listed is not None
    in_widget = set(re.findall(r"\b[A-Z]{3}\b", listed[1]))
    assert in_widget == {choice.value for choice in CURRENCIES if digits_of(choice.value) == digits}
