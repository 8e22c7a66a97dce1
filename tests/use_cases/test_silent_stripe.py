"""What becomes of seats and payments while Stripe says nothing: who waits for it, for how long, and who for nothing."""

from datetime import timedelta

import pytest

from tests.use_cases.till import LESSON, Payer, Till, take_all_seats
from widget_server.domain.attempts import LET_GO_AFTER, OPENING_FOR
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.errors import (
    PaymentRefused,
    PaymentsAway,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("trouble", "after"), [("cut", True), ("broken", True), ("busy", False)])
async def test_a_capture_without_an_answer_is_found_out_not_undone(till: Till, trouble: str, after: bool) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.faults.plan("capture", trouble, after=after)

    await till.work()
    assert (await till.order(anna)).state is OrderState.PAID
    assert till.shop.taken_minor == 4500


@pytest.mark.parametrize(("trouble", "after"), [("cut", True), ("broken", True), ("busy", False)])
async def test_a_page_without_an_answer_opens_with_the_next_call_or_is_given_up(
    till: Till, trouble: str, after: bool
) -> None:
    anna = Payer()
    await till.hold(anna)
    till.shop.faults.plan("open", trouble, after=after)

    with pytest.raises(PaymentsAway):
        await till.begin(anna)
    if trouble == "broken" and after:  # Stripe says 500 to the same call for a day
        await till.later(OPENING_FOR)
        await till.settling.settle_due()
        assert await till.outcome(anna) is OutcomeState.ABANDONED
    begun = await till.begin(anna)
    assert begun.pay_url
    till.shop.books.pay(await till.session_of(anna))
    assert await till.settle(anna) is AttemptState.PAID


async def test_an_attempt_whose_page_was_never_opened_gives_the_hold_back(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)
    till.shop.faults.plan("open", "cut", times=9)
    with pytest.raises(PaymentsAway):
        await till.begin(anna)

    await till.later(OPENING_FOR)
    await till.settling.settle_due()
    assert (await till.attempt(anna)).state == AttemptState.ENDED
    assert (await till.go_back(anna)).state == "held"


async def test_while_stripe_is_silent_nobody_else_gets_the_seats_for_an_hour(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.faults.plan("expire", "cut", times=2)

    await till.later(PAYMENT_WINDOW)
    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    assert (await till.house.seats(LESSON)).held == 1
    await till.later(LET_GO_AFTER)
    assert await till.settle(anna) is AttemptState.ENDED
    assert (await till.house.seats(LESSON)).held == 0
    assert till.shop.books.session(session).status == "expired"
    assert await till.messages(anna) == []


async def test_seats_of_a_page_that_stripe_does_not_know_are_let_go_as_well(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    kept = till.shop.account.sessions.pop(session)  # as if its keys were those of another account by now

    await till.later(PAYMENT_WINDOW)
    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    await till.later(LET_GO_AFTER)
    with pytest.raises(PaymentRefused):
        await till.settle(anna)
    assert (await till.house.seats(LESSON)).held == 0
    assert (await till.attempt(anna)).state == AttemptState.RETURNING

    till.shop.account.sessions[session] = kept
    await take_all_seats(till)
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0


async def test_an_audit_leaves_what_stripe_has_not_answered_to_stripe(till: Till) -> None:
    anna, ben = Payer(), Payer()
    await till.at_the_page(anna)
    await till.hold(ben)
    listing = await till.house.parts.use_cases.catalog.find("studio")
    await till.house.engine.pin(
        listing.site,
        ben.id,
        ben.ref.secret_hash,
        listing.schedule.find,
        schedule_version=listing.schedule.version,
        attempt="free",
        window=PAYMENT_WINDOW,
    )

    await till.house.advance(PAYMENT_WINDOW + timedelta(minutes=1))
    auditing = till.house.parts.use_cases.reconciliation.auditing
    auditing.look_again_after_s = 0.1
    found = await auditing.found([listing.site], thoroughly=False)
    assert [one.hold_id for one in found] == [ben.id]


async def test_what_turns_out_paid_after_that_hour_is_booked_if_its_seats_are_free(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.faults.plan("expire", "cut")

    await till.later(PAYMENT_WINDOW + LET_GO_AFTER)
    assert await till.settle(anna) is AttemptState.PAID
    assert await till.house.booked_in_sql(LESSON) == 1
    assert await till.messages(anna) == ["new_order", "booked"]
    assert await till.deeds(anna) == ["payment_let_go", "paid_too_late", "same_seats_taken", "payment_captured"]


async def test_no_seat_waits_for_days_for_a_method_that_takes_them(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session, "sepa_debit")

    await till.later(PAYMENT_WINDOW)
    assert await till.settle(anna) is AttemptState.OPEN
    assert (await till.house.seats(LESSON)).held == 1
    await till.later(LET_GO_AFTER)
    assert await till.settle(anna) is AttemptState.RETURNING
    assert (await till.house.seats(LESSON)).held == 0
    await take_all_seats(till)
    till.shop.books.arrive(session)
    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0
    assert await till.messages(anna) == ["payment_returned"]
