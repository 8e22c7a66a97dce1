from datetime import date
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from widget_server.domain.coupons import Coupon, discounts, fold, is_code, may_count
from widget_server.domain.money import AMOUNT_MAX, Money
from widget_server.domain.payments import MINIMUM_MINOR, step_of, why_not_chargeable
from widget_server.errors import CouponRefused

NOVEMBER = Coupon("AUTUMN", percent=10, first_day=date(2026, 11, 1), last_day=date(2026, 11, 30))
_services, _currencies = st.sampled_from(("yoga", "talk")), st.sampled_from(("EUR", "JPY", "KWD", "HUF"))


@st.composite
def carts(draw: st.DrawFn) -> list[tuple[str, Money]]:
    """Lines whose sum can be charged."""
    currency = draw(_currencies)
    prices = st.integers(0, 40_000).map(lambda price: price * step_of(currency))
    lines = draw(st.lists(st.tuples(_services, prices), min_size=1, max_size=6))
    assume(sum(price for _, price in lines) >= MINIMUM_MINOR.get(currency, 10))
    return [(service, Money(price, currency)) for service, price in lines]


@st.composite
def coupons(draw: st.DrawFn, currency: str = "EUR") -> Coupon:
    services = draw(st.sampled_from((frozenset[str](), frozenset({"yoga"}))))
    if draw(st.booleans()):
        return Coupon("CODE", percent=draw(st.integers(1, 100)), services=services)
    return Coupon("CODE", amount=Money(draw(st.integers(1, 90_000)), currency), services=services)


@settings(deadline=None)
@given(st.data())
def test_a_coupon_takes_off_what_is_there_and_leaves_nothing_or_what_can_be_charged(data: st.DataObject) -> None:
    lines = data.draw(carts())
    coupon = data.draw(coupons(lines[0][1].currency))
    try:
        off = discounts(coupon, lines)
    except CouponRefused:
        return

    total = sum(price.amount_minor for _, price in lines)
    assert sum(off) > 0
    assert why_not_chargeable(Money(total - sum(off), lines[0][1].currency)) is None
    for (service, price), taken in zip(lines, off, strict=True):
        assert 0 <= taken <= (price.amount_minor if coupon.is_for(service) else 0)
        assert taken % step_of(price.currency) == 0, "each can be paid back on its own"


@settings(deadline=None)
@given(carts(), st.integers(1, 99))
def test_a_greater_share_never_takes_less_off(lines: list[tuple[str, Money]], percent: int) -> None:
    shares = [Coupon("CODE", percent=each) for each in (percent, percent + 1, 100)]
    try:
        taken = [sum(discounts(each, lines)) for each in shares]
    except CouponRefused:
        return

    assert all(less <= more for less, more in pairwise(taken))
    assert taken[-1] == sum(price.amount_minor for _, price in lines)


@pytest.mark.parametrize(
    ("coupon", "lines", "off"),
    [
        (Coupon("A", percent=10), [("yoga", Money(4500, "EUR"))], [450]),
        (Coupon("A", percent=33), [("yoga", Money(999, "EUR"))], [330]),
        (Coupon("A", percent=95), [("yoga", Money(500, "EUR"))], [450]),
        (Coupon("A", percent=100), [("yoga", Money(500, "EUR")), ("talk", Money(0, "EUR"))], [500, 0]),
        (Coupon("A", amount=Money(1000, "EUR")), [("yoga", Money(500, "EUR"))], [500]),
        (Coupon("A", amount=Money(100, "EUR")), [("yoga", Money(500, "EUR")), ("talk", Money(1000, "EUR"))], [33, 67]),
        (
            Coupon("A", amount=Money(100, "EUR"), services=frozenset({"talk"})),
            [("yoga", Money(500, "EUR")), ("talk", Money(1000, "EUR"))],
            [0, 100],
        ),
    ],
)
def test_what_is_taken_off(coupon: Coupon, lines: list[tuple[str, Money]], off: list[int]) -> None:
    assert discounts(coupon, lines) == off


@pytest.mark.parametrize(
    ("coupon", "price"),
    [
        (Coupon("A", percent=10), Money(0, "EUR")),
        (Coupon("A", percent=10, services=frozenset({"talk"})), Money(4500, "EUR")),
        (Coupon("A", amount=Money(100, "USD")), Money(4500, "EUR")),
        (Coupon("A", percent=10), Money(50, "EUR")),
        (Coupon("A", percent=100), Money(AMOUNT_MAX + 1, "EUR")),
    ],
)
def test_what_takes_nothing_off_is_refused(coupon: Coupon, price: Money) -> None:
    with pytest.raises(CouponRefused) as refused:
        discounts(coupon, [("yoga", price)])

    assert refused.value.details == {"reason": "not_for_this"}


def test_a_coupon_counts_on_its_days_both_included_and_while_it_is_switched_on() -> None:
    may_count(NOVEMBER, date(2026, 11, 1))
    may_count(NOVEMBER, date(2026, 11, 30))
    with pytest.raises(CouponRefused, match="yet"):
        may_count(NOVEMBER, date(2026, 10, 31))
    with pytest.raises(CouponRefused, match="any more"):
        may_count(NOVEMBER, date(2026, 12, 1))
    with pytest.raises(CouponRefused, match="any more"):
        may_count(Coupon("OFF", percent=10, is_active=False), date(2026, 11, 21))


def test_a_code_is_the_same_however_it_is_typed() -> None:
    assert fold(" su mmer-26") == fold("SUMMER-26") == fold("\uff33ummer-26")
    assert fold("STRASSE") == fold("straße")
    assert all(map(is_code, ("ABC", "SUMMER-26", "GRÜSSE_1")))
    assert not any(map(is_code, ("AB", "A B", "A" * 33, "50%", "", "A\nB")))
