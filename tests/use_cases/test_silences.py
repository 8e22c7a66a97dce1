"""Stripe is silent for ten minutes: one asks for all, and all are seen to within seconds of its first answer."""

import asyncio
from datetime import timedelta

import pytest
import structlog
from sqlmodel import select

from tests.use_cases.test_refunding import entry
from tests.use_cases.till import LESSON, Payer, Till, take_payments
from widget_server.domain.attempts import LET_GO_AFTER
from widget_server.domain.money import Money
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.errors import PaymentsAway
from widget_server.payments.fake_stripe.faults import Call, Trouble
from widget_server.store.silences import PROBE_EVERY, UNPROBED_FOR
from widget_server.store.tables import PaymentAccountRow

pytestmark = pytest.mark.anyio

ASKED = (Call.READ, Call.EXPIRE, Call.CAPTURE, Call.READ_INTENT, Call.REFUND)
ALWAYS = 1_000_000
SECOND = timedelta(seconds=1)


def hang_up(till: Till) -> None:
    for call in ASKED:
        till.shop.books.faults.plan(call, Trouble.CUT, times=ALWAYS)


def asked(till: Till) -> int:
    """How often Stripe was, since it hung up."""
    return sum(ALWAYS - fault.times for fault in till.shop.books.faults.planned)


async def work(till: Till, by: timedelta, *, probing: bool = True) -> None:
    """What a worker does when so much time has passed."""
    await till.later(by)
    if probing:
        await till.settling.probe_due()
    while await till.settling.settle_due() or await till.house.parts.use_cases.refunding.refund_due():
        pass


async def ten_minutes(till: Till, anna: Payer, ben: Payer, *, probing: bool = True) -> None:
    """Ben is to have his money back, anna has paid, and nobody hears of either."""
    await till.paid(ben)
    till.shop.books.pay(await till.at_the_page(anna, (LESSON, 2)))
    hang_up(till)
    await till.house.parts.use_cases.bookings.cancel(ben.order_ref)
    for _ in range(10):
        await work(till, 60 * SECOND, probing=probing)


@pytest.mark.parametrize("probing", [True, False], ids=["probed", "control"])
async def test_all_that_waits_for_stripe_is_seen_to_within_seconds_of_its_answer(till: Till, probing: bool) -> None:
    anna, ben = Payer(), Payer()
    await ten_minutes(till, anna, ben, probing=probing)
    assert (await till.attempt(anna)).state == AttemptState.OPEN

    till.shop.books.faults.planned.clear()
    for _ in range(5):
        await work(till, SECOND, probing=probing)

    assert (await till.refunds(ben) == [(4500, "cancelled", "done")]) is probing
    if probing:
        assert (await till.attempt(anna)).state == AttemptState.PAID
        assert till.shop.taken_minor == 9000


async def test_what_was_given_back_by_hand_meanwhile_is_not_taken_for_what_waits(till: Till) -> None:
    ben, twenty = Payer(), Money(2000, "EUR")
    session = await till.paid(ben)
    hang_up(till)
    site, by_mia = await till.house.site(), await entry(till)
    await till.house.parts.use_cases.refunding.refund(site.id, ben.id, twenty, entry=by_mia)
    for _ in range(3):
        await work(till, 60 * SECOND)
    till.shop.books.refund(session, twenty.amount_minor)

    till.shop.books.faults.planned.clear()
    for _ in range(5):
        await work(till, SECOND)
    assert till.shop.taken_minor == 4500 - 2 * 2000
    assert await till.refunds(ben) == [(2000, "operator", "done")]


async def test_while_stripe_is_silent_one_asks_for_all(till: Till) -> None:
    payers = [Payer() for _ in range(4)]
    for number, payer in enumerate(payers):
        await till.at_the_page(payer, (LESSON, 1 + number % 2))
    hang_up(till)
    await work(till, 3 * SECOND)
    await work(till, SECOND)

    before = asked(till)
    for _ in range(10):
        await work(till, PROBE_EVERY)
    assert asked(till) == before + 10
    with pytest.raises(PaymentsAway):
        await till.settle(payers[0])
    assert asked(till) == before + 10


async def test_a_worker_finds_out_by_itself_when_stripe_is_silent_and_when_it_answers(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    hang_up(till)
    with pytest.raises(PaymentsAway):
        await till.settle(anna)

    with structlog.testing.capture_logs() as logs:
        worker = asyncio.create_task(till.settling.run())
        try:
            await till.house.eventually(lambda: "stripe_silent" in [log["event"] for log in logs])
            till.shop.books.faults.planned.clear()
            await till.house.eventually(lambda: till.shop.taken_minor == 4500)
        finally:
            worker.cancel()
            await asyncio.wait([worker])
    assert [log["event"] for log in logs if log["event"].startswith("stripe_")] == ["stripe_silent", "stripe_answers"]


async def test_without_anybody_who_probes_all_ask_for_themselves_again_after_a_while(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    hang_up(till)
    for _ in range(3):
        await work(till, 3 * SECOND)
    till.shop.books.faults.planned.clear()

    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    await till.later(UNPROBED_FOR + PROBE_EVERY)
    assert await till.settle(anna) is AttemptState.PAID


async def test_silent_accounts_are_probed_in_turn_and_none_of_them_is_asked_meanwhile(till: Till) -> None:
    await take_payments(till.house, till.shop, is_test=True)
    site, accounts, at = await till.house.site(), till.settling._accounts, till.settling.now()
    for is_test in (False, True):
        await accounts.silences.suspect(site.id, is_test=is_test, at=at, wait=SECOND)
        assert await accounts.find(site.id, is_test=is_test)

    at += SECOND + UNPROBED_FOR
    assert len(await accounts.silences.to_probe(1, at=at)) == 1
    for is_test in (False, True):
        with pytest.raises(PaymentsAway):
            await accounts.find_answering(site.id, is_test=is_test, at=at)
    at += PROBE_EVERY + UNPROBED_FOR
    for is_test in (False, True):
        assert await accounts.find_answering(site.id, is_test=is_test, at=at)


async def test_nobody_lets_seats_go_without_having_asked_however_silent_stripe_was(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    await till.later(PAYMENT_WINDOW + LET_GO_AFTER)
    site, silences, now = await till.house.site(), till.settling._accounts.silences, till.settling.now()

    await silences.suspect(site.id, is_test=False, at=now, wait=60 * SECOND)
    with pytest.raises(PaymentsAway):  # to take the money can wait
        await till.settle(anna)
    assert (await till.attempt(anna)).state == AttemptState.CAPTURING


async def test_one_call_that_fails_keeps_nobody_else_waiting(till: Till) -> None:
    anna, ben = Payer(), Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.books.pay(await till.at_the_page(ben, (LESSON, 2)))
    till.shop.books.faults.plan(Call.READ, Trouble.CUT)

    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    assert await till.settle(ben) is AttemptState.PAID
    assert await till.settling.probe_due() == 1
    async with till.house.parts.database.snapshot() as session:
        (account,) = await session.exec(select(PaymentAccountRow))
    assert (account.probe_at, account.silent_since) == (None, None)


async def test_whoever_is_asked_too_much_is_left_alone_for_as_long_as_it_says(till: Till) -> None:
    anna, ben = Payer(), Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.books.pay(await till.at_the_page(ben, (LESSON, 2)))
    till.shop.books.faults.plan(Call.READ, Trouble.BUSY)

    for payer in (anna, ben):
        with pytest.raises(PaymentsAway):
            await till.settle(payer)
    assert await till.settling.probe_due() == 0
    await till.later(60 * SECOND)
    assert await till.settling.probe_due() == 1
    assert await till.settle(ben) is AttemptState.PAID
