"""Steps of a payment as they are written: seats and money together, each step once, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.studio import NOW, confirmation, line, slot
from tests.store.test_attempts import PRICE, attempt, payment
from widget_server.domain.attempts import Attempt
from widget_server.domain.bookings import BookingState
from widget_server.domain.money import Money
from widget_server.domain.orders import Order, OrderState, OutcomeState
from widget_server.domain.payments import AttemptState, Payment, PaymentState, Refunded, RefundReason, RefundState
from widget_server.domain.sites import Site
from widget_server.errors import SlotFull
from widget_server.store.bookings import Bookings, Confirmation, OutcomeTaken
from widget_server.store.confirmations import Stage
from widget_server.store.database import Database
from widget_server.store.payments import Payments
from widget_server.store.refunds import Refunds

pytestmark = pytest.mark.anyio

SOON = NOW + timedelta(seconds=10)


async def authorised(
    db: Database, site: Site, *, capacity: int = 12, new: Attempt | None = None
) -> tuple[Attempt, Payment, Confirmation]:
    """Anna's card is good for it; what is to be booked then."""
    new = await Payments(db).begin(new or attempt(site), due_at=NOW)
    opened = await Payments(db).opened(new.id, payment(new), fence=1, at=NOW)
    priced = replace(line(slot(capacity=capacity)), unit_price=PRICE)
    asked = confirmation(site, [line(slot())], hold_id=new.hold_id)
    wanted = replace(asked, lines=(priced,), stage=Stage.AUTHORISED, order_number=new.wanted.number)
    return opened, payment(opened, PaymentState.AUTHORISED), wanted


async def paid(db: Database, site: Site) -> Attempt:
    one, told, wanted = await authorised(db, site)
    await Payments(db).book(one.id, told, wanted, NOW)
    return await Payments(db).captured(one.id, NOW, remind_hours={})


async def order_of(db: Database, one: Attempt) -> Order:
    found = await Bookings(db).find(one.site_id, one.hold_id)
    assert found is not None
    return found[0]


async def booked(db: Database, site: Site) -> int:
    return sum(seats.booked for seats in await Bookings(db).booked_in(site.id, [slot().slot]))


async def outcome(db: Database, one: Attempt) -> OutcomeState:
    found = await Bookings(db).outcome(one.site_id, one.hold_id)
    assert found is not None
    return found.state


async def test_seats_come_first_then_the_money_and_all_of_it_once(db: Database, site: Site) -> None:
    one, told, wanted = await authorised(db, site)

    both = await asyncio.gather(*(Payments(db).book(one.id, told, wanted, NOW) for _ in range(2)))
    assert {each.state for each in both} == {AttemptState.CAPTURING}
    order = await order_of(db, one)
    assert (order.state, order.bookings[0].state) == (OrderState.AUTHORISED, BookingState.CONFIRMING)
    assert (await outcome(db, one), await booked(db, site)) == (OutcomeState.CONFIRMING, 1)
    for _ in range(2):
        after = await Payments(db).captured(one.id, NOW, remind_hours={})
    order = await order_of(db, one)
    assert (after.state, order.state, order.bookings[0].state) == (
        AttemptState.PAID,
        OrderState.PAID,
        BookingState.CONFIRMED,
    )
    assert (await outcome(db, one), await booked(db, site)) == (OutcomeState.CONFIRMED, 1)


async def test_a_refused_capture_gives_the_seats_back_and_is_not_captured_after_all(db: Database, site: Site) -> None:
    one, told, wanted = await authorised(db, site)
    await Payments(db).book(one.id, told, wanted, NOW)

    for _ in range(2):
        assert (await Payments(db).undo(one.id, NOW, why="it has lapsed")).state is AttemptState.RETURNING
    assert (await Payments(db).captured(one.id, NOW, remind_hours={})).state is AttemptState.RETURNING
    order = await order_of(db, one)
    assert (order.state, order.bookings[0].state) == (OrderState.VOIDED, BookingState.CANCELLED)
    assert (await outcome(db, one), await booked(db, site)) == (OutcomeState.VOIDING, 0)
    await Payments(db).returned(one.id, NOW, is_refund=False)
    assert await outcome(db, one) is OutcomeState.VOIDED


async def test_what_is_voided_never_becomes_a_booking_whoever_pins_it_again(db: Database, site: Site) -> None:
    one, told, wanted = await authorised(db, site)
    await Bookings(db).give_up(site.id, one.hold_id, 1)

    await Payments(db).void(one.id, NOW, payment=told, why="the seats were gone")
    assert (await Payments(db).book(one.id, told, wanted, NOW)).state is AttemptState.RETURNING
    free = confirmation(site, hold_id=one.hold_id, fence=9)
    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(free)
    assert await booked(db, site) == 0


async def test_of_a_step_that_fails_nothing_is_written(db: Database, site: Site) -> None:
    one, told, wanted = await authorised(db, site, capacity=0)

    with pytest.raises(SlotFull):
        await Payments(db).book(one.id, told, wanted, NOW)
    assert await Bookings(db).outcome(site.id, one.hold_id) is None
    assert (await Payments(db).give_up(one.id, NOW, why="not paid")).state is AttemptState.ENDED


async def test_a_hold_that_was_given_up_before_is_paid_anew(db: Database, site: Site) -> None:
    one, told, wanted = await authorised(db, site)
    await Bookings(db).give_up(site.id, one.hold_id, 3)

    assert (await Payments(db).book(one.id, told, wanted, NOW)).state is AttemptState.CAPTURING


async def test_a_cancelled_booking_goes_back_once_and_its_order_is_refunded(db: Database, site: Site) -> None:
    one = await paid(db, site)

    await asyncio.gather(*(Bookings(db).cancel(site.id, one.hold_id, NOW) for _ in range(3)))
    found = await asyncio.gather(*(Refunds(db).due(9, at=SOON) for _ in range(2)))
    (due,) = [refund for each in found for refund in each]
    assert (due.amount, due.intent_id, due.tries) == (PRICE, "pi_1", 1)
    for answer in (Refunded("re_1", RefundState.WAITING), Refunded("re_1", RefundState.DONE)):
        await Refunds(db).answered(due, answer, SOON, next_at=SOON + timedelta(hours=1))
    await Refunds(db).answered(due, Refunded("re_1", RefundState.FAILED), SOON, next_at=SOON)
    order = await order_of(db, one)
    assert order.state is OrderState.REFUNDED
    assert order.payment is not None
    assert [(refund.amount, refund.reason, refund.state) for refund in order.payment.refunds] == [
        (PRICE, RefundReason.CANCELLED, RefundState.DONE)
    ]
    assert await Refunds(db).left(site.id, one.hold_id) == Money(0, "EUR")


async def test_what_stripe_has_given_back_is_counted_once(db: Database, site: Site) -> None:
    one = await paid(db, site)
    told = replace(payment(one, PaymentState.CAPTURED), captured_minor=4500, refunded_minor=1000)

    noticed = await asyncio.gather(*(Refunds(db).notice(one, told, NOW) for _ in range(3)))
    assert sorted(money.amount_minor for money in noticed) == [0, 0, 1000]
    assert await Refunds(db).left(site.id, one.hold_id) == Money(3500, "EUR")
    await Bookings(db).cancel(site.id, one.hold_id, NOW)
    (due,) = await Refunds(db).due(9, at=SOON)
    assert due.amount == Money(3500, "EUR")


async def test_money_without_a_booking_goes_back_under_one_name(db: Database, site: Site) -> None:
    one, told, _ = await authorised(db, site)
    voided = await Payments(db).void(one.id, NOW, payment=told, why="the seats were gone")
    captured = replace(told, state=PaymentState.CAPTURED, captured_minor=4500)

    both = await asyncio.gather(*(Refunds(db).return_all(voided, captured, NOW) for _ in range(2)))
    first, second = both
    assert first is not None
    assert second is not None
    assert (first.id, first.amount) == (second.id, PRICE)
    gone = replace(captured, refunded_minor=4500)
    waiting = await Refunds(db).return_all(voided, gone, NOW)
    assert waiting is not None, "a bank may refuse it yet"
    await Refunds(db).answered(waiting, Refunded("re_1", RefundState.DONE), NOW, next_at=SOON)
    assert await Refunds(db).return_all(voided, gone, NOW) is None
