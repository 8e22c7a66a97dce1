"""Money on its way back, and what comes in between: banks that refuse, lost answers, refunds made at Stripe."""

from contextlib import suppress

import pytest

from tests.use_cases.till import Payer, Till, hear_all, lose_all_seats, seats_gone
from widget_server.domain.orders import OutcomeState
from widget_server.domain.payments import AttemptState
from widget_server.errors import (
    Unavailable,
)
from widget_server.store.refunds import REFUSED_AGAIN_AFTER

pytestmark = pytest.mark.anyio


async def test_money_that_is_still_on_its_way_has_not_gone_back(till: Till) -> None:
    """Stripe counts it as refunded already, and a bank may yet refuse it."""
    anna, account = Payer(), till.shop.account
    account.refunds_wait = True
    await seats_gone(till, anna)

    for _ in range(3):
        assert await till.settle(anna) is AttemptState.RETURNING
    assert await till.messages(anna) == []
    (waiting,) = account.refunds.values()
    till.shop.books.finish_refund(waiting.id)
    assert await till.settle(anna) is AttemptState.ENDED
    assert await till.refunds(anna) == [(4500, "no_seats", "done")]
    assert await till.messages(anna) == ["payment_returned"]


async def test_money_whose_return_was_never_answered_is_found_where_stripe_has_forgotten_the_key(till: Till) -> None:
    """It keeps one for a day. Under the same key a later try would be another refund, which it refuses."""
    anna = Payer()
    await seats_gone(till, anna)
    till.shop.faults.plan("refund", "cut", after=True)
    with suppress(Unavailable):
        await till.settle(anna)
    assert await till.refunds(anna) == [(4500, "no_seats", "waiting")]
    assert till.shop.taken_minor == 0
    till.shop.account.answers.clear()

    assert await till.settle(anna) is AttemptState.ENDED
    assert await till.refunds(anna) == [(4500, "no_seats", "done")]
    assert await till.messages(anna) == ["payment_returned"]


async def test_money_whose_return_is_refused_is_given_back_a_day_later(till: Till) -> None:
    anna, account = Payer(), till.shop.account
    account.refunds_wait = True
    await seats_gone(till, anna)
    for _ in range(2):
        assert await till.settle(anna) is AttemptState.RETURNING
    (refused,) = account.refunds.values()
    till.shop.books.finish_refund(refused.id, why_not="declined")
    account.refunds_wait = False

    await till.work()
    assert await till.refunds(anna) == [(4500, "no_seats", "failed")]
    assert await till.messages(anna) == []
    await till.later(REFUSED_AGAIN_AFTER)
    await till.work()
    assert await till.refunds(anna) == [(4500, "no_seats", "done")]
    assert till.shop.taken_minor == 0
    assert await till.messages(anna) == ["payment_returned"]


async def test_a_return_that_a_bank_refuses_after_it_was_done_begins_anew(till: Till) -> None:
    anna = Payer()
    await seats_gone(till, anna)
    assert await till.settle(anna) is AttemptState.ENDED
    await hear_all(till)
    assert (await till.attempt(anna)).state == AttemptState.ENDED
    (done,) = till.shop.account.refunds.values()

    till.shop.books.finish_refund(done.id, why_not="declined")
    await hear_all(till)
    assert await till.refunds(anna) == [(4500, "no_seats", "failed")]
    assert (await till.attempt(anna)).state == AttemptState.RETURNING
    assert await till.outcome(anna) is OutcomeState.VOIDING
    await till.later(REFUSED_AGAIN_AFTER)
    await till.work()
    assert till.shop.taken_minor == 0
    assert await till.outcome(anna) is OutcomeState.VOIDED
    assert await till.messages(anna) == ["payment_returned"]


async def test_what_a_bank_refuses_of_a_refund_made_at_stripe_before_goes_back_as_well(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session, "ideal")
    till.shop.account.refunds_wait = True
    partly = till.shop.books.refund(session, 1000)
    till.shop.account.refunds_wait = False
    assert await till.settle(anna) is AttemptState.ENDED
    assert await till.refunds(anna) == [(3500, "no_seats", "done")]

    till.shop.books.finish_refund(partly.id, why_not="declined")
    assert till.shop.taken_minor == 1000
    for _ in range(2):
        await hear_all(till)
        assert await till.settle(anna) is AttemptState.ENDED
    assert await till.refunds(anna) == [(3500, "no_seats", "done"), (1000, "no_seats", "done")]
    assert till.shop.taken_minor == 0
    assert await till.messages(anna) == ["payment_returned"]
    assert await till.deeds(anna) == ["payment_given_back", "payment_refunded", "payment_refunded"]


async def test_the_mail_about_money_that_goes_back_says_what_was_wanted_and_leads_to_the_order(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    await lose_all_seats(till, anna)
    await till.settle(anna)

    await till.house.parts.posting.post()
    (message,) = await till.house.parts.use_cases.messages.of_order(await till.house.site(), anna.id)
    assert (message.state, message.address) == ("kept", "anna@example.org")
    assert message.mail is not None
    for told in ("Ihr Geld geht zurück", (await till.order(anna)).number):
        assert told in message.mail.subject
    for told in ("Private lesson", f"/o/studio/{anna.id}#"):
        assert told in message.mail.plain
