"""Two of those who see to a payment do so at the same time, in two processes, on both databases: it happens once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from tests.engine.servers import Valkey
from tests.house import PRIVATE, opened, slot
from tests.payments.shop import opened_shop
from tests.use_cases.till import KEY, Payer, Till, opened_till
from widget_server.domain.alternatives import OFFERED_FOR
from widget_server.domain.bookings import BookingState
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.errors import Refusal
from widget_server.payments.fake_stripe.books import NotPayable
from widget_server.store.payments import Payments

pytestmark = pytest.mark.anyio

Act = Callable[[Till, Payer], Awaitable[object]]


@pytest.fixture
async def tills(
    url: str, empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path
) -> AsyncIterator[tuple[Till, Till]]:
    settings = {"database_url": url, "secret_key": KEY}
    async with (
        opened_shop() as shop,
        opened_till(empty_valkey.url, sqlite_template, tmp_path, shop, database_url=url) as till,
        opened(empty_valkey.url, sqlite_template, tmp_path, stripe_url=shop.url, **settings) as house,
    ):
        yield till, replace(till, house=house)


async def webhook(till: Till, anna: Payer) -> None:
    for letter in till.shop.letters():
        await till.settling.heard("studio", letter.body, letter.signature)


async def worker(till: Till, anna: Payer) -> None:
    await till.settling.settle_due()


async def come_back(till: Till, anna: Payer) -> None:
    await till.house.parts.use_cases.checkout.ask(anna.order_ref)


async def go_back(till: Till, anna: Payer) -> None:
    await till.go_back(anna)


async def see_the_window_close(till: Till, anna: Payer) -> None:
    attempt = await till.attempt(anna)
    await till.settling.settle(attempt.site_id, attempt.public_id)


async def pay(till: Till, anna: Payer) -> None:
    """While others are at it. The page may be closed by then."""
    with suppress(NotPayable):
        till.shop.books.pay(await till.session_of(anna))


async def choose_the_first(till: Till, anna: Payer) -> None:
    await choose(till, anna, 0)


async def choose_the_last(till: Till, anna: Payer) -> None:
    await choose(till, anna, -1)


async def choose(till: Till, anna: Payer, place: int) -> None:
    """As from a page that has shown all three."""
    attempt = await till.attempt(anna)
    alternatives = await till.settling._payments.alternatives(attempt.public_id)
    await till.choose(anna, [each for each in alternatives if not each.is_same][place])


async def choose_none(till: Till, anna: Payer) -> None:
    await till.choose(anna, None)


CHOICES: tuple[tuple[Act, Act], ...] = (
    (choose_the_first, choose_the_first),
    (choose_the_first, choose_the_last),
    (choose_the_first, choose_none),
    (choose_the_last, see_the_window_close),
    (choose_none, come_back),
)
TOLD_BOOKED = ["new_order", "booked"]
ACTS: tuple[Act, ...] = (webhook, worker, come_back, go_back, see_the_window_close)


async def test_every_two_who_see_to_a_payment_at_once_agree(tills: tuple[Till, Till]) -> None:
    await run_all_pairs(*tills)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_they_would_not_if_a_step_were_taken_from_any_state(
    tills: tuple[Till, Till], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Payments._step
    monkeypatch.setattr(
        Payments, "_step", lambda payments, which, _, write: step(payments, which, tuple(AttemptState), write)
    )

    with pytest.raises(AssertionError):
        await run_all_pairs(*tills)


async def run_all_pairs(till: Till, other: Till) -> None:
    pairs = list(combinations_with_replacement(ACTS, 2))
    for number, (first, second) in enumerate([*pairs, *((act, pay) for act in ACTS)]):
        anna, of = Payer(), slot(PRIVATE, day=number // 4, number=number % 4)
        session = await till.at_the_page(anna, (of, 1))
        if number % 2 or pay in (first, second):
            till.shop.letters()  # Stripe has told nothing of anna yet
        else:
            till.shop.books.pay(session)
        if see_the_window_close in (first, second):
            await till.later(PAYMENT_WINDOW)

        done = await asyncio.gather(first(till, anna), second(other, anna), return_exceptions=True)
        assert all(each is None or isinstance(each, Refusal) for each in done), (first, second, done)
        await other.work()
        await it_is_paid_and_booked_or_neither(other, anna, of.id)


async def test_of_two_who_choose_at_once_what_is_held_for_them_one_has_chosen(tills: tuple[Till, Till]) -> None:
    till, other = tills
    for number, (first, second) in enumerate(CHOICES):
        anna, of = Payer(), slot(PRIVATE, day=number)
        till.shop.books.pay(await till.at_the_page(anna, (of, 1)))
        await till.lose_seats(anna, of)
        await till.settle(anna)
        offered = [each.slots for each in await till.offered(anna)]
        assert len(offered) == 3
        if see_the_window_close in (first, second):
            await till.later(OFFERED_FOR)

        done = await asyncio.gather(first(till, anna), second(other, anna), return_exceptions=True)
        assert all(not isinstance(each, Exception) or isinstance(each, Refusal) for each in done), (first, second, done)
        await other.work()
        order, attempt = await other.order(anna), await other.attempt(anna)
        is_paid = order.state is OrderState.PAID
        assert attempt.state == (AttemptState.PAID if is_paid else AttemptState.ENDED), (first, second)
        booked = [slots for slots in offered if await other.house.booked_in_sql(slots[0])]
        assert booked == ([tuple(booking.slot for booking in order.bookings)] if is_paid else [])
        assert [(await other.house.seats(slots[0])).held for slots in offered] == [0, 0, 0]
        assert await other.messages(anna) == ["paid_too_late", *(TOLD_BOOKED if is_paid else ["payment_returned"])]
        intent = till.shop.books.intent(attempt.session_id or "")
        assert intent.status == ("succeeded" if is_paid else "canceled")


async def it_is_paid_and_booked_or_neither(till: Till, anna: Payer, of: str) -> None:
    attempt, order = await till.attempt(anna), await till.order(anna)
    is_paid = order.state is OrderState.PAID
    assert attempt.state == (AttemptState.PAID if is_paid else AttemptState.ENDED)
    assert order.bookings[0].state is (BookingState.CONFIRMED if is_paid else BookingState.CANCELLED)
    assert await till.outcome(anna) is (OutcomeState.CONFIRMED if is_paid else OutcomeState.ABANDONED)
    assert await till.messages(anna) == (["new_order", "booked"] if is_paid else [])
    intents = [one.intent for one in till.shop.account.sessions.values() if one.id == attempt.session_id]
    charges = [intent.charge for intent in intents if intent and intent.charge and intent.charge.amount_captured]
    assert [charge.left_to_refund for charge in charges] == [4500] * is_paid
