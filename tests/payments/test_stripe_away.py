"""Stripe's own client over real HTTP: answers that are lost, a slow Stripe, one that is away, and wrong keys."""

import asyncio
import logging
from datetime import timedelta

import pytest
import stripe

from tests.payments.shop import Shop, captured, opened, wanted_payment
from widget_server.domain.money import Money
from widget_server.domain.payments import (
    PaymentAccount,
    PaymentLine,
)
from widget_server.errors import PaymentRefused, PaymentsAway, PaymentsNotSetUp, StripeSilent
from widget_server.ids import new_id
from widget_server.payments import stripe_gateway
from widget_server.payments.stripe_gateway import StripeGateway

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("trouble", ["cut", "broken", "busy", "locked"])
async def test_when_nobody_knows_what_stripe_has_done_it_is_away(shop: Shop, trouble: str) -> None:
    payment = await opened(shop)
    for call in ("open", "read", "expire", "read_intent"):
        shop.faults.plan(call, trouble)

    with pytest.raises(PaymentsAway):
        await opened(shop)
    with pytest.raises(PaymentsAway):
        await shop.gateway.read(shop.keys, payment.session_id)
    with pytest.raises(PaymentsAway):
        await shop.gateway.expire(shop.keys, payment.session_id)
    with pytest.raises(PaymentsAway):
        await shop.gateway.refund(shop.keys, "pi_1", 1000, refund_id=new_id())


async def test_a_page_whose_answer_was_lost_is_the_same_page(shop: Shop) -> None:
    wanted = wanted_payment()
    shop.faults.plan("open", "cut", after=True)

    with pytest.raises(PaymentsAway):
        await shop.gateway.open(shop.keys, wanted)
    payment = await shop.gateway.open(shop.keys, wanted)
    assert payment.session_id == shop.only_session.id


async def test_the_same_request_while_it_is_under_way_is_turned_away(shop: Shop) -> None:
    wanted, stop = wanted_payment(), shop.faults.stop("open")
    first = asyncio.create_task(shop.gateway.open(shop.keys, wanted))
    await stop.reached.wait()

    with pytest.raises(PaymentsAway):
        await shop.gateway.open(shop.keys, wanted)
    stop.go()
    assert (await first).session_id == shop.only_session.id


async def test_a_stripe_that_does_not_answer_is_not_waited_for_long(shop: Shop) -> None:
    hasty = StripeGateway(api_url=shop.url, timeout_s=0.05)
    shop.faults.stop("read")
    payment = await opened(shop)

    with pytest.raises(PaymentsAway):
        await hasty.read(shop.keys, payment.session_id)
    await hasty.close()


async def test_a_stripe_that_is_not_there_is_away(unused_url: str) -> None:
    gateway = StripeGateway(api_url=unused_url)

    with pytest.raises(PaymentsAway):
        await gateway.check(PaymentAccount("sk_test_1", "whsec_1"))
    await gateway.close()


@pytest.fixture
def unused_url() -> str:
    return "http://127.0.0.1:1"


async def test_keys_that_stripe_does_not_take_are_no_payments(shop: Shop) -> None:
    wrong = PaymentAccount("sk_test_somebody_made_this_up", "whsec_1")

    with pytest.raises(PaymentsNotSetUp):
        await shop.gateway.check(wrong)
    with pytest.raises(PaymentsNotSetUp):
        await shop.gateway.open(wrong, wanted_payment())


async def test_no_log_and_no_error_tells_a_key_or_an_address(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await captured(shop)

    with pytest.raises(PaymentRefused) as refused:
        await opened(shop, lines=(PaymentLine("Yoga", Money(30, "EUR"), 1),))

    told = caplog.text + repr(refused.value) + repr(refused.value.__cause__) + repr(shop.keys)
    assert shop.account.secret_key not in told
    assert "anna@example.org" not in told
    assert not [record for record in caplog.records if record.name.startswith(("stripe", "httpx", "httpcore"))]


async def test_what_is_kept_of_a_refusal_is_stripes_code_and_not_its_sentence(shop: Shop) -> None:
    """Which may repeat what was sent: here, an address that is none."""
    with pytest.raises(PaymentRefused) as refused:
        await opened(shop, email="anna at example.org")

    assert "anna at example.org" in refused.value.message
    assert refused.value.on_record == "Stripe: email_invalid"


@pytest.mark.parametrize(("told", "wait_s"), [({}, 2), ({"retry-after": "7"}, 7), ({"retry-after": "9999"}, 60)])
def test_stripe_is_left_alone_for_as_long_as_it_says_within_limits(told: dict[str, str], wait_s: int) -> None:
    silent = stripe_gateway._away(stripe.RateLimitError("too much", headers=told))

    assert isinstance(silent, StripeSilent)
    assert silent.wait == timedelta(seconds=wait_s)
