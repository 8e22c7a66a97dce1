"""Whoever moves to a time that costs less by now gets the difference back: with the move, once, and never otherwise."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.house import PRIVATE, slot
from tests.use_cases.test_refunding import cancel, close_the_day, entry
from tests.use_cases.till import LESSON, Payer, Till
from widget_server.domain.coupons import Coupon
from widget_server.domain.impact import Choice
from widget_server.domain.messages import Kind, Role
from widget_server.domain.money import Difference, Money
from widget_server.domain.orders import Order, OrderState
from widget_server.domain.payments import Dispute, DisputeState
from widget_server.domain.slots import Slot
from widget_server.errors import PriceChanged
from widget_server.ids import new_id
from widget_server.store import clearings
from widget_server.store.bookings import Bookings as StoredBookings
from widget_server.store.bookings import Rescheduling
from widget_server.store.coupons import put_coupon
from widget_server.use_cases.bookings import WantedReschedule

pytestmark = pytest.mark.anyio
NEXT, THERE = slot(PRIVATE, number=1), slot(PRIVATE, day=1)
FIVE_BACK = Difference(-500, "EUR")


@pytest.fixture
async def anna(till: Till) -> Payer:
    """She has paid a lesson, for 45.00; by now it costs 40.00."""
    anna = Payer()
    await till.paid(anna)
    await reprice(till, 4000)
    return anna


async def reprice(till: Till, minor: int, **changes: Any) -> None:
    await till.house.change_service(replace(PRIVATE, price=Money(minor, "EUR"), **changes))


async def move(
    till: Till, payer: Payer, agreed: int = 0, *lines: tuple[Slot, int], move_id: str | None = None
) -> Order:
    """To the next day, unless told otherwise."""
    difference = Difference(agreed, "EUR") if agreed else None
    to = payer.wanted(*lines or ((THERE, 1),)).lines
    wanted = WantedReschedule(move_id or new_id(), to, payer.visit, f"{lines} {agreed}", difference)
    return await till.house.parts.use_cases.bookings.reschedule(payer.order_ref, wanted)


async def test_less_goes_back_once_and_is_kept_from_then_on(till: Till, anna: Payer) -> None:
    move_id = new_id()

    for _ in range(2):
        moved = await move(till, anna, -500, move_id=move_id)
        assert (moved.bookings[0].slot, moved.total.amount_minor) == (THERE, 4000)
    assert await till.refunds(anna) == [(500, "moved", "waiting")]
    await till.work()
    assert await till.refunds(anna) == [(500, "moved", "done")]
    assert till.shop.taken_minor == 4000
    assert (await till.deeds(anna))[-1] == "move_settled"
    order = await till.order(anna)
    assert order.payment is not None
    assert (order.state, order.payment.paid_minor, order.payment.left_minor) == (OrderState.PAID, 4500, 4000)


async def test_what_goes_back_later_is_worked_out_from_the_new_price(till: Till, anna: Payer) -> None:
    ben = Payer(name="Ben Oak")
    await reprice(till, 4500, refund_percent=50)
    await till.paid(ben)
    await reprice(till, 4000, refund_percent=50)

    for payer in (anna, ben):
        await move(till, payer, -500)
        await cancel(till, payer)
    assert await till.refunds(anna) == [(500, "moved", "waiting"), (4000, "cancelled", "waiting")]
    assert await till.refunds(ben) == [(500, "moved", "waiting"), (2000, "cancelled", "waiting")]
    await till.work()
    assert till.shop.taken_minor == 2000


async def test_the_mails_about_the_move_say_what_goes_back(till: Till, anna: Payer) -> None:
    await entry(till)  # there is an operator
    await move(till, anna, -500)
    while await till.house.parts.posting.post():
        pass

    told = await till.house.parts.use_cases.messages.of_order(await till.house.site(), anna.id)
    plain = {one.role: one.mail.plain for one in told if one.kind is Kind.MOVED and one.mail}
    assert "5,00 € gehen an Sie zurück" in plain[Role.CUSTOMER]
    assert "Goes back: €5.00" in plain[Role.OPERATOR]
    assert "refunded" not in await till.messages(anna)


async def test_nothing_moves_where_another_difference_was_agreed_to(till: Till, anna: Payer) -> None:
    for agreed in (0, -499, -501, 500):
        with pytest.raises(PriceChanged) as refusal:
            await move(till, anna, agreed)
        assert refusal.value.details == {"difference": {"amount": -500, "currency": "EUR"}}
    assert (await till.order(anna)).bookings[0].slot == LESSON
    assert (await till.house.seats(THERE)).taken == 0
    assert await till.refunds(anna) == []


class Overtaken(StoredBookings):
    """Just before the move is written, something happens."""

    def __init__(self, till: Till, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(till.house.parts.database)
        self._meanwhile = [meanwhile]

    async def reschedule(self, wanted: Rescheduling) -> Order:
        while self._meanwhile:
            await self._meanwhile.pop()()
        return await super().reschedule(wanted)


@pytest.mark.parametrize("what", ["the price", "a refund"])
async def test_what_changes_while_it_moves_is_looked_at_again_and_the_new_seats_are_free_at_once(
    till: Till, anna: Payer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    by_mia, site = await entry(till), await till.house.site()

    async def change() -> None:
        if what == "the price":
            await reprice(till, 3000)
        else:
            await till.house.parts.use_cases.refunding.refund(site.id, anna.id, Money(4300, "EUR"), entry=by_mia)

    with monkeypatch.context() as overtaken:
        overtaken.setattr(till.house.parts.use_cases.bookings, "_store", Overtaken(till, change))
        with pytest.raises(PriceChanged):
            await move(till, anna, -500)
    assert (await till.house.seats(THERE)).taken == 0
    differences = await till.house.parts.use_cases.bookings.differences("studio", await till.order(anna))
    now = -1500 if what == "the price" else -200
    assert differences == {LESSON: Difference(now, "EUR")}
    assert (await move(till, anna, now)).bookings[0].slot == THERE


async def test_two_who_move_the_same_order_at_once_settle_one_move(
    till: Till, anna: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def there_and_back() -> None:
        await move(till, anna, -500)
        await move(till, anna, 0, (LESSON, 1))

    monkeypatch.setattr(till.house.parts.use_cases.bookings, "_store", Overtaken(till, there_and_back))
    with pytest.raises(PriceChanged):
        await move(till, anna, -500, (NEXT, 1))
    assert await till.refunds(anna) == [(500, "moved", "waiting")]


async def test_no_more_goes_back_than_is_left(till: Till, anna: Payer) -> None:
    site, by_mia = await till.house.site(), await entry(till)
    await till.house.parts.use_cases.refunding.refund(site.id, anna.id, Money(4200, "EUR"), entry=by_mia)

    await move(till, anna, -300)
    await cancel(till, anna)
    await till.work()
    assert [amount for amount, *_ in await till.refunds(anna)] == [4200, 300]
    assert till.shop.taken_minor == 0


async def test_of_several_bookings_only_those_that_move_have_another_price(till: Till) -> None:
    ben = Payer(name="Ben Oak")
    await till.paid(ben, (LESSON, 2), (NEXT, 1))
    await reprice(till, 4000)

    moved = await move(till, ben, -1000, (THERE, 2), (NEXT, 1))
    assert [booking.price_minor for booking in moved.bookings] == [8000, 4500]
    await cancel(till, ben, NEXT)
    await cancel(till, ben, THERE)
    await till.work()
    assert sorted(amount for amount, *_ in await till.refunds(ben)) == [1000, 4500, 8000]
    assert (till.shop.taken_minor, (await till.order(ben)).state) == (0, OrderState.REFUNDED)


async def test_what_costs_nothing_any_more_goes_back_whole(till: Till, anna: Payer) -> None:
    await reprice(till, 0)

    await move(till, anna, -4500)
    await till.work()
    order = await till.order(anna)
    assert (order.total.amount_minor, order.payment and order.payment.refunded_minor) == (0, 4500)
    await cancel(till, anna)
    assert len(await till.refunds(anna)) == 1
    assert till.shop.taken_minor == 0


async def test_who_is_asked_for_another_time_keeps_the_price(
    till: Till, anna: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as an operator has decided so, and also before anybody has come to their booking."""
    monkeypatch.setattr(clearings, "AT_ONCE", 1)
    ben = Payer(name="Ben Oak")
    await till.paid(ben)
    await reprice(till, 3000)
    await close_the_day(till, Choice.MOVE)

    for payer in (anna, ben):
        assert await till.house.parts.use_cases.bookings.differences("studio", await till.order(payer)) == {}
        await move(till, payer)
        assert await till.refunds(payer) == []


async def test_what_a_bank_keeps_does_not_go_back(till: Till, anna: Payer) -> None:
    attempt, dispute = await till.attempt(anna), Dispute("dp_1", Money(4500, "EUR"), DisputeState.OPEN, "fraudulent")
    await till.settling._payments.disputed(attempt.public_id, dispute, attempt.created_at)

    await move(till, anna)
    assert await till.refunds(anna) == []


async def test_a_code_counts_for_todays_price(till: Till) -> None:
    ben, site = Payer(name="Ben Oak"), await till.house.site()
    half = Coupon("HALF", percent=50, uses_max=1)
    await till.house.change(lambda session: put_coupon(session, site.id, half, at=datetime.now(UTC)))
    wanted = replace(ben.wanted(), coupon="half")
    await till.hold(ben)
    ben.order_secret = (await till.house.parts.use_cases.checkout.begin(ben.ref, wanted)).secret
    till.shop.books.pay(await till.session_of(ben))
    await till.settle(ben)
    await reprice(till, 4000)

    moved = await move(till, ben, -250)
    assert (moved.total.amount_minor, moved.discount.amount_minor) == (2000, 2000)
