"""Whether keys that an operator has entered are good, without doing anything with them."""

from dataclasses import replace

import pytest

from tests.payments.shop import Shop
from widget_server.errors import BadSignature, PaymentsAway, PaymentsNotSetUp
from widget_server.payments.fake_stripe.webhooks import sign

pytestmark = pytest.mark.anyio


async def test_good_keys_are_answered_with_the_name_of_the_business(shop: Shop) -> None:
    assert await shop.gateway.check(shop.keys) == "A studio"
    assert not shop.account.sessions, "and nothing has happened"


async def test_keys_that_stripe_does_not_know_are_no_set_up(shop: Shop) -> None:
    with pytest.raises(PaymentsNotSetUp):
        await shop.gateway.check(replace(shop.keys, secret_key="sk_test_of_nobody"))


async def test_a_restricted_key_need_not_know_the_name(shop: Shop) -> None:
    shop.faults.plan("account", "forbidden")

    assert await shop.gateway.check(shop.keys) == ""


@pytest.mark.parametrize("call", ["expire", "cancel", "refund"])
async def test_a_restricted_key_needs_the_rest(shop: Shop, call: str) -> None:
    shop.faults.plan(call, "forbidden")

    with pytest.raises(PaymentsNotSetUp):
        await shop.gateway.check(shop.keys)


async def test_nothing_is_known_while_stripe_is_away(shop: Shop) -> None:
    shop.faults.plan("expire", "broken")

    with pytest.raises(PaymentsAway):
        await shop.gateway.check(shop.keys)


async def test_without_a_signing_secret_nobody_is_believed(shop: Shop) -> None:
    body, at = b'{"id": "evt_1", "data": {"object": {}}}', shop.books.now()

    with pytest.raises(BadSignature):
        shop.gateway.read_event(replace(shop.keys, webhook_secret=""), body, sign(body, "", at))
