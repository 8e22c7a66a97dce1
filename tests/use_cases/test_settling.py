"""What becomes of what was paid when something has come in between: seats gone, Redis empty, Stripe silent."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.engine.test_full import memory_of
from tests.use_cases.till import ALL_SEATS, LESSON, Late, Payer, Till
from tests.web.desks import desk_in
from widget_server.domain.attempts import LET_GO_AFTER, OPENING_FOR
from widget_server.domain.holds import HoldState
from widget_server.domain.orders import Order, OrderState, OutcomeState
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.errors import (
    BadSignature,
    HoldEnded,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotSetUp,
    SlotFull,
    Unavailable,
)
from widget_server.ids import new_id
from widget_server.payments.fake_stripe.objects import Session
from widget_server.store.refunds import REFUSED_AGAIN_AFTER

pytestmark = pytest.mark.anyio


async def wipe(till: Till) -> None:
    await till.house.flush()
    await till.house.parts.use_cases.reconciliation.fill("studio")


async def take_all_seats(till: Till) -> None:
    """Others hold all that Redis believes free; and there is no other lesson."""
    await till.offer_only(LESSON)
    await till.take_all(LESSON)


async def lose_all_seats(till: Till, payer: Payer) -> None:
    """Likewise, and Redis has forgotten whose the others are: where it went back in time, nothing tells it at once."""
    await till.offer_only(LESSON)
    await till.lose_seats(payer, LESSON)


async def test_a_payer_whose_pin_redis_has_forgotten_has_the_same_seats_again(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    fence = (await till.attempt(anna)).fence

    await wipe(till)
    assert (await till.house.seats(LESSON)).held == 1
    assert await till.settle(anna) is AttemptState.OPEN
    assert (await till.attempt(anna)).fence == fence, "it is the same pin"
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID
    assert (await till.house.seats(LESSON)).held == 0


async def test_who_has_paid_what_redis_has_forgotten_gets_it_if_it_is_free(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))

    await wipe(till)
    assert await till.settle(anna) is AttemptState.PAID
    assert till.shop.taken_minor == 4500


async def test_who_is_at_the_page_is_booked_also_where_redis_has_no_memory_left(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)

    async with memory_of(till.house.redis, 1):
        assert await till.settle(anna) is AttemptState.OPEN
        till.shop.books.pay(session)
        assert await till.settle(anna) is AttemptState.PAID
        seats = await till.house.seats(LESSON)
    assert (seats.held, seats.booked) == (0, 1)
    assert till.shop.taken_minor == 4500


def came_too_late(order: Order) -> bool:
    return order.payment is not None and order.payment.came_too_late


@pytest.mark.parametrize(("method", "how"), [("card", "voided"), ("ideal", "refunded")])
async def test_who_has_paid_seats_that_are_gone_has_their_money_again_and_is_told(
    till: Till, method: str, how: str
) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session, method)
    await lose_all_seats(till, anna)

    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0
    assert till.shop.books.intent(session).status == {"voided": "canceled", "refunded": "succeeded"}[how]
    assert await till.refunds(anna) == ([(4500, "no_seats", "done")] if how == "refunded" else [])
    assert await till.outcome(anna) is OutcomeState.VOIDED
    assert await till.messages(anna) == ["payment_returned"]
    given_back = {"voided": "payment_voided", "refunded": "payment_refunded"}[how]
    assert await till.deeds(anna) == ["paid_too_late", given_back]
    order = await till.order(anna)
    assert (order.state, came_too_late(order)) == (OrderState.VOIDED, True)
    assert await till.settle(anna) is AttemptState.ENDED
    with pytest.raises((HoldEnded, SlotFull)):
        await till.begin(anna)


async def seats_gone(till: Till, anna: Payer) -> None:
    """She has paid, at once, for seats that others have by now."""
    till.shop.books.pay(await till.at_the_page(anna), "ideal")
    await lose_all_seats(till, anna)


async def hear_all(till: Till) -> None:
    for letter in till.shop.letters():
        await till.settling.heard("studio", letter.body, letter.signature)


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


async def test_a_page_whose_seats_are_gone_is_closed(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    await lose_all_seats(till, anna)

    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.books.session(session).status == "expired"
    assert await till.messages(anna) == []


async def test_seats_that_sql_has_not_are_not_sold_whatever_redis_believes(till: Till) -> None:
    anna, ben = Payer(), Payer(name="Ben Oak")
    till.shop.books.pay(await till.at_the_page(anna))
    for other in (ben, Payer()):
        await till.paid(other, (LESSON, ALL_SEATS // 2 - (other is ben)))  # eleven
    await till.house.rewind(LESSON)
    await till.offer_only(LESSON)
    await wipe(till)
    await till.house.rewind(LESSON)
    eve = Payer(name="Eve")
    till.shop.books.pay(await till.at_the_page(eve))

    assert await till.settle(anna) is AttemptState.PAID
    assert await till.settle(eve) is AttemptState.ENDED
    assert await till.house.booked_in_sql(LESSON) == ALL_SEATS
    assert till.shop.taken_minor == 4500 * ALL_SEATS


async def test_seats_are_free_again_when_the_capture_is_refused(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session)
    till.shop.faults.plan("capture", "busy", times=2)
    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    assert (await till.order(anna)).state is OrderState.AUTHORISED
    assert await till.house.booked_in_sql(LESSON) == 1

    till.shop.books.lapse(session)
    assert await till.settle(anna) is AttemptState.ENDED
    assert await till.house.booked_in_sql(LESSON) == 0
    assert (await till.house.seats(LESSON)).booked == 0
    order = await till.order(anna)
    assert (order.state, order.bookings[0].state.value) == (OrderState.VOIDED, "cancelled")
    assert not came_too_late(order)
    assert await till.outcome(anna) is OutcomeState.VOIDED
    assert await till.messages(anna) == ["payment_returned"]
    assert await till.deeds(anna) == ["capture_refused", "payment_voided"]
    assert till.shop.taken_minor == 0


def another_amount(session: Session) -> None:
    session.lines = (replace(session.lines[0], unit_amount=100),)


def another_currency(session: Session) -> None:
    session.currency = "usd"


def another_attempt(session: Session) -> None:
    session.reference = new_id()


@pytest.mark.parametrize("method", ["card", "ideal"])
@pytest.mark.parametrize("tamper", [another_amount, another_currency, another_attempt])
async def test_what_differs_from_what_was_asked_for_books_nothing_and_goes_back(
    till: Till, tamper: Callable[[Session], None], method: str
) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    tamper(till.shop.books.session(session))
    till.shop.books.pay(session, method)

    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0
    assert await till.house.booked_in_sql(LESSON) == 0
    order = await till.order(anna)
    assert (order.state, came_too_late(order)) == (OrderState.VOIDED, False)
    how = {"card": "payment_voided", "ideal": "payment_refunded"}[method]
    assert await till.deeds(anna) == ["payment_differs", how]
    assert await till.messages(anna) == ["payment_returned"]


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


async def test_the_worker_finds_out_without_any_webhook(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))

    await till.work()
    assert (await till.order(anna)).state is OrderState.PAID


async def test_events_in_any_order_and_number_come_to_the_same(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    first = till.shop.letters()
    for letter in [*reversed(first), *first]:
        await till.settling.heard("studio", letter.body, letter.signature)
    later = till.shop.letters()
    for letter in [*later, *first, *later]:
        await till.settling.heard("studio", letter.body, letter.signature)

    assert first
    assert later
    assert (await till.order(anna)).state is OrderState.PAID
    assert till.shop.taken_minor == 4500
    assert await till.messages(anna) == ["new_order", "booked"]


async def test_a_forged_event_changes_nothing(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    (letter, *_) = till.shop.letters()

    with pytest.raises(BadSignature):
        await till.settling.heard("studio", letter.body + b" ", letter.signature)
    assert (await till.order(anna)).state is OrderState.OPEN


async def test_an_event_that_meets_a_silent_stripe_may_come_again(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    (letter, *_) = till.shop.letters()
    till.shop.faults.plan("read", "cut")

    with pytest.raises(PaymentsAway):
        await till.settling.heard("studio", letter.body, letter.signature)
    await till.settling.heard("studio", letter.body, letter.signature)
    assert (await till.order(anna)).state is OrderState.PAID


async def test_of_two_who_settle_at_once_nobody_does_anything_twice(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))

    await asyncio.gather(*(till.settle(anna) for _ in range(4)))
    assert till.shop.taken_minor == 4500
    assert await till.messages(anna) == ["new_order", "booked"]
    assert await till.house.booked_in_sql(LESSON) == 1


async def test_seats_that_are_taken_again_after_they_were_booked_are_not_held_besides(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has read that the page is open, and stands still; Redis has forgotten who had the seats."""
    anna = Payer()
    session = await till.at_the_page(anna)
    late = Late(till.settling, "_pin_again", monkeypatch)
    looks = asyncio.create_task(till.settle(anna))
    await late.is_there.wait()

    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID
    await wipe(till)
    late.may_go.set()

    assert await looks is AttemptState.PAID
    seats = await till.house.seats(LESSON)
    assert (seats.held, seats.booked) == (0, 1)


async def test_a_hold_is_given_back_not_booked_where_its_payment_was_given_up_just_before(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    attempt, payments = await till.attempt(anna), till.settling._payments
    late = Late(payments, "book", monkeypatch)
    looks = asyncio.create_task(till.settle(anna))
    await late.is_there.wait()

    await payments.void(attempt.public_id, till.settling.now(), payment=None, why="no answer in time")
    late.may_go.set()
    assert await looks is AttemptState.PAID  # of the same seats, under another hold

    hold = await till.house.engine.find(await till.house.site(), anna.id, anna.ref.secret_hash)
    assert hold.state is HoldState.RELEASED
    seats = await till.house.seats(LESSON)
    assert (seats.held, seats.booked) == (0, 1)


async def test_keys_that_may_not_take_the_money_are_told_of_once_and_nothing_is_undone(till: Till) -> None:
    anna, ben = Payer(), Payer(name="Ben Oak")
    for each in (anna, ben):
        till.shop.books.pay(await till.at_the_page(each))
    till.shop.faults.plan("capture", "forbidden", times=4)

    for each in (anna, ben, anna, ben):
        with pytest.raises(PaymentsNotSetUp):
            await till.settle(each)
    for each, told in ((anna, ["payment_stuck"]), (ben, [])):
        order = await till.order(each)
        assert order.state is OrderState.AUTHORISED
        assert order.payment is not None
        assert order.payment.is_stuck
        assert await till.messages(each) == told  # once, for these keys
    await till.house.parts.posting.post()
    assert await till.settle(anna) is AttemptState.PAID
    assert await till.settle(ben) is AttemptState.PAID
    payment = (await till.order(anna)).payment
    assert payment is not None
    assert not payment.is_stuck
    assert till.shop.taken_minor == 9000


async def test_the_mail_about_such_keys_leads_to_where_others_are_entered(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.faults.plan("capture", "forbidden")
    with pytest.raises(PaymentsNotSetUp):
        await till.settle(anna)

    async with desk_in(till.house):  # the site has an owner
        for _ in range(2):  # it becomes one to each owner first
            await till.house.parts.posting.post()
    messages = await till.house.parts.use_cases.messages.of_order(await till.house.site(), anna.id)
    (mail,) = [one.mail for one in messages if one.kind.value == "payment_stuck" and one.mail]
    assert "Anna Berg has paid, and the money cannot be taken" in mail.subject
    assert "/admin/sites/studio/payments" in mail.plain


async def test_who_looks_while_redis_holds_an_older_pin_of_hers_sees_the_order_as_it_is(till: Till) -> None:
    """A Redis that was set back may know an attempt that has ended since; the worker finds that out."""
    anna = Payer()
    await till.at_the_page(anna)
    await till.house.remember()
    await till.go_back(anna)
    await till.begin(anna, note="again")
    await till.house.go_back()

    assert (await till.house.parts.use_cases.checkout.ask(anna.order_ref)).state is OrderState.OPEN
