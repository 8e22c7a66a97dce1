"""What becomes of what was paid when something has come in between: seats gone, Redis empty, Stripe silent."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.engine.test_full import memory_of
from tests.use_cases.till import (
    ALL_SEATS,
    LESSON,
    Late,
    Payer,
    Till,
    lose_all_seats,
    wipe,
)
from tests.web.desks import desk_in
from widget_server.domain.holds import HoldState
from widget_server.domain.orders import Order, OrderState, OutcomeState
from widget_server.domain.payments import AttemptState
from widget_server.errors import (
    BadSignature,
    HoldEnded,
    PaymentsAway,
    PaymentsNotSetUp,
    SlotFull,
)
from widget_server.ids import new_id
from widget_server.payments.fake_stripe.objects import Session

pytestmark = pytest.mark.anyio


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
