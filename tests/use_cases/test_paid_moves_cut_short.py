"""A process dies between any two effects of a move that is paid; another carries on, and all comes out right."""

from collections.abc import Awaitable, Callable

import pytest

from tests.house import PRIVATE, slot
from tests.use_cases.test_move_prices import reprice
from tests.use_cases.test_paid_moves import Mover
from tests.use_cases.test_payments_cut_short import Killed, Killer, is_pinned, rescuer, watched
from tests.use_cases.till import Payer, Till
from widget_server.domain.money import Money
from widget_server.domain.payments import PAYMENT_WINDOW
from widget_server.domain.slots import Slot
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio
__all__ = ["rescuer"]
Act = Callable[[Mover, Slot], Awaitable[object]]


async def pay(anna: Mover, to: Slot, method: str = "card") -> None:
    await anna.begin(to)
    await anna.pays(method)


async def pay_for_nothing(anna: Mover, to: Slot) -> None:
    """In a way that takes the money at once, and the new seats are others'."""
    await pay(anna, to, "ideal")
    site, engine = await anna.till.house.site(), anna.till.house.engine
    pin = await engine.pinned(site, anna.id)
    assert pin is not None
    await engine.unpin(site, anna.id, fence=pin.fence, release=True)
    await anna.till.take_all(to)


async def only_begin(anna: Mover, to: Slot) -> None:
    await anna.begin(to)


async def settle(anna: Mover, to: Slot) -> None:
    await anna.settle()


async def give_up(anna: Mover, to: Slot) -> None:
    await anna.gives_up()


STORIES: dict[str, tuple[Act, Act, bool, str]] = {
    "paid": (pay, settle, True, "| capture sql commit"),
    "paid for nothing": (pay_for_nothing, settle, False, "hold_and_pin expire hold_and_pin | sql sql refund sql sql"),
    "given up": (only_begin, give_up, False, "| sql expire sql unpin sql"),
}
"""What has happened, during what the process dies, whether it moves, and the effects: it dies once before each of those
behind the bar, and after all. What is before it only asks for what is there.
"""


@pytest.mark.parametrize("story", STORIES)
async def test_whenever_a_process_dies_another_one_finishes_the_move(till: Till, rescuer: Till, story: str) -> None:
    prepare, act, moves, effects = STORIES[story]
    before, after = (each.split() for each in effects.split("|"))
    for number, anna in enumerate(await booked(till, len(after) + 1)):
        killer, to = Killer(len(before) + number), there(number)
        await prepare(anna, to)
        was_killed = await dies(till, killer, act, anna, to)
        await rescuer.work()
        await the_books_are_right(rescuer, anna, to, moves=moves)
    assert not was_killed
    assert killer.seen == [*before, *after]


@pytest.mark.parametrize("goes_on", [True, False])
async def test_whenever_a_process_dies_while_it_begins_the_same_call_goes_on_or_the_seats_are_free(
    till: Till, rescuer: Till, goes_on: bool
) -> None:
    for number, anna in enumerate(await booked(till, 3)):
        killer, to = Killer(1 + number), there(number)
        assert await dies(till, killer, only_begin, anna, to)
        if goes_on:
            await pay(Mover(rescuer, anna.payer, anna.id), to)
        else:
            await rescuer.work()
            await rescuer.later(PAYMENT_WINDOW)
        await rescuer.work()
        await rescuer.house.parts.use_cases.reconciliation.sweep("tenuto")
        await the_books_are_right(rescuer, anna, to, moves=goes_on)
    assert killer.seen == ["sql", "hold_and_pin", "open"]


async def dies(till: Till, killer: Killer, act: Act, anna: Mover, to: Slot) -> bool:
    try:
        with watched(till.house, killer):
            await act(anna, to)
    except Killed:
        return True
    return False


def there(number: int) -> Slot:
    return slot(PRIVATE, day=4 + number // 4, number=number % 4)


async def booked(till: Till, many: int) -> list[Mover]:
    """Each with a lesson of their own, which costs 5.00 more by now."""
    payers = [Payer() for _ in range(many)]
    for number, payer in enumerate(payers):
        await till.paid(payer, (slot(PRIVATE, day=number // 4, number=number % 4), 1))
    await reprice(till, 5000)
    return [Mover(till, payer, new_id()) for payer in payers]


async def the_books_are_right(till: Till, anna: Mover, to: Slot, *, moves: bool) -> None:
    """The booking is in one place, what was taken is its price, and nothing waits any more."""
    order = await till.order(anna.payer)
    (booking,) = order.bookings
    assert (booking.slot == to) is moves
    assert order.total == Money(5000 if moves else 4500, "EUR")
    assert await taken(till, anna) == order.total.amount_minor
    assert await till.house.booked_in_sql(booking.slot) == 1
    await till.house.deliver()
    assert (await till.house.seats(booking.slot)).booked == 1
    if not moves:
        assert await till.house.booked_in_sql(to) == 0
        assert (await till.house.seats(to)).booked == 0
    assert not await is_pinned(till, anna.id)


async def taken(till: Till, anna: Mover) -> int:
    """Of her alone, and not given back."""
    site = await till.house.site()
    found = await till.settling._attempts.last_of(site.id, anna.id)
    sessions = [await till.session_of(anna.payer), *([found.session_id] if found and found.session_id else [])]
    intents = [till.shop.books.session(session).intent for session in sessions]
    charges = [intent.charge for intent in intents if intent and intent.charge and intent.charge.amount_captured]
    return sum(charge.left_to_refund for charge in charges)
