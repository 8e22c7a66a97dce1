"""The only place that says what Stripe is asked to open a page for, and where its customer comes back to."""

from zoneinfo import ZoneInfo

from widget_server.domain.attempts import Attempt
from widget_server.domain.payments import SESSION_LENGTH, PaymentLine, WantedPayment
from widget_server.domain.sites import Site
from widget_server.messages.words import words_for
from widget_server.use_cases.order_links import OrderLinks


def to_pay(links: OrderLinks, site: Site, attempt: Attempt) -> WantedPayment:
    """The same for the same attempt, whoever asks and whenever: Stripe takes it for the same call then."""
    customer, zone = attempt.wanted.customer, ZoneInfo(attempt.wanted.customer.zone)
    words = words_for(customer.locale, site.locale)
    page, _, secret = links.for_customer(site.key, attempt.hold_id).partition("#")
    order_page = f"{page}?lang={customer.locale}&paying="
    return WantedPayment(
        attempt_id=attempt.id,
        lines=tuple(
            PaymentLine(f"{line.service_name}, {words.short(line.slot.starts_at, zone)}", line.unit_price, line.seats)
            for line in attempt.wanted.lines
        ),
        amount=attempt.amount,
        email=customer.email,
        locale=customer.locale,
        return_url=f"{order_page}done#{secret}",
        cancel_url=f"{order_page}back#{secret}",
        expires_at=(attempt.created_at + SESSION_LENGTH).replace(microsecond=0),
    )
