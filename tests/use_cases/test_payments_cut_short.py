"""A process dies between any two effects of a payment; another one carries on, and the books come out right."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.house import PRIVATE, SITE, House, opened, slot
from tests.use_cases.till import KEY, Payer, Till
from widget_server.domain.alternatives import OFFERED_FOR
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, PaymentsAway

pytestmark = pytest.mark.anyio

AT_STRIPE = ("open", "expire", "capture", "void", "refund")
IN_REDIS = ("hold_and_pin", "unpin", "commit", "set_booked")
POINTS_MAX = 30


class Killed(BaseException):
    """Nothing of the process goes on."""


@dataclass
class Killer:
    """Lets so many effects happen, and the process dies before the next one."""

    lets: int
    seen: list[str] = field(default_factory=list)

    def meet(self, effect: str) -> None:
        if len(self.seen) >= self.lets:
            raise Killed(effect)
        self.seen.append(effect)


@contextmanager
def watched(house: House, killer: Killer) -> Iterator[None]:
    """All that this process does to SQL, Redis and Stripe is an effect."""
    settling, patch = house.parts.use_cases.settling, pytest.MonkeyPatch()
    transaction = house.parts.database.transaction

    def killed_before(owner: Any, name: str) -> None:
        act: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def watched_act(*args: Any, **options: Any) -> Any:
            killer.meet(name)
            return await act(*args, **options)

        patch.setattr(owner, name, watched_act)

    @asynccontextmanager
    async def watched_transaction() -> AsyncIterator[Any]:
        killer.meet("sql")
        async with transaction() as session:
            yield session

    patch.setattr(house.parts.database, "transaction", watched_transaction)
    for name in AT_STRIPE:
        killed_before(settling._gateway, name)
    for name in IN_REDIS:
        killed_before(settling._engine, name)
    try:
        yield
    finally:
        patch.undo()


@pytest.fixture
async def rescuer(till: Till, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Till]:
    """Another process, that goes on."""
    folder, url = tmp_path, till.house.redis_url
    async with opened(url, sqlite_template, folder, stripe_url=till.shop.url, secret_key=KEY) as house:
        yield replace(till, house=house)


async def wait(till: Till, anna: Payer, of: Slot) -> None:
    """Her card is good for it."""
    till.shop.books.pay(await till.at_the_page(anna, (of, 1)))


async def wait_charged(till: Till, anna: Payer, of: Slot) -> None:
    """She has paid in a way that takes the money at once."""
    till.shop.books.pay(await till.at_the_page(anna, (of, 1)), "ideal")


async def wait_for_nothing(till: Till, anna: Payer, of: Slot, method: str = "card") -> None:
    """She pays what others have by now."""
    till.shop.books.pay(await till.at_the_page(anna, (of, 1)), method)
    await till.lose_seats(anna, of)


async def choose_from_others(till: Till, anna: Payer, of: Slot, method: str = "card") -> None:
    await wait_for_nothing(till, anna, of, method)
    await till.settle(anna)
    assert len(await till.offered(anna)) == 3


async def choose_another(till: Till, anna: Payer, of: Slot) -> None:
    """She has pressed, and that is written."""
    await choose_from_others(till, anna, of, "ideal")
    attempt, offered = await till.attempt(anna), await till.offered(anna)
    await till.settling._payments.choose(attempt.public_id, offered[0].hold_id, datetime.now(UTC))


async def choose_none(till: Till, anna: Payer, of: Slot) -> None:
    await choose_from_others(till, anna, of, "ideal")
    await till.settling._payments.decline((await till.attempt(anna)).public_id, datetime.now(UTC))


async def choose_for_too_long(till: Till, anna: Payer, of: Slot) -> None:
    await choose_from_others(till, anna, of)
    await till.later(OFFERED_FOR)


async def wait_with_a_card_that_lapses(till: Till, anna: Payer, of: Slot) -> None:
    session = await till.at_the_page(anna, (of, 1))
    till.shop.books.pay(session)
    till.shop.faults.plan("capture", "busy", times=2)
    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    till.shop.books.lapse(session)


async def wait_until_it_is_over(till: Till, anna: Payer, of: Slot) -> None:
    await till.at_the_page(anna, (of, 1))
    await till.later(PAYMENT_WINDOW)


async def only_look(till: Till, anna: Payer, of: Slot) -> None:
    await till.at_the_page(anna, (of, 1))


async def settle(till: Till, anna: Payer, of: Slot) -> None:
    await till.settle(anna)


async def go_back(till: Till, anna: Payer, of: Slot) -> None:
    await till.go_back(anna)


Act = Callable[[Till, Payer, Slot], Awaitable[None]]
STORIES: dict[str, tuple[Act, Act, OrderState, str]] = {
    "paid": (wait, settle, OrderState.PAID, "sql commit capture sql"),
    "paid at once": (wait_charged, settle, OrderState.PAID, "sql commit"),
    "late, others held": (
        wait_for_nothing,
        settle,
        OrderState.OPEN,
        "hold_and_pin expire hold_and_pin sql hold_and_pin hold_and_pin hold_and_pin hold_and_pin sql",
    ),
    "late, another taken": (choose_another, settle, OrderState.PAID, "sql commit unpin unpin"),
    "late, none taken": (choose_none, settle, OrderState.VOIDED, "unpin unpin unpin sql refund sql sql"),
    "late, never chosen": (choose_for_too_long, settle, OrderState.VOIDED, "sql unpin unpin unpin void sql"),
    "capture refused": (wait_with_a_card_that_lapses, settle, OrderState.VOIDED, "sql set_booked sql"),
    "window over": (wait_until_it_is_over, settle, OrderState.EXPIRED, "expire sql unpin sql"),
    "went back": (only_look, go_back, OrderState.EXPIRED, "sql expire sql unpin sql"),
}
"""What has happened, during what the process dies, what becomes of it, and the effects: it dies once before each."""


@pytest.mark.parametrize("story", STORIES)
async def test_whenever_a_process_dies_another_one_finishes_the_payment(till: Till, rescuer: Till, story: str) -> None:
    prepare, act, expected, effects = STORIES[story]
    for lets in range(POINTS_MAX):
        anna, killer, of = Payer(), Killer(lets), slot(PRIVATE, day=lets // 4, number=lets % 4)
        await prepare(till, anna, of)
        try:
            with watched(till.house, killer):
                await act(till, anna, of)
        except Killed:
            was_killed = True
        else:
            was_killed = False
        await rescuer.work()
        await the_books_are_right(rescuer, anna, of, expected)
        if not was_killed:
            break
    assert not was_killed
    assert " ".join(killer.seen) == effects


async def test_whenever_a_process_dies_while_it_opens_a_page_the_same_call_goes_on(till: Till, rescuer: Till) -> None:
    for lets in range(POINTS_MAX):
        anna, killer, of = Payer(), Killer(lets), slot(PRIVATE, day=lets // 4, number=lets % 4)
        await till.hold(anna, (of, 1))
        was_killed = False
        try:
            with watched(till.house, killer):
                await till.begin(anna, (of, 1))
        except Killed:
            was_killed = True
        begun = await rescuer.begin(anna, (of, 1))
        assert begun.pay_url
        till.shop.books.pay(await rescuer.session_of(anna))
        await rescuer.work()
        await the_books_are_right(rescuer, anna, of, OrderState.PAID)
        if not was_killed:
            break
    assert " ".join(killer.seen) == "sql hold_and_pin open sql"


async def test_whenever_a_process_dies_while_it_opens_a_page_nobody_waits_for_long(till: Till, rescuer: Till) -> None:
    for lets in range(4):
        anna, of = Payer(), slot(PRIVATE, number=lets)
        await till.hold(anna, (of, 1))
        with watched(till.house, Killer(lets)), pytest.raises(Killed):
            await till.begin(anna, (of, 1))

        await rescuer.later(timedelta(seconds=31))
        await rescuer.settling.settle_due()
        hold = await rescuer.go_back(anna)
        assert hold.state == "held"
        assert await rescuer.house.booked_in_sql(of) == 0


async def disputes(till: Till, anna: Payer, of: Slot) -> None:
    """She has paid and is booked, and asks her bank to take it back."""
    session = await till.paid(anna, (of, 1))
    till.shop.letters()
    till.shop.books.dispute(session)


HEARD: dict[str, tuple[Act, list[str], list[str], str]] = {
    "paid": (wait, ["new_order", "booked"], ["payment_captured"], "sql commit capture sql sql"),
    "disputed": (
        disputes,
        ["new_order", "booked", "disputed"],
        ["payment_captured", "payment_disputed"],
        "sql sql sql",
    ),
}
"""What Stripe tells of, what people are told then, what the audit log says, and the effects: the last one notes that
the event was heard. Of a dispute nobody but Stripe's event says anything, so the worker could not make up for it.
"""


@pytest.mark.parametrize("story", HEARD)
async def test_whenever_a_process_dies_while_it_hears_of_something_it_is_told_again_and_all_is_done_once(
    till: Till, rescuer: Till, story: str
) -> None:
    happen, messages, deeds, effects = HEARD[story]
    for lets in range(POINTS_MAX):
        anna, killer, of = Payer(), Killer(lets), slot(PRIVATE, day=lets // 4, number=lets % 4)
        await happen(till, anna, of)
        letter = till.shop.letters()[-1]
        was_killed = False
        try:
            with watched(till.house, killer):
                await till.settling.heard(SITE, letter.body, letter.signature)
        except Killed:
            was_killed = True
        await rescuer.settling.heard(SITE, letter.body, letter.signature)
        assert (await rescuer.order(anna)).state is OrderState.PAID
        assert (await rescuer.messages(anna), await rescuer.deeds(anna)) == (messages, deeds)
        if not was_killed:
            break
    assert " ".join(killer.seen) == effects


async def the_books_are_right(till: Till, anna: Payer, of: Slot, expected: OrderState) -> None:
    """Nothing is charged without a booking, nothing booked without a charge, and nobody waits any more, but whoever may
    choose.
    """
    attempt, order = await till.attempt(anna), await till.order(anna)
    assert order.state is expected
    is_paid, is_open = expected is OrderState.PAID, expected is OrderState.OPEN
    kept = {OrderState.PAID: AttemptState.PAID, OrderState.OPEN: AttemptState.OFFERING}
    assert attempt.state == kept.get(expected, AttemptState.ENDED)
    assert (attempt.due_at is None) is not is_open
    intents = [till.shop.books.session(attempt.session_id or "").intent]
    charges = [intent.charge for intent in intents if intent and intent.charge and intent.charge.amount_captured]
    assert sum(charge.left_to_refund for charge in charges) == (4500 if is_paid else 0)
    assert await till.house.booked_in_sql(order.bookings[0].slot) == is_paid
    outcomes = {OrderState.PAID: OutcomeState.CONFIRMED, OrderState.VOIDED: OutcomeState.VOIDED}
    outcomes[OrderState.OPEN] = OutcomeState.VOIDING
    assert await till.outcome(anna, attempt.seats_id) is outcomes.get(expected, OutcomeState.ABANDONED)
    told = {OrderState.PAID: ["new_order", "booked"], OrderState.VOIDED: ["payment_returned"]}
    alternatives = await till.settling._payments.alternatives(attempt.public_id)
    asked = ["paid_too_late"] if any(each.fence and not each.is_same for each in alternatives) else []
    assert await till.messages(anna) == asked + told.get(expected, [])
    await till.house.deliver()
    assert (await till.house.seats(order.bookings[0].slot)).booked == is_paid
    for hold_id in [anna.id, *(each.hold_id for each in alternatives)]:
        is_offered = is_open and hold_id in {each.hold_id for each in await till.offered(anna)}
        assert await is_pinned(till, hold_id) is is_offered
    if is_open:
        await till.choose(anna, None)  # and waits no more


async def is_pinned(till: Till, hold_id: str) -> bool:
    try:
        return await till.house.engine.pinned(await till.house.site(), hold_id) is not None
    except NotFound:  # Redis may have forgotten it
        return False
