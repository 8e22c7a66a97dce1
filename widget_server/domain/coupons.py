"""The only place for what a coupon is: a code, what it takes off a price, and when and for what it counts."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from widget_server.domain.money import AMOUNT_MAX, Money
from widget_server.domain.payments import MINIMUM_MINOR, share, step_of
from widget_server.errors import CouponRefused

CODE_LENGTH_MIN, CODE_LENGTH_MAX = 3, 32
COUPONS_MAX = 500
USES_MAX = 1_000_000
_CODE = re.compile(rf"[\w-]{{{CODE_LENGTH_MIN},{CODE_LENGTH_MAX}}}")


class WhyNot(StrEnum):
    """Why a code takes nothing off."""

    UNKNOWN = "unknown"
    NOT_YET = "not_yet"
    OVER = "over"
    USED_UP = "used_up"
    USED_BY_YOU = "used_by_you"
    NOT_FOR_THIS = "not_for_this"


_SENTENCES = {
    WhyNot.UNKNOWN: "There is no such code.",
    WhyNot.NOT_YET: "This code does not count yet.",
    WhyNot.OVER: "This code does not count any more.",
    WhyNot.USED_UP: "This code has been used as often as it may be.",
    WhyNot.USED_BY_YOU: "This code has been used with your address as often as it may be.",
    WhyNot.NOT_FOR_THIS: "This code is not for what you have chosen.",
}


@dataclass(frozen=True, slots=True)
class Coupon:
    """`code` is as its operator wrote it; visitors may write it in any case."""

    code: str
    percent: int | None = None
    amount: Money | None = None
    """Exactly one of the two: so much off the price of the lines that it is for."""
    first_day: date | None = None
    last_day: date | None = None
    """Of the site's calendar, both included; None: without an end there."""
    services: frozenset[str] = frozenset()
    """Their keys; none: it is for all."""
    uses_max: int | None = None
    uses_per_address_max: int | None = None
    is_active: bool = True
    used: int = 0
    id: int | None = None

    def __post_init__(self) -> None:
        assert (self.percent is None) is not (self.amount is None)

    def is_for(self, service: str) -> bool:
        return not self.services or service in self.services


@dataclass(frozen=True, slots=True)
class UsedCoupon:
    """As an order, or an attempt to pay one, keeps it."""

    id: int
    code: str


def refusal(why: WhyNot) -> CouponRefused:
    return CouponRefused(_SENTENCES[why], reason=why.value)


def is_code(text: str) -> bool:
    """A few letters become several when they are folded: then a code has fewer of them."""
    return _CODE.fullmatch(text) is not None and len(fold(text)) <= 2 * CODE_LENGTH_MAX


def fold(code: str) -> str:
    """By what codes are compared: whoever types one off a poster need not mind capitals or blanks."""
    return "".join(unicodedata.normalize("NFKC", code).split()).casefold()


def may_count(coupon: Coupon, today: date) -> None:
    """Raises CouponRefused where it does not count on this day of the site's, for anybody."""
    if not coupon.is_active or (coupon.last_day is not None and today > coupon.last_day):
        raise refusal(WhyNot.OVER)
    if coupon.first_day is not None and today < coupon.first_day:
        raise refusal(WhyNot.NOT_YET)


def discounts(coupon: Coupon, lines: Sequence[tuple[str, Money]]) -> list[int]:
    """What it takes off each line, in minor units; `lines` are services and what all seats of each would cost.

    What remains of the whole is nothing, or can be charged: where it would be less than that, less is taken off.
    Raises CouponRefused where nothing is taken off at all.
    """
    parts = [price.amount_minor if coupon.is_for(service) else 0 for service, price in lines]
    total = sum((price for _, price in lines), Money(0, lines[0][1].currency))
    if coupon.amount is not None and coupon.amount.currency != total.currency:
        raise refusal(WhyNot.NOT_FOR_THIS)
    taken = _taken_off(coupon, Money(sum(parts), total.currency), total)
    if taken == 0:
        raise refusal(WhyNot.NOT_FOR_THIS)
    off = spread(taken, parts, step_of(total.currency))
    if max(off) > AMOUNT_MAX:
        raise refusal(WhyNot.NOT_FOR_THIS)
    return off


def _taken_off(coupon: Coupon, part: Money, total: Money) -> int:
    """Of the part that it is for, rounded in favour of whoever pays."""
    if coupon.percent is not None:
        wanted = share(part, coupon.percent).amount_minor
    else:
        assert coupon.amount is not None
        step = step_of(total.currency)
        wanted = min(coupon.amount.amount_minor // step * step, part.amount_minor)
    rest, least = total.amount_minor - wanted, MINIMUM_MINOR.get(total.currency, 1)
    return wanted if rest == 0 or rest >= least else max(0, total.amount_minor - least)


def spread(taken: int, parts: Sequence[int], step: int) -> list[int]:
    """In proportion, without a rest: each up to what it costs, and so that it can be paid back on its own."""
    unit = step if all(part % step == 0 for part in (taken, *parts)) else 1
    whole, so_far, spread = sum(parts), 0, list[int]()
    for part in parts:
        before = taken * so_far // (whole * unit)
        so_far += part
        spread.append((taken * so_far // (whole * unit) - before) * unit)
    return spread
