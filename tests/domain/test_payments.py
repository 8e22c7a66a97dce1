import pytest

from widget_server.domain.money import Money
from widget_server.domain.payments import MINIMUM_MINOR, at_stripe, from_stripe, share, why_not_chargeable


@pytest.mark.parametrize("currency", MINIMUM_MINOR)
def test_less_than_the_least_of_a_currency_is_not_charged(currency: str) -> None:
    least = MINIMUM_MINOR[currency]

    assert why_not_chargeable(Money(least, currency)) is None
    assert why_not_chargeable(Money(least - 1, currency))


def test_nothing_needs_no_charge() -> None:
    assert why_not_chargeable(Money(0, "EUR")) is None


def test_more_than_eight_digits_of_stripe_are_not_charged() -> None:
    assert why_not_chargeable(Money(99_999_999, "EUR")) is None
    assert why_not_chargeable(Money(100_000_000, "EUR"))
    assert why_not_chargeable(Money(1_000_000, "ISK"))


def test_amounts_of_three_decimals_end_in_0() -> None:
    assert why_not_chargeable(Money(5_120, "KWD")) is None
    assert why_not_chargeable(Money(5_124, "KWD"))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Money(1_250, "EUR"), 1_250),
        (Money(500, "JPY"), 500),
        (Money(5, "ISK"), 500),
        (Money(7_000, "UGX"), 700_000),
        (Money(5_120, "KWD"), 5_120),
        (Money(40_000, "HUF"), 40_000),
    ],
)
def test_amounts_are_told_as_stripe_counts_them_and_read_back(ours: Money, theirs: int) -> None:
    assert at_stripe(ours) == theirs
    assert from_stripe(theirs, ours.currency.lower()) == ours


@pytest.mark.parametrize(
    ("paid", "percent", "back"),
    [
        (Money(4_500, "EUR"), 100, 4_500),
        (Money(4_500, "EUR"), 50, 2_250),
        (Money(4_500, "EUR"), 0, 0),
        (Money(333, "EUR"), 50, 167),
        (Money(5_130, "KWD"), 50, 2_570),
        (Money(1, "JPY"), 1, 1),
    ],
)
def test_a_share_is_rounded_in_favour_of_who_gets_it(paid: Money, percent: int, back: int) -> None:
    assert share(paid, percent) == Money(back, paid.currency)
