from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from widget_server.domain.money import Money
from widget_server.domain.payments import (
    MINIMUM_MINOR,
    Dispute,
    DisputeState,
    Refund,
    RefundReason,
    RefundState,
    at_stripe,
    from_stripe,
    share,
    still_refused,
    why_not_chargeable,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
REFUSED, DONE, WAITING = RefundState.FAILED, RefundState.DONE, RefundState.WAITING


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


@pytest.mark.parametrize(
    ("refunds", "lost", "owed"),
    [
        ([(1000, REFUSED), (1000, REFUSED)], 0, [1000, 1000]),
        ([(1000, REFUSED), (1000, REFUSED), (1000, DONE)], 0, [1000]),
        ([(1000, REFUSED), (1000, REFUSED), (1000, DONE), (1000, WAITING)], 0, []),
        ([(1000, DONE), (1000, REFUSED), (900, DONE)], 0, [1000]),
        ([(500, REFUSED), (1000, REFUSED), (1000, DONE), (500, DONE)], 0, []),
        ([(1000, REFUSED), (1500, REFUSED)], 2500, []),
        ([(4500, REFUSED)], 2000, [2500]),
        ([(4500, REFUSED), (2500, DONE)], 2000, []),
        ([(9000, REFUSED), (4000, DONE), (5000, WAITING)], 0, []),
        ([(9000, REFUSED), (4000, DONE)], 0, [5000]),
        ([(2000, DONE), (3000, REFUSED), (5000, REFUSED)], 0, [2000, 5000]),
    ],
)
def test_each_refund_makes_up_for_one_that_was_refused_and_a_bank_for_what_it_gave_back(
    refunds: list[tuple[int, RefundState]], lost: int, owed: list[int]
) -> None:
    made = [
        Refund(f"{number}", Money(amount, "EUR"), RefundReason.OPERATOR, state, "", NOON + timedelta(minutes=number))
        for number, (amount, state) in enumerate(refunds)
    ]
    disputes = [Dispute("open", Money(9_000, "EUR"), DisputeState.OPEN, "")]
    disputes += [Dispute("lost", Money(lost, "EUR"), DisputeState.LOST, "")]

    assert [refund.amount.amount_minor for refund in still_refused(made, disputes, paid_minor=9_000)] == owed


def test_a_refund_of_a_cancellation_or_in_the_same_moment_makes_up_for_no_other() -> None:
    refused = Refund("1", Money(500, "EUR"), RefundReason.CANCELLED, REFUSED, "", NOON)
    later = replace(refused, id="2", amount=Money(2_000, "EUR"), state=DONE, created_at=NOON + timedelta(minutes=1))
    by_mia = replace(later, reason=RefundReason.OPERATOR)

    assert still_refused([refused, later], [], paid_minor=9_000) == [refused]
    assert still_refused([refused, replace(by_mia, created_at=NOON)], [], paid_minor=9_000) == [refused]
    assert still_refused([refused, by_mia], [], paid_minor=9_000) == []
