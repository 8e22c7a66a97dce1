"""Stripe's own client over real HTTP: opening pay pages, and reading what became of them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.payments.shop import Shop, authorised, capture, captured, keys_of, opened, opened_shop, wanted_payment
from widget_server.domain.money import Money
from widget_server.domain.payments import (
    MINIMUM_MINOR,
    Payment,
    PaymentLine,
    PaymentState,
    RefundState,
    at_stripe,
)
from widget_server.errors import PaymentRefused
from widget_server.ids import new_id
from widget_server.payments.fake_stripe.checks import MINIMUM

pytestmark = pytest.mark.anyio


# Opening


async def test_a_pay_page_shows_what_was_wanted(shop: Shop) -> None:
    wanted = wanted_payment()

    payment = await shop.gateway.open(shop.keys, wanted)

    session = shop.only_session
    assert payment == Payment(
        session_id=session.id,
        state=PaymentState.OPEN,
        url=f"{shop.url}/pay/{session.id}",
        intent_id=None,
        amount=Money(2500, "EUR"),
        captured_minor=0,
        refunded_minor=0,
        attempt_id=wanted.attempt_id,
    )
    assert [(line.name, line.unit_amount, line.quantity) for line in session.lines] == [(wanted.lines[0].name, 1250, 2)]
    assert (session.success_url, session.cancel_url) == (wanted.return_url, wanted.cancel_url)
    assert (session.email, session.locale, session.reference) == ("anna@example.org", "en-GB", wanted.attempt_id)
    assert session.expires_at == wanted.expires_at.timestamp()


async def test_opening_again_is_the_same_pay_page(shop: Shop) -> None:
    wanted = wanted_payment()
    first = await shop.gateway.open(shop.keys, wanted)

    assert await shop.gateway.open(shop.keys, wanted) == first
    assert len(shop.account.sessions) == 1


async def test_opening_again_for_something_else_is_refused(shop: Shop) -> None:
    wanted = wanted_payment()
    await shop.gateway.open(shop.keys, wanted)

    with pytest.raises(PaymentRefused, match="same parameters"):
        await shop.gateway.open(shop.keys, wanted_payment(attempt_id=wanted.attempt_id, email="ben@example.org"))


async def test_cards_are_authorised_first_and_no_seat_waits_for_methods_that_take_days(shop: Shop) -> None:
    await opened(shop)

    assert shop.only_session.captures_card_later
    assert shop.only_session.methods == ("card", "ideal")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"email": "anna"}, "Invalid email address"),
        ({"lines": (PaymentLine("Yoga", Money(30, "EUR"), 1),)}, "at least 50 eur"),
        ({"expires_at": wanted_payment().expires_at - timedelta(minutes=20)}, "30 minutes"),
    ],
)
async def test_what_stripe_does_not_take_is_refused_in_its_own_words(
    shop: Shop, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(PaymentRefused, match=told):
        await opened(shop, **changes)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("en-GB", "en-GB"), ("de-AT", "de"), ("de", "de"), ("ga", "auto"), ("pt-BR", "pt-BR")]
)
async def test_the_pay_page_speaks_the_customers_language_if_stripe_does(shop: Shop, ours: str, theirs: str) -> None:
    await opened(shop, locale=ours)

    assert shop.only_session.locale == theirs


@pytest.mark.parametrize(
    ("minor", "currency", "theirs"),
    [
        (1250, "EUR", 1250),
        (500, "JPY", 500),
        (900, "ISK", 90_000),
        (5120, "KWD", 5120),
        (50_000, "HUF", 50_000),
    ],
)
async def test_amounts_are_what_stripe_means_by_them(shop: Shop, minor: int, currency: str, theirs: int) -> None:
    price = Money(minor, currency)

    payment = await captured(shop, lines=(PaymentLine("Yoga", price, 1),), amount=price)

    assert shop.only_session.amount == theirs
    assert (payment.amount, payment.captured_minor) == (price, minor)
    assert payment.intent_id is not None
    refunded = await shop.gateway.refund(shop.keys, payment.intent_id, minor, refund_id=new_id())
    assert refunded.state is RefundState.DONE
    assert shop.books.intent(payment.session_id).charge.amount_refunded == theirs  # type: ignore[union-attr]
    assert (await shop.gateway.read(shop.keys, payment.session_id)).refunded_minor == minor


def test_what_can_be_charged_at_least_is_what_stripe_says() -> None:
    assert {code.lower(): at_stripe(Money(least, code)) for code, least in MINIMUM_MINOR.items()} == MINIMUM


# Reading


async def test_a_card_is_authorised_then_captured_once(shop: Shop) -> None:
    payment = await authorised(shop)

    assert (payment.state, payment.captured_minor, payment.url) == (PaymentState.AUTHORISED, 0, None)
    first = await capture(shop, payment)
    assert (first.state, first.captured_minor) == (PaymentState.CAPTURED, 2500)
    assert await capture(shop, payment) == first
    assert await shop.gateway.read(shop.keys, payment.session_id) == first
    assert shop.taken_minor == 2500


async def test_a_method_without_authorisation_is_captured_at_once(shop: Shop) -> None:
    payment = await opened(shop)
    shop.books.pay(payment.session_id, "ideal")

    read = await shop.gateway.read(shop.keys, payment.session_id)
    assert (read.state, read.captured_minor) == (PaymentState.CAPTURED, 2500)


async def test_after_a_decline_the_customer_can_still_pay(shop: Shop) -> None:
    payment = await opened(shop)
    shop.books.decline(payment.session_id)

    read = await shop.gateway.read(shop.keys, payment.session_id)
    assert (read.state, read.url) == (PaymentState.OPEN, payment.url)


async def test_while_the_bank_asks_the_payment_is_open(shop: Shop) -> None:
    payment = await opened(shop)
    shop.books.ask_bank(payment.session_id)

    assert (await shop.gateway.read(shop.keys, payment.session_id)).state is PaymentState.OPEN
    shop.books.answer_bank(payment.session_id, is_sure=False)
    assert (await shop.gateway.read(shop.keys, payment.session_id)).state is PaymentState.OPEN
    shop.books.ask_bank(payment.session_id)
    shop.books.answer_bank(payment.session_id, is_sure=True)
    assert (await shop.gateway.read(shop.keys, payment.session_id)).state is PaymentState.AUTHORISED


@pytest.mark.parametrize(("comes", "state"), [(True, PaymentState.CAPTURED), (False, PaymentState.GONE)])
async def test_a_slow_method_is_on_its_way_until_it_has_come_or_failed(
    shop: Shop, comes: bool, state: PaymentState
) -> None:
    payment = await opened(shop)
    shop.books.pay(payment.session_id, "sepa_debit")

    assert (await shop.gateway.read(shop.keys, payment.session_id)).state is PaymentState.PROCESSING
    (shop.books.arrive if comes else shop.books.fail)(payment.session_id)
    assert (await shop.gateway.read(shop.keys, payment.session_id)).state is state


async def test_a_lapsed_authorisation_is_gone(shop: Shop) -> None:
    payment = await authorised(shop)
    shop.books.lapse(payment.session_id)

    read = await shop.gateway.read(shop.keys, payment.session_id)
    assert (read.state, read.refunded_minor) == (PaymentState.GONE, 0)


async def test_a_page_that_nobody_paid_in_time_is_gone() -> None:
    async with opened_shop() as shop:
        payment = await opened(shop)
        shop.books.let_pass(timedelta(minutes=40))

        read = await shop.gateway.read(shop.keys, payment.session_id)
        assert (read.state, read.url) == (PaymentState.GONE, None)


async def test_what_was_given_back_in_stripes_pages_is_seen(shop: Shop) -> None:
    payment = await captured(shop)
    shop.books.refund(payment.session_id, 700)

    assert (await shop.gateway.read(shop.keys, payment.session_id)).refunded_minor == 700


async def test_one_account_knows_nothing_of_anothers_payments(shop: Shop) -> None:
    payment = await opened(shop)
    other = keys_of(shop.books.open_account(name="Another studio"))

    with pytest.raises(PaymentRefused, match="No such checkout"):
        await shop.gateway.read(other, payment.session_id)
    assert (await shop.gateway.read(shop.keys, payment.session_id)).state is PaymentState.OPEN
