"""Whoever moves to a time that costs more pays that first: their old seats stay theirs until they have the new ones."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import PRIVATE
from tests.use_cases.test_disputes import hear
from tests.use_cases.test_move_prices import NEXT, THERE, reprice
from tests.use_cases.test_refunding import cancel, close_the_day, entry
from tests.use_cases.till import LESSON, Payer, Till
from widget_server.domain.attempts import Attempt
from widget_server.domain.impact import Choice
from widget_server.domain.money import Difference, Money
from widget_server.domain.openings import Opening
from widget_server.domain.orders import Order, OrderState
from widget_server.domain.payment_accounts import AccountState
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.domain.services import CapacityRule
from widget_server.domain.slots import Slot
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.errors import HoldEnded, IdConflict, Paying, PaymentsAway, PaymentsNotSetUp, PriceChanged, SlotFull
from widget_server.ids import new_id
from widget_server.store.schedule import put_openings, put_service
from widget_server.store.staff import put_member, put_shifts
from widget_server.use_cases.bookings import WantedReschedule

pytestmark = pytest.mark.anyio


@dataclass
class Mover:
    """Somebody whose paid lesson costs 5.00 more by now, and who moves it."""

    till: Till
    payer: Payer
    id: str

    async def begin(self, to: Slot = THERE, agreed: int = 500, **changes: Any) -> Order:
        lines = self.payer.wanted((to, 1)).lines
        wanted = WantedReschedule(self.id, lines, self.payer.visit, f"{to}", Difference(agreed, "EUR"))
        return await self.till.house.parts.use_cases.paid_moves.begin(self.payer.order_ref, replace(wanted, **changes))

    async def attempt(self) -> Attempt:
        site = await self.till.house.site()
        found = await self.till.settling._attempts.last_of(site.id, self.id)
        assert found is not None
        return found

    async def session(self) -> str:
        found = (await self.attempt()).session_id
        assert found is not None
        return found

    async def pays(self, method: str = "card") -> None:
        self.till.shop.books.pay(await self.session(), method)

    async def settle(self) -> AttemptState:
        attempt = await self.attempt()
        return await self.till.settling.settle(attempt.site_id, attempt.id)

    async def gives_up(self) -> Order:
        return await self.till.house.parts.use_cases.paid_moves.give_up(self.payer.order_ref)

    async def slot(self) -> Slot:
        return (await self.till.order(self.payer)).bookings[0].slot


@pytest.fixture
async def anna(till: Till) -> Mover:
    anna = Payer()
    await till.paid(anna)
    await reprice(till, 5000)
    return Mover(till, anna, new_id())


async def seats(till: Till, of: Slot) -> tuple[int, int, int]:
    """Held and booked in Redis, booked in SQL."""
    found = await till.house.seats(of)
    return found.held, found.booked, await till.house.booked_in_sql(of)


async def has_stayed(anna: Mover, taken: int = 4500) -> None:
    till = anna.till
    await till.house.deliver()
    order = await till.order(anna.payer)
    assert (order.bookings[0].slot, order.total.amount_minor) == (LESSON, 4500)
    assert (await seats(till, LESSON), await seats(till, THERE)) == ((0, 1, 1), (0, 0, 0))
    assert till.shop.taken_minor == taken


@pytest.mark.parametrize("method", ["card", "ideal"])
async def test_what_it_costs_more_is_paid_and_then_it_moves(till: Till, anna: Mover, method: str) -> None:
    begun = await anna.begin()
    assert begun.payment is not None
    assert begun.payment.move is not None
    assert (begun.payment.move.amount, begun.payment.move.moves) == (Money(500, "EUR"), ((LESSON, THERE),))
    assert begun.payment.move.pay_url
    assert (await seats(till, LESSON), await seats(till, THERE)) == ((0, 1, 1), (1, 0, 0))

    await anna.pays(method)
    assert await anna.settle() is AttemptState.PAID
    order = await till.order(anna.payer)
    assert (order.bookings[0].slot, order.total.amount_minor, order.state) == (THERE, 5000, OrderState.PAID)
    assert order.payment is not None
    assert (order.payment.paid_minor, order.payment.move) == (5000, None)
    assert (await seats(till, LESSON), await seats(till, THERE)) == ((0, 0, 0), (0, 1, 1))
    assert till.shop.taken_minor == 5000
    assert await till.messages(anna.payer) == ["new_order", "booked", *["moved"] * 3]
    assert await till.deeds(anna.payer) == ["payment_captured"] * 2
    await till.work()
    assert await till.refunds(anna.payer) == []


async def test_the_same_call_gets_the_same_page_and_whatever_came_of_it(till: Till, anna: Mover) -> None:
    first, again = await anna.begin(), await anna.begin()
    assert first.payment is not None
    assert again.payment is not None
    assert first.payment.move == again.payment.move
    with pytest.raises(IdConflict):
        await anna.begin(digest="something else")

    await anna.pays()
    await anna.settle()
    assert (await anna.begin()).bookings[0].slot == THERE
    assert (await anna.gives_up()).bookings[0].slot == THERE
    assert len(till.shop.account.sessions) == 2


async def test_who_gives_it_up_stays_where_they_are_and_may_try_again(till: Till, anna: Mover) -> None:
    await anna.begin()
    await anna.gives_up()
    await anna.gives_up()

    await has_stayed(anna)
    with pytest.raises(HoldEnded):
        await anna.begin()
    anna.id = new_id()
    await anna.begin()
    await anna.pays()
    assert await anna.settle() is AttemptState.PAID


async def test_who_does_not_pay_in_time_stays_where_they_are(till: Till, anna: Mover) -> None:
    await anna.begin()
    till.shop.books.decline(await anna.session())
    assert await anna.settle() is AttemptState.OPEN

    await till.later(PAYMENT_WINDOW)
    await till.work()
    await has_stayed(anna)
    assert (await anna.attempt()).rests
    assert await till.messages(anna.payer) == ["new_order", "booked"]


@pytest.mark.parametrize(("method", "goes_back"), [("card", "gone"), ("ideal", "refunded")])
async def test_who_pays_when_the_seats_are_gone_stays_and_has_the_money_back_once(
    till: Till, anna: Mover, method: str, goes_back: str
) -> None:
    await anna.begin()
    await anna.pays(method)
    await take_all_but(till, anna)

    await anna.settle()
    await till.work()
    assert (await till.order(anna.payer)).bookings[0].slot == LESSON
    assert till.shop.taken_minor == 4500
    assert len(till.shop.account.refunds) == (goes_back == "refunded")
    assert (await till.messages(anna.payer))[-1] == "move_returned"
    assert (await anna.attempt()).state is AttemptState.ENDED
    if goes_back == "refunded":  # of a bank she wants it as well: none of that is about what the order has cost
        till.shop.letters()
        till.shop.books.dispute(await anna.session())
        await hear(till)
    payment = (await till.order(anna.payer)).payment
    assert payment is not None
    assert payment.move is not None
    assert len(payment.move.disputes) == (goes_back == "refunded")
    assert (payment.paid_minor, payment.left_minor, payment.move.state) == (4500, 4500, AttemptState.ENDED)
    await cancel(till, anna.payer)
    await till.work()
    assert till.shop.taken_minor == 0


async def test_who_pays_to_move_to_a_time_that_is_over_before_anybody_knew_of_it_has_that_money_back(
    till: Till, anna: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anna.begin()
    await anna.pays()
    monkeypatch.setattr(till.settling, "now", lambda: THERE.ends_at)

    await anna.settle()
    await has_stayed(anna)


async def take_all_but(till: Till, anna: Mover) -> None:
    """Redis forgets the new seats, and others hold all of them."""
    site, engine = await till.house.site(), till.house.engine
    pin = await engine.pinned(site, anna.id)
    assert pin is not None
    await engine.unpin(site, anna.id, fence=pin.fence, release=True)
    await till.take_all(THERE)


async def test_meanwhile_nobody_moves_or_cancels_it_but_operators(till: Till, anna: Mover) -> None:
    await anna.begin()

    for wanted in (Mover(till, anna.payer, new_id()).begin(NEXT), cancel(till, anna.payer)):
        with pytest.raises(Paying):
            await wanted
    by_mia, site = await entry(till), await till.house.site()
    await till.house.store.cancel(site.id, anna.payer.id, by_mia.at, entry=by_mia)
    await anna.settle()
    assert till.shop.books.session(await anna.session()).status == "expired"
    await till.work()
    assert till.shop.taken_minor == 0
    assert (await seats(till, THERE)) == (0, 0, 0)


@pytest.mark.parametrize(("what", "method"), [("cancels", "ideal"), ("asks for another time", "card")])
async def test_who_has_paid_when_an_operator_was_faster_has_that_money_back(
    till: Till, anna: Mover, method: str, what: str
) -> None:
    await anna.begin()
    await anna.pays(method)
    if what == "cancels":
        by_mia, site = await entry(till), await till.house.site()
        await till.house.store.cancel(site.id, anna.payer.id, by_mia.at, entry=by_mia)
    else:
        await close_the_day(till, Choice.MOVE)
    await anna.settle()
    await till.work()

    assert till.shop.taken_minor == (0 if what == "cancels" else 4500)
    assert (await till.order(anna.payer)).bookings[0].slot == LESSON
    assert (await seats(till, THERE)) == (0, 0, 0)


async def test_the_price_is_what_was_agreed_to_whatever_it_is_when_it_is_paid(till: Till, anna: Mover) -> None:
    with pytest.raises(PriceChanged):
        await anna.begin(agreed=400)
    await anna.begin()
    await reprice(till, 9000)
    await anna.pays()

    assert await anna.settle() is AttemptState.PAID
    assert (await till.order(anna.payer)).total == Money(5000, "EUR")


async def test_a_full_time_is_refused_before_anybody_pays(till: Till, anna: Mover) -> None:
    await till.take_all(THERE)

    with pytest.raises(SlotFull):
        await anna.begin()
    assert len(till.shop.account.sessions) == 1
    anna.id = new_id()
    await anna.begin(NEXT)


async def test_neither_a_sweep_nor_an_empty_redis_takes_the_new_seats_from_who_is_paying(
    till: Till, anna: Mover
) -> None:
    await anna.begin()
    await till.house.advance(PAYMENT_WINDOW + timedelta(minutes=1))
    await till.house.parts.use_cases.reconciliation.sweep("tenuto")
    assert await seats(till, THERE) == (1, 0, 0)
    await till.house.flush()
    await till.house.parts.use_cases.reconciliation.ensure_loaded("studio")
    assert await seats(till, THERE) == (1, 0, 0)

    await anna.pays()
    assert await anna.settle() is AttemptState.PAID
    await till.house.deliver()
    assert (await seats(till, LESSON), await seats(till, THERE)) == ((0, 0, 0), (0, 1, 1))


async def test_an_empty_redis_leaves_the_new_seats_to_who_moves_to_the_next_time_of_the_same_person(
    till: Till,
) -> None:
    """Pia needs some minutes after a lesson: until anna has moved, she has no time for the next one."""
    site, anna = await till.house.site(), Mover(till, Payer(), new_id())

    by_shift = replace(PRIVATE, capacity=1, capacity_rule=CapacityRule.BY_SHIFT, buffer_after_min=10)

    async def write(session: AsyncSession) -> None:
        await put_service(session, site.id, by_shift, at=datetime.now(UTC))
        offered = [
            Opening(PRIVATE.key, of.starts_at.time(), of.ends_at.time(), day=of.starts_at.date())
            for of in (LESSON, NEXT)
        ]
        await put_openings(session, site.id, PRIVATE.key, offered)
        await put_member(session, site.id, StaffMember("pia", "Pia", "pia@example.org", frozenset({PRIVATE.key})))
        shifts = [Shift("pia", time(6), time(20), weekday=weekday) for weekday in range(7)]
        await put_shifts(session, site.id, "pia", shifts)

    await till.house.change(write)
    await till.paid(anna.payer)
    await till.house.change_service(replace(by_shift, price=Money(5000, "EUR")))
    await anna.begin(NEXT)
    fence = (await anna.attempt()).fence

    await till.house.flush()
    await till.house.parts.use_cases.reconciliation.ensure_loaded("studio")

    pin = await till.house.engine.pinned(await till.house.site(), anna.id)
    assert pin is not None
    assert pin.fence == fence
    await anna.pays()
    assert await anna.settle() is AttemptState.PAID
    assert await anna.slot() == NEXT


async def moved(anna: Mover) -> None:
    await anna.begin()
    await anna.pays()
    assert await anna.settle() is AttemptState.PAID


async def test_what_goes_back_comes_from_the_newest_payment_first(till: Till, anna: Mover) -> None:
    await moved(anna)
    refunding, site, by_mia = till.house.parts.use_cases.refunding, await till.house.site(), await entry(till)

    await refunding.refund(site.id, anna.payer.id, Money(700, "EUR"), entry=by_mia)
    assert await till.refunds(anna.payer) == [(500, "operator", "waiting"), (200, "operator", "waiting")]
    assert await refunding.left(site.id, anna.payer.id) == Money(4300, "EUR")
    await cancel(till, anna.payer)
    await till.work()
    assert (await till.refunds(anna.payer))[2:] == [(4300, "cancelled", "done")]
    assert (till.shop.taken_minor, (await till.order(anna.payer)).state) == (0, OrderState.REFUNDED)


async def half(till: Till) -> Mover:
    """Somebody whose lesson was paid with two payments, and of which half goes back."""
    payer = Payer()
    await reprice(till, 4500, refund_percent=50)
    await till.paid(payer)
    await reprice(till, 5000, refund_percent=50)
    anna = Mover(till, payer, new_id())
    await moved(anna)
    till.shop.letters()
    return anna


@pytest.mark.parametrize("by_hand", [300, 500])
async def test_what_one_payment_has_not_got_any_more_goes_back_from_the_other(till: Till, by_hand: int) -> None:
    """Somebody has given it back at Stripe, and nobody told us."""
    anna = await half(till)
    till.shop.books.refund(await anna.session(), by_hand)

    await cancel(till, anna.payer)
    await till.work()
    by_us = [amount for amount, why, state in await till.refunds(anna.payer) if (why, state) == ("cancelled", "done")]
    assert sum(by_us) == 2500
    assert till.shop.taken_minor == 2500 - by_hand
    payment = (await till.order(anna.payer)).payment
    assert payment is not None
    assert (payment.refunded_minor, payment.refused_minor) == (2500 + by_hand, 0)


async def test_where_neither_has_it_any_more_what_is_left_goes_back(till: Till) -> None:
    anna = await half(till)
    till.shop.books.refund(await anna.session(), 300)
    till.shop.books.refund(await till.session_of(anna.payer), 2600)

    await cancel(till, anna.payer)
    await till.work()
    assert till.shop.taken_minor == 0
    assert (await till.order(anna.payer)).state is OrderState.REFUNDED


async def test_a_part_that_a_bank_refuses_is_owed_although_more_went_back_of_the_other_payment(till: Till) -> None:
    anna = await half(till)
    await cancel(till, anna.payer)
    await till.work()
    of_move = next(one for one in till.shop.account.refunds.values() if one.amount == 500)

    till.shop.books.finish_refund(of_move.id, why_not="declined")
    await hear(till)
    await till.work()
    payment = (await till.order(anna.payer)).payment
    assert payment is not None
    assert (payment.refunded_minor, payment.refused_minor) == (2000, 500)


async def test_more_and_then_less_again_is_settled_both_times(till: Till, anna: Mover) -> None:
    await moved(anna)
    await reprice(till, 4200)
    back = WantedReschedule(new_id(), anna.payer.wanted().lines, anna.payer.visit, "back", Difference(-800, "EUR"))

    order = await till.house.parts.use_cases.bookings.reschedule(anna.payer.order_ref, back)
    assert order.total == Money(4200, "EUR")
    await till.work()
    assert [amount for amount, *_ in await till.refunds(anna.payer)] == [500, 300]
    assert till.shop.taken_minor == 4200
    assert (await till.order(anna.payer)).state is OrderState.PAID


async def test_refunds_and_disputes_at_stripe_are_of_the_payment_that_they_are_about(till: Till, anna: Mover) -> None:
    await moved(anna)
    till.shop.letters()
    session = await anna.session()
    till.shop.books.refund(session, 200)
    await hear(till)
    await hear(till)

    assert await till.refunds(anna.payer) == [(200, "at_stripe", "done")]
    site = await till.house.site()
    assert await till.house.parts.use_cases.refunding.left(site.id, anna.payer.id) == Money(4800, "EUR")
    till.shop.books.dispute(session)
    await hear(till)
    payment = (await till.order(anna.payer)).payment
    assert payment is not None
    assert [part.method and part.method.last4 for part in payment.parts] == ["4242", "4242"]
    assert len(payment.disputes) == 1
    assert "disputed" in await till.messages(anna.payer)
    await cancel(till, anna.payer)
    await till.work()
    assert [(amount, why) for amount, why, _ in await till.refunds(anna.payer)][1:] == [(4500, "cancelled")]


async def test_an_erased_customer_is_erased_from_both_payments(till: Till, anna: Mover) -> None:
    await moved(anna)
    by_mia = await entry(till)
    await cancel(till, anna.payer)
    await till.work()

    site = await till.house.site()
    await till.house.parts.use_cases.erasing.erase(site, anna.payer.id, operator_id=by_mia.operator_id)
    assert (await anna.attempt()).wanted.customer.name == ""


async def test_whoever_cannot_be_charged_keeps_the_price(till: Till, anna: Mover) -> None:
    await reprice(till, 4510)  # less than can be charged
    bookings, order = till.house.parts.use_cases.bookings, await till.order(anna.payer)
    assert await bookings.differences("studio", order) == {}
    await reprice(till, 5000)
    assert await bookings.differences("studio", order) == {LESSON: Difference(500, "EUR")}
    await till.house.change_settings(is_test=True)
    assert await bookings.differences("studio", order) == {}

    wanted = WantedReschedule(new_id(), anna.payer.wanted((THERE, 1)).lines, anna.payer.visit, "there")
    assert (await bookings.reschedule(anna.payer.order_ref, wanted)).total == Money(4500, "EUR")


async def test_a_card_that_lapses_before_it_is_taken_moves_nothing(till: Till, anna: Mover) -> None:
    await anna.begin()
    await anna.pays()
    till.shop.faults.plan("capture", "busy", times=2)
    with pytest.raises(PaymentsAway):
        await anna.settle()
    assert await anna.slot() == LESSON
    till.shop.books.lapse(await anna.session())

    await anna.settle()
    await till.work()
    await has_stayed(anna)


async def test_keys_that_may_not_take_what_it_costs_are_doubted(till: Till, anna: Mover) -> None:
    await anna.begin()
    await anna.pays()
    till.shop.faults.plan("capture", "forbidden")

    with pytest.raises(PaymentsNotSetUp):
        await anna.settle()
    kept = (await till.house.parts.use_cases.payment_accounts.all_of(await till.house.site())).live
    assert kept is not None
    assert kept.state is AccountState.UNCHECKED


async def test_a_wall_in_sql_gives_the_money_back_that_was_taken(
    till: Till, anna: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis believes the new time to be free; SQL knows better."""
    await anna.begin()
    await anna.pays()
    for name in ("Ben Oak", "Cem Ash"):
        other = Payer(name=name)
        await till.paid(other, (THERE, 5 if name == "Ben Oak" else 6))
    dan = Payer(name="Dan Elm")
    await till.house.rewind(THERE)
    await till.paid(dan, (THERE, 1))

    await anna.settle()
    await till.work()
    assert await anna.slot() == LESSON
    assert (await till.messages(anna.payer))[-1] == "move_returned"
    assert len(till.shop.account.refunds) == 1
