"""What a pay page sends its customer back with: a code that opens their order for a while, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from widget_server.errors import NotFound, TooLate
from widget_server.ids import is_id, new_id
from widget_server.use_cases.order_links import RETURN_FOR, OrderLinks, link_secret

KEY, ORDER, NOW = b"a key of the server", new_id(), datetime(2026, 11, 21, 12, 0, 0, 123_456, UTC)
LINKS = OrderLinks(KEY, "https://book.example.org")


def code_of(links: OrderLinks = LINKS, *, site: str = "studio", order: str = ORDER, pay_until: datetime = NOW) -> str:
    return links.from_paying(site, order, pay_until=pay_until).partition("#return=")[2]


def test_it_is_sent_as_a_secret_is_and_opens_its_order_as_often_as_its_customer_comes_back() -> None:
    code, secret = code_of(), link_secret(KEY, "studio", ORDER)

    assert is_id(code)
    assert secret not in LINKS.from_paying("studio", ORDER, pay_until=NOW), "Stripe learns no secret"
    assert [LINKS.secret_for("studio", ORDER, code, at=NOW) for _ in range(2)] == [secret, secret]
    assert code == code_of(), "the same attempt is the same call to Stripe"


def test_an_hour_after_the_payment_window_it_counts_no_more() -> None:
    code = code_of()
    last = NOW.replace(microsecond=0) + RETURN_FOR - timedelta(microseconds=1)

    assert LINKS.secret_for("studio", ORDER, code, at=last)
    with pytest.raises(TooLate):
        LINKS.secret_for("studio", ORDER, code, at=last + timedelta(microseconds=1))


def test_it_opens_no_other_order_and_nobody_can_make_one_or_lengthen_it() -> None:
    longer = code_of(pay_until=NOW + timedelta(days=9))[:6] + code_of()[6:]
    others = (
        code_of(order=new_id()),
        code_of(site="other"),
        code_of(OrderLinks(b"another key", "https://book.example.org")),
        link_secret(KEY, "studio", ORDER),
        longer,
        "A" * 22,
        "_" * 22,
    )

    for code in others:
        with pytest.raises(NotFound):
            LINKS.secret_for("studio", ORDER, code, at=NOW)
