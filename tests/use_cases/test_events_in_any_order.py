"""Six events of one order, in each of the 720 orders in which Stripe may tell of them: the end is the same.

None is told before it has happened, but while one is late the customer comes back, money moves, and others are told.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.engine.servers import Valkey
from tests.house import PRIVATE, slot
from tests.payments.shop import Shop
from tests.use_cases.at_once import opened_till_at_once
from tests.use_cases.till import ALL_SEATS, Payer, Till
from widget_server.domain.orders import OrderState
from widget_server.domain.payments import AttemptState, Dispute, Payment, PaymentAccount, PaymentState
from widget_server.domain.slots import Slot
from widget_server.errors import BadSignature
from widget_server.payments.fake_stripe.webhooks import Letter
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.store import payments
from widget_server.store.disputes import write_dispute
from widget_server.store.tables import AttemptRow

pytestmark = pytest.mark.anyio

AUTHORISED_FIRST = (
    "payment_intent.amount_capturable_updated",
    "checkout.session.completed",
    "payment_intent.succeeded",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
)
CHARGED_FIRST = (
    "checkout.session.expired",
    "payment_intent.succeeded",
    "checkout.session.completed",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
)
Happening = Callable[[Till, Payer, Slot], AsyncIterator[None]]
Expect = Callable[[Sequence[str]], "End"]


@pytest.fixture
async def till(shop: Shop, empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Till]:
    async with opened_till_at_once(empty_valkey.url, sqlite_template, tmp_path, shop) as till:
        yield till


async def authorised_first(till: Till, anna: Payer, lesson: Slot) -> AsyncIterator[None]:
    """By card. Some goes back in Stripe's own pages, and then she asks her bank for the rest, but in vain."""
    books = till.shop.books
    session = await till.at_the_page(anna, (lesson, 1))
    books.pay(session)
    yield
    await till.settle(anna)  # back from the page, unless the money is taken already
    yield
    books.refund(session, 1000)
    yield
    dispute = books.dispute(session)
    yield
    books.close_dispute(dispute.id, is_won=True)
    yield


async def charged_first(till: Till, anna: Payer, lesson: Slot) -> AsyncIterator[None]:
    """Not by the first page, which she leaves. What goes back in Stripe's own pages her bank refuses in the end."""
    books = till.shop.books
    await till.at_the_page(anna, (lesson, 1))
    await till.go_back(anna)
    await till.begin(anna, (lesson, 1))
    session = await till.session_of(anna)
    yield
    books.pay(session, "ideal")
    yield
    till.shop.account.refunds_wait = True
    refund = books.refund(session, 1000)
    till.shop.account.refunds_wait = False
    yield
    books.finish_refund(refund.id)
    yield
    books.finish_refund(refund.id, why_not="declined")
    yield


@dataclass
class Told:
    """What happens to one order, as far as it has been asked for."""

    till: Till
    happening: AsyncIterator[None]
    letters: dict[str, Letter] = field(default_factory=dict)

    async def letter(self, kind: str) -> Letter:
        self._collect()
        while kind not in self.letters:
            await anext(self.happening)
            self._collect()
        return self.letters[kind]

    def _collect(self) -> None:
        self.letters |= {json.loads(letter.body)["type"]: letter for letter in self.till.shop.letters()}


@dataclass(frozen=True)
class End:
    attempt: AttemptState
    order: OrderState
    refunds: list[tuple[int, str, str]]
    messages: list[str]
    deeds: list[str]
    disputes: list[str]
    kept_minor: int


def kept(order: Sequence[str]) -> End:
    """Booked. Whoever hears that a dispute was decided before that there is one is told of that alone."""
    is_heard_of = order.index("charge.dispute.created") < order.index("charge.dispute.closed")
    return End(
        AttemptState.PAID,
        OrderState.PAID,
        [(1000, "at_stripe", "done")],
        ["new_order", "booked", *["disputed"] * is_heard_of, "dispute_won"],
        ["payment_captured", *["payment_disputed"] * is_heard_of, "dispute_won"],
        ["won"],
        3500,
    )


def kept_or_returned(order: Sequence[str]) -> End:
    """Nobody books what is given back by the time that it is first heard of. Refunds do not say whose they are."""
    first = min(order.index(kind) for kind in CHARGED_FIRST[1:4])
    so_far = max(CHARGED_FIRST.index(kind) for kind in order[: first + 1])
    if CHARGED_FIRST[so_far] in ("charge.refunded", "refund.updated"):
        back = [(3500, "no_seats", "done"), (1000, "no_seats", "done")]
        deeds = ["payment_given_back", "payment_refunded", "payment_refunded"]
        return End(AttemptState.ENDED, OrderState.VOIDED, back, ["payment_returned"], deeds, [], 0)
    return End(AttemptState.PAID, OrderState.PAID, [], ["new_order", "booked"], ["payment_captured"], [], 4500)


ALL_OF_IT = 120
SOME_OF_IT = 40
"""Of the orders that begin with the same event."""
STORIES = [
    (authorised_first, AUTHORISED_FIRST, kept, ALL_OF_IT),
    (charged_first, CHARGED_FIRST, kept_or_returned, SOME_OF_IT),
]


async def end_of(till: Till, payer: Payer) -> End:
    """What a bank has refused in the meantime is not in it: whether that was ever noticed depends on the order."""
    attempt, order = await till.attempt(payer), await till.order(payer)
    intent = till.shop.books.intent(attempt.session_id or "")
    assert intent.charge is not None
    return End(
        AttemptState(attempt.state),
        order.state,
        [refund for refund in await till.refunds(payer) if refund[2] != "failed"],
        await till.messages(payer),
        await till.deeds(payer),
        [one["state"] for one in (attempt.disputes or {}).values()],
        intent.charge.left_to_refund,
    )


async def all_heard(till: Till, happening: Happening, orders: Sequence[tuple[str, ...]]) -> list[End]:
    """An order at the till for each; of the events of each, one is told twice. Then a worker does what is left."""
    payers = [Payer() for _ in orders]
    for number, (anna, order) in enumerate(zip(payers, orders, strict=True)):
        told = Told(till, happening(till, anna, lesson(number)))
        for kind in (*order, order[number % len(order)]):
            letter = await told.letter(kind)
            await till.settling.heard("studio", letter.body, letter.signature)
    await till.later(timedelta(minutes=5))
    while await till.settling.settle_due() + await till.house.parts.use_cases.refunding.refund_due():
        pass
    return [await end_of(till, payer) for payer in payers]


def lesson(number: int) -> Slot:
    """As many of them as are needed, each for as many as it has seats."""
    meeting = number // ALL_SEATS
    return slot(PRIVATE, day=meeting // 4, number=meeting % 4)


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize(("happening", "kinds", "end", "count"), STORIES, ids=["authorised first", "charged first"])
async def test_six_events_come_to_the_same_in_any_order(
    till: Till, happening: Happening, kinds: tuple[str, ...], end: Expect, count: int, first: int
) -> None:
    """All orders that begin with the same event, or some of them, one after the other at the same site."""
    same_first = [order for order in permutations(kinds) if order[0] == kinds[first]]
    orders = random.Random(720).sample(same_first, count)  # noqa: S311

    ends = await all_heard(till, happening, orders)
    expected = [end(order) for order in orders]
    assert {order: was for order, was, wanted in zip(orders, ends, expected, strict=True) if was != wanted} == {}
    for number in range(0, count, ALL_SEATS):
        booked = sum(wanted.order is OrderState.PAID for wanted in expected[number : number + ALL_SEATS])
        seats = await till.house.seats(lesson(number))
        assert (seats.booked, seats.held) == (booked, 0)
        assert await till.house.booked_in_sql(lesson(number)) == booked


async def write_what_was_told_last(session: AsyncSession, row: AttemptRow, dispute: Dispute, at: datetime) -> None:
    row.disputes = None
    await write_dispute(session, row, dispute, at)


async def test_a_dispute_would_never_end_if_what_is_told_last_were_believed(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control: its guard taken out."""
    monkeypatch.setattr(payments, "write_dispute", write_what_was_told_last)
    order = (*AUTHORISED_FIRST[:4], "charge.dispute.closed", "charge.dispute.created")

    (end,) = await all_heard(till, authorised_first, [order])
    assert end.disputes == ["open"] != kept(order).disputes


async def test_refunds_would_be_missed_if_stripe_were_not_asked_anew(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control: what Stripe has said once of a payment is taken for true."""
    read, taken = StripeGateway.read, dict[str, Payment]()

    async def remembered(self: StripeGateway, account: PaymentAccount, session_id: str) -> Payment:
        if session_id not in taken:
            answer = await read(self, account, session_id)
            if answer.state is not PaymentState.CAPTURED:
                return answer
            taken[session_id] = answer
        return taken[session_id]

    monkeypatch.setattr(StripeGateway, "read", remembered)

    (end,) = await all_heard(till, authorised_first, [AUTHORISED_FIRST])
    assert end == replace(kept(AUTHORISED_FIRST), refunds=[])


async def test_of_events_signed_by_somebody_else_none_is_heard(till: Till) -> None:
    """A control: nothing comes to its end by itself."""
    anna = Payer()
    session = await till.at_the_page(anna, (lesson(0), 1))
    till.shop.books.post.forged = True
    till.shop.books.pay(session)
    for letter in till.shop.letters():
        with pytest.raises(BadSignature):
            await till.settling.heard("studio", letter.body, letter.signature)

    assert (await till.attempt(anna)).state == AttemptState.OPEN
