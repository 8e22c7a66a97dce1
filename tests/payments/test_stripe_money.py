"""Stripe's own client over real HTTP: ending a page, capturing, voiding and giving back, once each."""

import pytest

from tests.payments.shop import Shop, authorised, capture, captured, opened, void
from widget_server.domain.methods import Method
from widget_server.domain.payments import (
    PaymentState,
    RefundState,
)
from widget_server.errors import PaymentRefused, PaymentsAway
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio


# Ending


async def test_an_ended_page_takes_no_payment_and_ends_once(shop: Shop) -> None:
    payment = await opened(shop)

    ended = await shop.gateway.expire(shop.keys, payment.session_id)
    assert (ended.state, ended.url) == (PaymentState.GONE, None)
    assert await shop.gateway.expire(shop.keys, payment.session_id) == ended


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        ("card", Method("card", "visa", "4242")),
        ("ideal", Method("ideal")),
        ("sepa_debit", Method("sepa_debit", "", "3000")),
    ],
)
async def test_of_how_it_was_paid_nothing_is_kept_but_type_brand_and_four_digits(
    shop: Shop, method: str, kept: Method
) -> None:
    payment = await opened(shop)
    assert payment.method is None
    shop.books.pay(payment.session_id, method)

    assert (await shop.gateway.read(shop.keys, payment.session_id)).method == kept


@pytest.mark.parametrize(("method", "state"), [("card", PaymentState.AUTHORISED), ("ideal", PaymentState.CAPTURED)])
async def test_ending_a_page_that_was_paid_says_so(shop: Shop, method: str, state: PaymentState) -> None:
    payment = await opened(shop)
    shop.books.pay(payment.session_id, method)

    assert (await shop.gateway.expire(shop.keys, payment.session_id)).state is state


# Capturing and voiding


async def test_a_lapsed_authorisation_cannot_be_captured(shop: Shop) -> None:
    payment = await authorised(shop)
    shop.books.lapse(payment.session_id)

    with pytest.raises(PaymentRefused):
        await capture(shop, payment)


async def test_what_somebody_captured_in_stripes_pages_is_captured(shop: Shop) -> None:
    payment = await authorised(shop)
    shop.books.capture(payment.session_id)

    assert (await capture(shop, payment)).state is PaymentState.CAPTURED
    assert shop.taken_minor == 2500


async def test_a_voided_authorisation_is_gone_once_and_for_all(shop: Shop) -> None:
    payment = await authorised(shop)

    assert (await void(shop, payment)).state is PaymentState.GONE
    assert (await void(shop, payment)).state is PaymentState.GONE
    with pytest.raises(PaymentRefused):
        await capture(shop, payment)
    assert shop.taken_minor == 0


async def test_voiding_what_is_captured_says_so(shop: Shop) -> None:
    payment = await authorised(shop)
    await capture(shop, payment)

    assert (await void(shop, payment)).state is PaymentState.CAPTURED
    assert shop.taken_minor == 2500


@pytest.mark.parametrize("trouble", ["cut", "broken"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_capture_whose_answer_is_lost_happens_once(shop: Shop, trouble: str, *, after: bool) -> None:
    payment = await authorised(shop)
    shop.faults.plan("capture", trouble, after=after)

    assert (await capture(shop, payment)).state is PaymentState.CAPTURED
    assert shop.taken_minor == 2500


@pytest.mark.parametrize("trouble", ["cut", "broken", "busy", "locked"])
async def test_a_capture_that_nobody_answers_for_may_be_asked_again(shop: Shop, trouble: str) -> None:
    payment = await authorised(shop)
    shop.faults.plan("capture", trouble, times=2)

    with pytest.raises(PaymentsAway):
        await capture(shop, payment)
    assert (await capture(shop, payment)).state is PaymentState.CAPTURED


async def test_a_void_whose_answer_is_lost_happens_once(shop: Shop) -> None:
    payment = await authorised(shop)
    shop.faults.plan("cancel", "cut", after=True)

    assert (await void(shop, payment)).state is PaymentState.GONE


# Giving back


async def test_a_refund_happens_once(shop: Shop) -> None:
    payment, refund_id = await captured(shop), new_id()
    assert payment.intent_id is not None

    first = await shop.gateway.refund(shop.keys, payment.intent_id, 1000, refund_id=refund_id)
    assert first.state is RefundState.DONE
    assert await shop.gateway.refund(shop.keys, payment.intent_id, 1000, refund_id=refund_id) == first
    assert shop.taken_minor == 1500


async def test_a_refund_whose_answer_is_lost_happens_once(shop: Shop) -> None:
    payment, refund_id = await captured(shop), new_id()
    assert payment.intent_id is not None
    shop.faults.plan("refund", "cut", after=True)

    with pytest.raises(PaymentsAway):
        await shop.gateway.refund(shop.keys, payment.intent_id, 1000, refund_id=refund_id)
    await shop.gateway.refund(shop.keys, payment.intent_id, 1000, refund_id=refund_id)
    assert shop.taken_minor == 1500


async def test_a_refund_is_found_by_our_id_among_very_many_others(shop: Shop) -> None:
    payment, refund_id = await captured(shop), new_id()
    assert payment.intent_id is not None
    assert await shop.gateway.find_refund(shop.keys, payment.intent_id, refund_id=refund_id) is None
    made = await shop.gateway.refund(shop.keys, payment.intent_id, 1, refund_id=refund_id)
    for _ in range(120):
        shop.books.refund(payment.session_id, 1)

    assert await shop.gateway.find_refund(shop.keys, payment.intent_id, refund_id=refund_id) == made
    other = await captured(shop)
    assert other.intent_id is not None
    assert await shop.gateway.find_refund(shop.keys, other.intent_id, refund_id=refund_id) is None


async def test_several_refunds_give_back_no_more_than_was_taken(shop: Shop) -> None:
    payment = await captured(shop)
    assert payment.intent_id is not None
    await shop.gateway.refund(shop.keys, payment.intent_id, 2000, refund_id=new_id())

    with pytest.raises(PaymentRefused, match="greater than unrefunded"):
        await shop.gateway.refund(shop.keys, payment.intent_id, 501, refund_id=new_id())
    await shop.gateway.refund(shop.keys, payment.intent_id, 500, refund_id=new_id())
    with pytest.raises(PaymentRefused, match="already been refunded"):
        await shop.gateway.refund(shop.keys, payment.intent_id, 1, refund_id=new_id())
    assert shop.taken_minor == 0


async def test_nothing_is_given_back_of_what_was_only_authorised(shop: Shop) -> None:
    payment = await authorised(shop)
    assert payment.intent_id is not None

    with pytest.raises(PaymentRefused, match="successful charge"):
        await shop.gateway.refund(shop.keys, payment.intent_id, 1000, refund_id=new_id())


@pytest.mark.parametrize(
    ("why_not", "state", "why"), [(None, RefundState.DONE, ""), ("declined", RefundState.FAILED, "declined")]
)
async def test_a_refund_may_take_days_and_then_be_done_or_fail(
    shop: Shop, why_not: str | None, state: RefundState, why: str
) -> None:
    shop.account.refunds_wait = True
    payment = await captured(shop)
    assert payment.intent_id is not None

    refund = await shop.gateway.refund(shop.keys, payment.intent_id, 1000, refund_id=new_id())
    assert refund.state is RefundState.WAITING
    shop.books.finish_refund(refund.id, why_not=why_not)
    finished = await shop.gateway.read_refund(shop.keys, refund.id)
    assert (finished.state, finished.why) == (state, why)


async def test_whatever_moves_money_carries_a_key_of_its_own(shop: Shop) -> None:
    paid, given_up, refund_id = await captured(shop), await authorised(shop), new_id()
    assert paid.intent_id is not None
    await shop.gateway.refund(shop.keys, paid.intent_id, 1000, refund_id=refund_id)
    await void(shop, given_up)

    assert set(shop.account.answers) == {
        f"{paid.attempt_id}:open",
        f"{paid.attempt_id}:capture",
        f"{given_up.attempt_id}:open",
        f"{given_up.attempt_id}:void",
        f"{refund_id}:refund",
    }
