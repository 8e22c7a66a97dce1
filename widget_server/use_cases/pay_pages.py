"""The only place that says what Stripe is asked to open a page for, and where its customer comes back to."""

from zoneinfo import ZoneInfo

from widget_server.domain.attempts import Attempt, WantedLine
from widget_server.domain.coupons import UsedCoupon
from widget_server.domain.money import Money
from widget_server.domain.payments import SESSION_LENGTH, PaymentLine, WantedPayment, step_of
from widget_server.domain.sites import Site
from widget_server.messages.words import Words, words_for
from widget_server.use_cases.order_links import OrderLinks


def _line(line: WantedLine, when: str, coupon: UsedCoupon | None) -> PaymentLine:
    """Less what a coupon takes off, which may be no price of a single seat: then all of them are one line."""
    name, total = f"{line.service_name}, {when}", line.total
    if line.discount_minor == 0 or coupon is None:
        return PaymentLine(name, line.unit_price, line.seats)
    each, rest = divmod(total.amount_minor, line.seats)
    if rest == 0 and each % step_of(total.currency) == 0:
        return PaymentLine(f"{name} ({coupon.code})", Money(each, total.currency), line.seats)
    return PaymentLine(f"{line.seats} \u00d7 {name} ({coupon.code})", total, 1)


def _difference(attempt: Attempt, words: Words, zone: ZoneInfo) -> PaymentLine:
    """What a move costs more, of all that move."""
    first = attempt.wanted.lines[0]
    name = words.say("difference", service=first.service_name, time=words.short(first.slot.starts_at, zone))
    return PaymentLine(name, attempt.amount, 1)


def to_pay(links: OrderLinks, site: Site, attempt: Attempt) -> WantedPayment:
    """The same for the same attempt, whoever asks and whenever: Stripe takes it for the same call then."""
    customer, zone = attempt.wanted.customer, ZoneInfo(attempt.wanted.customer.zone)
    words = words_for(customer.locale, site.locale)
    page, _, code = links.from_paying(site.key, attempt.order_id, pay_until=attempt.pay_until).partition("#")
    order_page = f"{page}?lang={customer.locale}&paying="
    return WantedPayment(
        attempt_id=attempt.id,
        lines=(_difference(attempt, words, zone),)
        if attempt.move
        else tuple(
            _line(line, words.short(line.slot.starts_at, zone), attempt.wanted.coupon) for line in attempt.wanted.lines
        ),
        amount=attempt.amount,
        email=customer.email,
        locale=customer.locale,
        return_url=f"{order_page}done#{code}",
        cancel_url=f"{order_page}back#{code}",
        expires_at=(attempt.created_at + SESSION_LENGTH).replace(microsecond=0),
    )
