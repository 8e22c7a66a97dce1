"""Stripe's own client over real HTTP: what we make of its answers."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.payments.shop import Shop, keys_of, opened_shop, wanted_payment
from widget_server.domain.methods import Method
from widget_server.domain.money import Money
from widget_server.domain.payments import (
    MINIMUM_MINOR,
    Payment,
    PaymentAccount,
    PaymentLine,
    PaymentState,
    RefundState,
    at_stripe,
)
from widget_server.errors import PaymentRefused, PaymentsAway, PaymentsNotSetUp, StripeSilent
from widget_server.ids import new_id
from widget_server.payments import stripe_gateway
from widget_server.payments.fake_stripe.checks import MINIMUM
from widget_server.payments.stripe_gateway import StripeGateway

pytestmark = pytest.mark.anyio


async def opened(shop: Shop, **changes: Any) -> Payment:
    return await shop.gateway.open(shop.keys, wanted_payment(**changes))


async def authorised(shop: Shop, **changes: Any) -> Payment:
    payment = await opened(shop, **changes)
    shop.books.pay(payment.session_id)
    return await shop.gateway.read(shop.keys, payment.session_id)


async def captured(shop: Shop, **changes: Any) -> Payment:
    return await capture(shop, await authorised(shop, **changes))


async def capture(shop: Shop, payment: Payment) -> Payment:
    return await shop.gateway.capture(shop.keys, payment, attempt_id=payment.attempt_id)


async def void(shop: Shop, payment: Payment) -> Payment:
    return await shop.gateway.void(shop.keys, payment, attempt_id=payment.attempt_id)


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


# Whatever is asked


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
