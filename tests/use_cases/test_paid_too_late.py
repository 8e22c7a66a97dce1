"""Somebody has paid, and their seats are gone: the same ones if they can be had, else others held, else the money."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.engine.test_full import memory_of
from tests.house import PRIVATE, SITE, slot
from tests.use_cases.till import ALL_SEATS, LESSON, Late, Payer, Till
from widget_server.domain.alternatives import OFFERED_FOR
from widget_server.domain.attempts import LET_GO_AFTER
from widget_server.domain.bookings import BookingState
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.domain.services import CapacityRule
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.engine import keys
from widget_server.errors import Changed, NotFound, PaymentsAway, SlotFull, TooLate
from widget_server.ids import new_id
from widget_server.store.schedule import put_service
from widget_server.store.staff import put_member, put_shifts
from widget_server.use_cases import offering
from widget_server.use_cases.bookings import WantedReschedule

pytestmark = pytest.mark.anyio

NEXT = [slot(PRIVATE, number=number) for number in (1, 2, 3)]
ASKED, BOOKED = ["paid_too_late"], ["new_order", "booked"]


async def too_late(till: Till, *, method: str = "card") -> Payer:
    """Anna's seats are gone, and others are held for her."""
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna), method)
    await till.lose_seats(anna, LESSON)
    assert await till.settle(anna) is AttemptState.OFFERING
    return anna


async def test_who_has_lost_a_hold_but_not_its_seats_gets_them_without_being_asked(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    site, pin = await till.house.site(), await till.house.engine.pinned(await till.house.site(), anna.id)
    assert pin is not None
    await till.house.engine.unpin(site, anna.id, fence=pin.fence, release=True)

    assert await till.settle(anna) is AttemptState.PAID
    order = await till.order(anna)
    assert (order.id, order.bookings[0].slot, order.state) == (anna.id, LESSON, OrderState.PAID)
    assert await till.messages(anna) == BOOKED
    assert await till.deeds(anna) == ["paid_too_late", "same_seats_taken", "payment_captured"]
    assert (await till.house.seats(LESSON)).held == 0


async def test_the_next_times_are_held_and_nobody_else_gets_them(till: Till) -> None:
    anna = await too_late(till)

    order = await till.order(anna)
    assert (order.state, order.bookings[0].state) == (OrderState.OPEN, BookingState.CANCELLED)
    assert order.payment is not None
    assert [each.slots for each in order.payment.alternatives] == [(of,) for of in NEXT]
    assert order.payment.offered_until is not None
    assert order.payment.offered_until - till.settling.now() > OFFERED_FOR - timedelta(minutes=1)
    assert [(await till.house.seats(of)).held for of in NEXT] == [1, 1, 1]
    assert till.shop.taken_minor == 0
    assert await till.deeds(anna) == ["paid_too_late", "alternatives_held"]
    await till.house.advance(OFFERED_FOR * 2)  # no sweep ends what she may still choose
    (partition,) = await till.house.parts.partitions()
    swept = await till.house.engine.sweep(partition, retry=timedelta(seconds=1))
    for site_key, hold_id in swept.to_resolve:
        await till.house.parts.use_cases.reconciliation._delivery.resolve(site_key, hold_id)
    assert [(await till.house.seats(of)).held for of in NEXT] == [1, 1, 1]


async def test_the_mail_names_all_times_and_leads_to_the_order(till: Till) -> None:
    anna = await too_late(till)

    await till.house.parts.posting.post()
    (message,) = await till.house.parts.use_cases.messages.of_order(await till.house.site(), anna.id)
    assert (message.state, message.address) == ("kept", "anna@example.org")
    assert message.mail is not None
    assert "Bitte wählen Sie eine andere Zeit" in message.mail.subject
    assert message.mail.plain.count("Private lesson") == 3
    assert f"/o/studio/{anna.id}#" in message.mail.plain


async def test_who_has_chosen_before_the_mail_is_written_gets_none(till: Till) -> None:
    anna = await too_late(till)

    await till.choose(anna, (await till.offered(anna))[0])
    await till.house.parts.posting.post()
    messages = await till.house.parts.use_cases.messages.of_order(await till.house.site(), anna.id)
    assert {message.kind.value: message.state.value for message in messages}["paid_too_late"] == "dropped"


@pytest.mark.parametrize("method", ["card", "ideal"])
async def test_what_is_chosen_is_booked_at_the_price_that_was_paid(till: Till, method: str) -> None:
    anna = await too_late(till, method=method)
    number = (await till.order(anna)).number
    await till.house.change_service(replace(PRIVATE, price=Money(9900, "EUR")))

    second = (await till.offered(anna))[1]
    order = await till.choose(anna, second)
    assert (order.id, order.number, order.state) == (anna.id, number, OrderState.PAID)
    assert [(one.slot, one.state) for one in order.bookings] == [(NEXT[1], BookingState.CONFIRMED)]
    assert order.total == Money(4500, "EUR")
    assert till.shop.taken_minor == 4500
    assert [(await till.house.seats(of)).held for of in NEXT] == [0, 0, 0]
    assert [(await till.house.seats(of)).booked for of in NEXT] == [0, 1, 0]
    assert await till.messages(anna) == ASKED + BOOKED
    assert await till.deeds(anna) == ["paid_too_late", "alternatives_held", "alternative_taken", "payment_captured"]
    assert await till.outcome(anna) is OutcomeState.VOIDED
    assert await till.outcome(anna, second.hold_id) is OutcomeState.CONFIRMED
    assert await till.choose(anna, second) == order


async def test_an_order_that_came_to_be_so_moves_and_is_cancelled_like_any_other(till: Till) -> None:
    anna = await too_late(till)
    await till.choose(anna, (await till.offered(anna))[0])
    bookings, other = till.house.parts.use_cases.bookings, slot(PRIVATE, day=1)

    wanted = WantedReschedule(new_id(), (Line(other, 1),), anna.visit, "once")
    moved = await bookings.reschedule(anna.order_ref, wanted)
    assert [one.slot for one in moved.bookings] == [other]
    assert [(await till.house.seats(of)).booked for of in (NEXT[0], other)] == [0, 1]
    await bookings.cancel(anna.order_ref)
    await till.work()
    assert till.shop.taken_minor == 0
    assert await till.house.booked_in_sql(other) == 0


@pytest.mark.parametrize(("method", "how"), [("card", "payment_voided"), ("ideal", "payment_refunded")])
async def test_who_wants_none_of_them_has_their_money_again(till: Till, method: str, how: str) -> None:
    anna = await too_late(till, method=method)

    assert (await till.choose(anna, None)).state is OrderState.VOIDED
    assert (await till.choose(anna, None)).state is OrderState.VOIDED
    assert till.shop.taken_minor == 0
    assert [(await till.house.seats(of)).held for of in NEXT] == [0, 0, 0]
    assert await till.messages(anna) == [*ASKED, "payment_returned"]
    assert await till.deeds(anna) == ["paid_too_late", "alternatives_held", "alternatives_declined", how]
    with pytest.raises(TooLate):
        await till.choose(anna, (await till.settling._payments.alternatives((await till.attempt(anna)).public_id))[1])


@pytest.mark.parametrize("was_held", [False, True], ids=["for the first time", "again, as Redis had forgotten them"])
async def test_no_seats_wait_for_who_had_their_money_again_before_these_were_held(
    till: Till, monkeypatch: pytest.MonkeyPatch, was_held: bool
) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    await till.lose_seats(anna, LESSON)
    if was_held:
        await till.settle(anna)
        await till.house.flush()
        await till.house.parts.use_cases.reconciliation.fill(SITE)
    late = Late(till.settling, "_hold", monkeypatch)
    looks = asyncio.create_task(till.settle(anna))
    await late.is_there.wait()

    assert (await till.choose(anna, None)).state is OrderState.VOIDED
    late.may_go.set()
    state = await looks
    assert [(await till.house.seats(of)).held for of in NEXT] == [0, 0, 0]
    assert (state, till.shop.taken_minor) == (AttemptState.ENDED, 0)


async def test_seats_that_a_worker_takes_again_while_others_are_offered_are_free_at_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read that the page is open, and stands still, while for a moment others have all the seats."""
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    late = Late(till.settling, "_pin_again", monkeypatch)
    looks = asyncio.create_task(till.settle(anna))
    await late.is_there.wait()

    others = await till.lose_seats(anna, LESSON)
    await till.house.redis.read(("DEL", keys.of_site("tenuto", SITE).hold(anna.id)))  # nor does it know the hold
    assert await till.settle(anna) is AttemptState.OFFERING
    for other in others:
        await till.house.parts.use_cases.bookings.release(other.ref)
    late.may_go.set()
    assert await looks is AttemptState.OFFERING
    assert (await till.house.seats(LESSON)).held == 0


async def test_who_chooses_nothing_in_time_has_their_money_again_once(till: Till) -> None:
    anna = await too_late(till)
    first = (await till.offered(anna))[0]

    await till.later(OFFERED_FOR)
    with pytest.raises(TooLate):
        await till.choose(anna, first)
    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0
    assert await till.messages(anna) == [*ASKED, "payment_returned"]
    assert await till.deeds(anna) == ["paid_too_late", "alternatives_held", "alternatives_run_out", "payment_voided"]


async def test_who_has_chosen_has_chosen(till: Till) -> None:
    anna = await too_late(till)
    first, second, _ = await till.offered(anna)
    till.shop.faults.plan("read", "cut")  # so that it is not booked at once

    chosen = await till.choose(anna, first)
    assert chosen.payment is not None
    assert (chosen.payment.state, chosen.payment.alternatives) == (AttemptState.OFFERING, ())
    for other in (second, None):
        with pytest.raises((Changed, PaymentsAway)):
            await till.choose(anna, other)
    await till.later(OFFERED_FOR)
    await till.work()
    order = await till.order(anna)
    assert [(one.slot, one.state) for one in order.bookings] == [(NEXT[0], BookingState.CONFIRMED)]


async def test_what_redis_has_forgotten_is_held_again_or_not_offered_any_more(till: Till) -> None:
    anna = await too_late(till)
    first = (await till.offered(anna))[0]
    await till.house.flush()
    await till.house.parts.use_cases.reconciliation.fill(SITE)
    for of in (LESSON, NEXT[0]):
        await till.take_all(of)

    await till.later(timedelta(minutes=5))
    await till.settling.settle_due()
    assert [each.slots for each in await till.offered(anna)] == [(NEXT[1],), (NEXT[2],)]
    assert [(await till.house.seats(of)).held for of in NEXT] == [ALL_SEATS, 1, 1]
    with pytest.raises(SlotFull):
        await till.choose(anna, first)
    assert await till.messages(anna) == ASKED


async def test_seats_that_sql_does_not_have_are_not_sold_and_another_time_can_be_chosen(till: Till) -> None:
    anna, ben = await too_late(till), Payer(name="Ben Oak")
    first, second, _ = await till.offered(anna)
    await till.paid(ben, (NEXT[0], 6))
    await till.paid(Payer(), (NEXT[0], 5))
    await till.house.change_service(replace(PRIVATE, capacity=11))  # in SQL there is no room beside them
    await till.settle(anna)

    with pytest.raises(SlotFull):
        await till.choose(anna, first)
    assert [(await till.house.seats(of)).held for of in NEXT] == [0, 1, 1]
    assert (await till.choose(anna, second)).bookings[0].slot == NEXT[1]
    assert till.shop.taken_minor == 4500 * 12


async def test_no_more_is_held_on_a_site_than_its_share(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "HELD_PER_SITE_MAX", 2)
    anna = await too_late(till)
    assert len(await till.offered(anna)) == 2

    ben = Payer(name="Ben Oak")
    till.shop.books.pay(await till.at_the_page(ben, (slot(PRIVATE, day=1), 1)))
    await till.lose_seats(ben, slot(PRIVATE, day=1))
    assert await till.settle(ben) is AttemptState.ENDED
    assert await till.messages(ben) == ["payment_returned"]


async def test_of_two_lines_only_the_one_that_is_gone_is_replaced(till: Till) -> None:
    anna, other = Payer(), slot(PRIVATE, day=1)
    till.shop.books.pay(await till.at_the_page(anna, (LESSON, 2), (other, 1)))
    await till.lose_seats(anna, LESSON)

    assert await till.settle(anna) is AttemptState.OFFERING
    offered = await till.offered(anna)
    assert [each.slots for each in offered] == [(of, other) for of in NEXT]
    order = await till.choose(anna, offered[0])
    assert [(one.slot, one.seats) for one in order.bookings] == [(NEXT[0], 2), (other, 1)]


async def outage(till: Till, until: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sees to anything before that, and all seats stay held."""
    await till.house.advance(until - datetime.now(UTC))
    monkeypatch.setattr(till.settling, "now", lambda: until)


@pytest.mark.parametrize(("after", "taken"), [(timedelta(0), 0), (-timedelta(minutes=1), 9000)], ids=["over", "on"])
async def test_what_was_over_before_anybody_knew_that_it_was_paid_is_not_sold(
    till: Till, after: timedelta, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, other = Payer(), slot(PRIVATE, day=1)
    till.shop.books.pay(await till.at_the_page(anna, (LESSON, 1), (other, 1)))
    await outage(till, LESSON.ends_at + after, monkeypatch)

    assert await till.settle(anna) is (AttemptState.PAID if taken else AttemptState.OFFERING)
    assert till.shop.taken_minor == taken
    assert {each.slots[1] for each in await till.offered(anna)} == (set() if taken else {other})


@pytest.mark.parametrize("until", [NEXT[0].ends_at, LESSON.ends_at], ids=["both over", "one over, one begun"])
async def test_of_two_times_that_nobody_can_come_to_any_more_both_are_replaced(
    till: Till, until: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna, (LESSON, 1), (NEXT[0], 1)))
    await outage(till, until, monkeypatch)

    assert await till.settle(anna) is AttemptState.OFFERING
    offered = await till.offered(anna)
    assert offered
    assert all(of.starts_at > until for each in offered for of in each.slots)


async def test_who_has_chosen_a_time_that_is_over_by_now_has_their_money_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await too_late(till)
    (chosen, *_) = await till.offered(anna)
    till.shop.faults.plan("read", "busy")
    await till.choose(anna, chosen)

    await outage(till, NEXT[-1].ends_at, monkeypatch)
    assert await till.settle(anna) is AttemptState.OFFERING
    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0


async def test_of_two_lines_that_are_both_gone_each_gets_a_time_of_its_own(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna, (LESSON, 1), (NEXT[0], 1)))
    await till.lose_seats(anna, LESSON)
    await till.take_all(NEXT[0])

    assert await till.settle(anna) is AttemptState.OFFERING
    later = [*NEXT[1:], slot(PRIVATE, day=1), slot(PRIVATE, day=1, number=1)]
    assert [set(each.slots) for each in await till.offered(anna)] == [set(later[n : n + 2]) for n in range(3)]


async def test_a_line_that_is_still_held_for_her_stays_though_nobody_else_could_have_it(till: Till) -> None:
    anna, other = Payer(), slot(PRIVATE, day=1)
    for seats in (6, 5):
        await till.paid(Payer(name="Ben Oak"), (LESSON, seats))
    session = await till.at_the_page(anna, (LESSON, 1), (other, 1))
    for _ in range(2):
        await till.hold(Payer(), (other, 5))
    await till.house.change_service(replace(PRIVATE, capacity=ALL_SEATS - 1))  # in SQL there is no room at the first
    till.shop.books.pay(session)

    assert await till.settle(anna) is AttemptState.OFFERING
    offered = await till.offered(anna)
    assert [each.slots for each in offered] == [(NEXT[0], other)], "there is one seat, so it is held once"


@pytest.mark.parametrize("amount", [None, 1000])
async def test_who_has_got_money_back_at_stripe_is_not_booked_with_it(till: Till, amount: int | None) -> None:
    anna = await too_late(till, method="ideal")
    first = (await till.offered(anna))[0]
    till.shop.books.refund(await till.session_of(anna), amount)

    with pytest.raises(TooLate):
        await till.choose(anna, first)
    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0
    assert await till.house.booked_in_sql(NEXT[0]) == 0


async def test_what_is_given_back_before_anybody_has_heard_of_it_books_nothing(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session, "ideal")
    till.shop.books.refund(session)

    assert await till.settle(anna) is AttemptState.ENDED
    assert till.shop.taken_minor == 0
    assert await till.house.booked_in_sql(LESSON) == 0
    assert (await till.house.seats(LESSON)).held == 0


async def test_what_was_let_go_and_then_given_back_is_not_offered_again(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    till.shop.books.pay(session, "ideal")
    till.shop.books.refund(session)
    till.shop.faults.plan("expire", "cut")

    await till.later(PAYMENT_WINDOW + LET_GO_AFTER)
    assert await till.settle(anna) is AttemptState.ENDED
    assert await till.house.booked_in_sql(LESSON) == 0
    assert "paid_too_late" not in await till.messages(anna)


async def test_the_very_seats_come_back_however_many_others_are_held_for_late_payers(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "HELD_PER_SITE_MAX", 3)
    await too_late(till)
    ben, other = Payer(name="Ben Oak"), slot(PRIVATE, day=1)
    till.shop.books.pay(await till.at_the_page(ben, (other, 1)))
    pin = await till.house.engine.pinned(await till.house.site(), ben.id)
    assert pin is not None
    await till.house.engine.unpin(await till.house.site(), ben.id, fence=pin.fence, release=True)

    assert await till.settle(ben) is AttemptState.PAID
    assert await till.house.booked_in_sql(other) == 1


async def test_what_is_held_can_be_chosen_also_where_redis_has_no_memory_left(till: Till) -> None:
    anna = await too_late(till)
    first = (await till.offered(anna))[0]

    async with memory_of(till.house.redis, 1):
        assert (await till.choose(anna, first)).state is OrderState.PAID
        assert [(await till.house.seats(of)).held for of in NEXT] == [0, 0, 0]
    assert await till.house.booked_in_sql(NEXT[0]) == 1


async def test_nobody_else_chooses_for_her(till: Till) -> None:
    anna, eve = await too_late(till), Payer(name="Eve")
    eve.id, eve.order_secret = anna.id, new_id()

    with pytest.raises(NotFound):
        await till.choose(eve, (await till.offered(anna))[0])
    with pytest.raises(NotFound):
        await till.choose(eve, None)
    with pytest.raises(SlotFull):
        await till.choose(anna, replace((await till.offered(anna))[0], hold_id=new_id()))
    assert len(await till.offered(anna)) == 3


async def test_a_card_that_lapses_while_she_chooses_books_nothing(till: Till) -> None:
    anna = await too_late(till)
    first = (await till.offered(anna))[0]
    till.shop.books.lapse(await till.session_of(anna))

    with pytest.raises(TooLate):
        await till.choose(anna, first)
    assert (await till.attempt(anna)).state == AttemptState.ENDED
    assert await till.house.booked_in_sql(NEXT[0]) == 0


async def test_whoever_serves_what_is_chosen_is_claimed_told_and_free_again_once_it_moves(till: Till) -> None:
    site = await till.house.site()

    async def write(session: AsyncSession) -> None:
        by_shift = replace(PRIVATE, capacity=1, capacity_rule=CapacityRule.BY_SHIFT)
        await put_service(session, site.id, by_shift, at=datetime.now(UTC))
        await put_member(session, site.id, StaffMember("pia", "Pia", "pia@example.org", frozenset({PRIVATE.key})))
        shifts = [Shift("pia", time(6), time(20), weekday=weekday) for weekday in range(7)]
        await put_shifts(session, site.id, "pia", shifts)

    async def served() -> list[str]:
        found = await till.house.store.assignments(site.id, datetime.now(UTC))
        return [one.slot.id for one in found if not one.is_freed]

    await till.house.change(write)
    anna, other = Payer(), slot(PRIVATE, day=1)
    till.shop.books.pay(await till.at_the_page(anna))
    pin = await till.house.engine.pinned(site, anna.id)
    assert pin is not None
    await till.house.engine.unpin(site, anna.id, fence=pin.fence, release=True)
    await till.hold(Payer(), (LESSON, 1))

    assert await till.settle(anna) is AttemptState.OFFERING
    offered = await till.offered(anna)
    assert [each.slots for each in offered] == [(of,) for of in NEXT]
    order = await till.choose(anna, offered[0])
    assert order.bookings[0].served_by == ("Pia",)
    assert await served() == [NEXT[0].id]
    assert set(await till.messages(anna)) == {*ASKED, *BOOKED, "assigned"}
    for _ in range(2):  # to all who serve it, then to Pia
        await till.house.parts.posting.post()
    messages = await till.house.parts.use_cases.messages.of_order(site, anna.id)
    assert [one.address for one in messages if one.kind.value == "assigned" and one.mail] == ["pia@example.org"]
    wanted = WantedReschedule(new_id(), (Line(other, 1),), anna.visit, "once")
    await till.house.parts.use_cases.bookings.reschedule(anna.order_ref, wanted)
    assert await served() == [other.id]
    await till.paid(Payer(name="Ben Oak"), (NEXT[0], 1))
