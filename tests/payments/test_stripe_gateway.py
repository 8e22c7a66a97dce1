"""Stripe's own client over real HTTP: what we make of its answers."""

import pytest

from tests.payments.shop import Shop, wanted_payment
from widget_server.domain.payments import Payment, PaymentState

pytestmark = pytest.mark.anyio


async def paid(shop: Shop) -> Payment:
    payment = await shop.gateway.open(shop.keys, wanted_payment())
    shop.books.pay(payment.session_id)
    return await shop.gateway.read(shop.keys, payment.session_id)


async def test_a_card_is_authorised_then_captured(shop: Shop) -> None:
    payment = await paid(shop)

    assert payment.state is PaymentState.AUTHORISED
    captured = await shop.gateway.capture(shop.keys, payment, attempt_id=payment.attempt_id)
    assert captured.state is PaymentState.CAPTURED
    assert captured.captured_minor == 2500
    assert shop.taken_minor == 2500
