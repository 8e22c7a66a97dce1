"""From a hold to a pay page, and on to an order, or back: against a pretend Stripe, through the real client."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.house import PRIVATE, slot
from tests.use_cases.till import LESSON, Late, Payer, Till, take_payments
from widget_server.domain.bookings import BookingState
from widget_server.domain.holds import HoldState
from widget_server.domain.money import Money
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.payment_accounts import AccountState
from widget_server.domain.payments import MIN_LEFT, PAYMENT_WINDOW, AttemptState
from widget_server.errors import (
    InvalidRequest,
    NotYours,
    Paying,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotSetUp,
    TooManyTries,
    Unavailable,
)
from widget_server.use_cases import opening
from widget_server.use_cases.bookings import WantedConfirmation

pytestmark = pytest.mark.anyio


async def test_what_is_paid_is_booked_and_told(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)

    assert (await till.order(anna)).state is OrderState.OPEN
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID

    order = await till.order(anna)
    assert (order.state, order.bookings[0].state) == (OrderState.PAID, BookingState.CONFIRMED)
    assert await till.outcome(anna) is OutcomeState.CONFIRMED
    assert till.shop.taken_minor == order.total.amount_minor == 4500
    assert await till.messages(anna) == ["new_order", "booked"]
    seats = await till.house.seats(LESSON)
    assert (seats.held, seats.booked) == (0, 1)


async def test_nobody_is_told_before_the_money_is_taken(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session)
    stop = till.shop.faults.stop("capture")
    settling = asyncio.create_task(till.settle(anna))
    await stop.reached.wait()

    order = await till.order(anna)
    assert (order.state, order.bookings[0].state) == (OrderState.AUTHORISED, BookingState.CONFIRMING)
    assert order.bookings[0].access == ""
    assert await till.outcome(anna) is OutcomeState.CONFIRMING
    assert await till.messages(anna) == []
    stop.go()
    assert await settling is AttemptState.PAID
    assert await till.messages(anna) == ["new_order", "booked"]


async def test_the_same_checkout_again_gets_the_same_page(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)

    first, again = await till.begin(anna), await till.begin(anna)
    assert first.pay_url == again.pay_url
    assert first.secret == again.secret
    assert len(till.shop.account.sessions) == 1
    assert (await till.house.seats(LESSON)).held == 1


async def test_two_checkouts_at_once_open_one_page(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)

    begun = await asyncio.gather(*(till.begin(anna) for _ in range(4)))
    assert len({each.pay_url for each in begun}) == 1
    assert len(till.shop.account.sessions) == 1


async def test_another_body_ends_the_page_before(till: Till) -> None:
    anna = Payer()
    first = await till.at_the_page(anna)

    begun = await till.begin(anna, note="with another name")
    second = await till.session_of(anna)
    assert first != second
    assert till.shop.books.session(first).status == "expired"
    assert begun.order.number == (await till.order(anna)).number
    till.shop.books.pay(second)
    assert await till.settle(anna) is AttemptState.PAID
    assert till.shop.taken_minor == 4500


async def test_another_body_after_paying_gets_what_was_paid(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))

    begun = await till.begin(anna, note="with another name")
    assert begun.order.state is OrderState.PAID
    assert begun.pay_url is None
    assert len(till.shop.account.sessions) == 1


async def test_what_is_not_held_is_taken_with_the_checkout(till: Till) -> None:
    anna = Payer()

    begun = await till.begin(anna)
    assert begun.pay_url
    assert (await till.house.seats(LESSON)).held == 1


async def test_whoever_goes_back_has_their_hold_again_and_may_pay_otherwise(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)

    hold = await till.go_back(anna)
    assert hold.state is HoldState.HELD
    assert hold.expires_at - hold.now >= MIN_LEFT - timedelta(seconds=1)
    assert till.shop.books.session(session).status == "expired"
    assert (await till.order(anna)).state is OrderState.EXPIRED
    assert (await till.go_back(anna)).version == hold.version
    await till.begin(anna)
    till.shop.books.pay(await till.session_of(anna))
    assert await till.settle(anna) is AttemptState.PAID


async def test_whoever_goes_back_after_paying_has_paid(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))

    with pytest.raises(Paying):
        await till.go_back(anna)
    assert (await till.order(anna)).state is OrderState.PAID


async def test_of_what_is_paid_stripe_is_not_asked_however_often_somebody_sends_it_again(till: Till) -> None:
    anna = Payer()
    await till.paid(anna)
    await till.later(PAYMENT_WINDOW)
    till.shop.faults.plan("read", "busy", times=3)

    for note in ("", "with another name"):
        assert (await till.begin(anna, note=note)).order.state is OrderState.PAID
    with pytest.raises(Paying):
        await till.go_back(anna)


async def test_without_a_page_going_back_shows_the_hold_as_it_is(till: Till) -> None:
    anna, ben = Payer(), Payer()
    held = await till.hold(anna)

    assert (await till.go_back(anna)).version == held.version
    ben.id = anna.id
    with pytest.raises(NotYours):
        await till.go_back(ben)


async def test_a_stranger_ends_nobodys_page(till: Till) -> None:
    anna, eve = Payer(), Payer()
    session = await till.at_the_page(anna)
    eve.id = anna.id

    for act in (till.go_back, till.begin):
        with pytest.raises(NotYours):
            await act(eve)
    assert till.shop.books.session(session).status == "open"


async def test_a_declined_card_leaves_the_page_open(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.decline(session)

    assert await till.settle(anna) is AttemptState.OPEN
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID
    assert till.shop.taken_minor == 4500


async def test_when_the_window_is_over_the_page_is_closed_and_the_seats_are_free(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)

    await till.later(PAYMENT_WINDOW)
    assert await till.settling.settle_due() == 1
    assert till.shop.books.session(session).status == "expired"
    assert (await till.attempt(anna)).due_at is None
    assert (await till.house.seats(LESSON)).held == 0
    assert (await till.order(anna)).state is OrderState.EXPIRED
    assert await till.outcome(anna) is OutcomeState.ABANDONED
    assert await till.deeds(anna) == ["payment_window_ended"]


async def test_what_was_paid_at_the_last_moment_is_booked_when_the_window_is_over(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))

    await till.later(PAYMENT_WINDOW)
    await till.settling.settle_due()
    assert (await till.order(anna)).state is OrderState.PAID
    assert await till.deeds(anna) == ["same_seats_taken", "payment_captured"]


async def test_the_sweep_leaves_a_pin_to_stripe_however_late_it_is(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)

    await till.house.advance(PAYMENT_WINDOW + timedelta(minutes=1))
    await till.house.parts.use_cases.reconciliation.sweep("tenuto")
    assert await till.outcome(anna) is None
    assert (await till.house.seats(LESSON)).held == 1
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID


async def test_a_method_that_cannot_be_authorised_first_is_charged_and_booked_in_one_go(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna), "ideal")

    assert await till.settle(anna) is AttemptState.PAID
    assert (await till.order(anna)).state is OrderState.PAID
    assert await till.messages(anna) == ["new_order", "booked"]
    assert till.shop.taken_minor == 4500


async def test_whoever_comes_back_from_the_page_has_stripe_asked_but_not_all_the_time(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    ask = till.house.parts.use_cases.checkout.ask

    assert (await ask(anna.order_ref)).state is OrderState.OPEN
    till.shop.books.pay(session)
    assert (await ask(anna.order_ref)).state is OrderState.OPEN
    await till.later(timedelta(seconds=3))
    assert (await ask(anna.order_ref)).state is OrderState.PAID


async def test_who_tries_again_after_the_price_has_changed_gets_a_page_for_the_new_one(till: Till) -> None:
    """Though nobody knows what became of the first, which Stripe did not answer."""
    anna = Payer()
    await till.hold(anna)
    till.shop.faults.plan("open", "cut")
    with pytest.raises(PaymentsAway):
        await till.begin(anna)
    await till.house.change_service(replace(PRIVATE, price=Money(4000, "EUR")))

    begun = await till.begin(anna)
    assert begun.order.total == Money(4000, "EUR")
    till.shop.books.pay(await till.session_of(anna))
    assert await till.settle(anna) is AttemptState.PAID
    assert (await till.house.seats(LESSON)).held == 0
    assert till.shop.taken_minor == 4000


async def test_a_pin_that_comes_after_the_end_of_its_checkout_is_given_up_before_it_ends(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)
    stop = till.shop.faults.stop("open")
    begun = asyncio.create_task(till.begin(anna))
    await stop.reached.wait()

    attempt = await till.attempt(anna)
    await till.settling._payments.not_opened(attempt.public_id, datetime.now(UTC), why="another call was refused")
    stop.go()
    with pytest.raises(Unavailable):
        await begun
    assert await till.outcome(anna) is OutcomeState.ABANDONED
    assert (await till.go_back(anna)).state is HoldState.HELD


@pytest.mark.parametrize("answers", [True, False])
async def test_the_same_checkout_that_pins_after_the_other_was_refused_leaves_no_pin(
    till: Till, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """Stripe refuses the first one, and refuses or does not answer the second."""
    anna = Payer()
    await till.hold(anna)
    late = Late(till.house.parts.use_cases.checkout, "_pin", monkeypatch)
    second = asyncio.create_task(till.begin(anna, email="anna@nowhere"))
    await late.is_there.wait()

    with pytest.raises(PaymentRefused):
        await till.begin(anna, email="anna@nowhere")
    if not answers:
        till.shop.faults.plan("open", "cut", times=9)
    late.may_go.set()
    with pytest.raises(PaymentRefused if answers else PaymentsAway):
        await second
    till.shop.faults.planned.clear()

    assert (await till.attempt(anna)).state == AttemptState.ENDED
    assert (await till.go_back(anna)).state is HoldState.HELD
    assert (await till.begin(anna, note="again")).pay_url


async def test_seats_that_a_worker_takes_again_are_given_back_if_their_customer_went_back_meanwhile(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read that the page is open, and stands still."""
    anna = Payer()
    await till.at_the_page(anna)
    late = Late(till.settling, "_pin_again", monkeypatch)
    looks = asyncio.create_task(till.settle(anna))
    await late.is_there.wait()

    before = await till.go_back(anna)
    late.may_go.set()

    assert await looks is AttemptState.ENDED
    hold = await till.go_back(anna)
    assert (hold.state, hold.limit_at) == (HoldState.HELD, before.limit_at)
    assert hold.expires_at - hold.now <= MIN_LEFT * 2
    assert (await till.begin(anna, note="again")).pay_url


async def test_nobody_begins_checkouts_without_end(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CHECKOUTS_PER_NETWORK_MAX", 3)
    anna = Payer()
    for note in ("first", "second"):  # which ends the first
        await till.begin(anna, note=note)

    with pytest.raises(TooManyTries):
        await till.begin(anna, note="third")
    with pytest.raises(TooManyTries):
        await till.go_back(anna)
    assert (await till.begin(Payer(), (slot(PRIVATE, number=1), 1))).pay_url
    assert len(till.shop.account.sessions) == 3


async def test_in_test_mode_the_keys_of_test_mode_are_used_and_the_order_says_so(till: Till) -> None:
    anna, real = Payer(), till.shop
    pretend = replace(real, account=real.books.open_account(name="Tests"))
    await till.house.change_settings(is_test=True)
    with pytest.raises(PaymentsNotSetUp):
        await till.begin(anna)

    await take_payments(till.house, pretend, is_test=True)
    await till.paid(anna)
    assert (pretend.taken_minor, real.taken_minor) == (4500, 0)
    await till.house.change_settings(is_test=False)
    assert (await till.order(anna)).is_test


async def test_what_is_paid_with_a_card_of_test_mode_is_not_booked_once_the_site_is_live(till: Till) -> None:
    anna, real = Payer(), till.shop
    pretend = replace(real, account=real.books.open_account(name="Tests"))
    await take_payments(till.house, pretend, is_test=True)
    await till.house.change_settings(is_test=True)
    session = await till.at_the_page(anna)
    await till.house.change_settings(is_test=False)

    real.books.pay(session)
    assert await till.settle(anna) is AttemptState.ENDED
    assert (pretend.taken_minor, real.taken_minor) == (0, 0)
    assert await till.outcome(anna) is OutcomeState.VOIDED
    seats = await till.house.seats(LESSON)
    assert (seats.held, seats.booked) == (0, 0)


async def test_who_checks_out_again_once_the_site_is_live_gets_another_page(till: Till) -> None:
    anna, real = Payer(), till.shop
    pretend = replace(real, account=real.books.open_account(name="Tests"))
    await take_payments(till.house, pretend, is_test=True)
    await till.house.change_settings(is_test=True)
    await till.at_the_page(anna)
    await till.house.change_settings(is_test=False)

    await till.begin(anna)
    real.books.pay(await till.session_of(anna))
    assert await till.settle(anna) is AttemptState.PAID
    assert not (await till.order(anna)).is_test
    assert (pretend.taken_minor, real.taken_minor) == (0, 4500)


async def test_what_has_a_price_is_neither_confirmed_without_paying_nor_checked_out_without_one(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)
    free, bookings = slot(), till.house.parts.use_cases.bookings
    wanted = anna.wanted()
    unpaid = WantedConfirmation(wanted.customer, (), wanted.lines, wanted.visit, "all")

    with pytest.raises(InvalidRequest):
        await bookings.confirm(anna.ref, unpaid)
    with pytest.raises(InvalidRequest):
        await till.begin(Payer(), (free, 1))
    with pytest.raises(InvalidRequest):
        await till.begin(anna, email="")
    assert (await till.house.seats(LESSON)).held == 1
    assert till.shop.account.sessions == {}


async def test_keys_that_stripe_does_not_take_give_the_hold_back_and_are_doubted(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)
    till.shop.faults.plan("open", "forbidden")

    with pytest.raises(PaymentsNotSetUp):
        await till.begin(anna)

    assert (await till.attempt(anna)).state == AttemptState.ENDED
    assert (await till.house.seats(LESSON)).held == 1
    accounts = await till.house.parts.use_cases.payment_accounts.all_of(await till.house.site())
    assert accounts.live is not None
    assert accounts.live.state is AccountState.UNCHECKED


async def test_why_nothing_was_opened_is_kept_without_what_stripe_repeats_of_the_customer(till: Till) -> None:
    anna = Payer()
    await till.hold(anna)

    with pytest.raises(PaymentRefused):
        await till.begin(anna, email="anna@nowhere")
    assert (await till.attempt(anna)).why == "Stripe: email_invalid"
