"""A process that ends at each step of a payment: then nobody is charged without a booking, nor booked without a charge.

As in test_moments.py each moment is met exactly: a trap in the line to Stripe or SQL springs when its words come by.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import pytest
from httpx2 import AsyncClient, TransportError
from httpx2 import Response as Answer
from sqlalchemy import create_engine, text

from tests.chaos.lines import Line, Trap
from tests.chaos.town import DAYS, LESSON, Member, Templates, Town, slots_of, town
from tests.house import SITE
from tests.payments.shop import Shop, opened_shop
from widget_server.engine.reservations import Reservations
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio

PATIENCE_S, STEP_S = 120.0, 0.3
PRICE = 4500
ASKS_TO_OPEN, CAPTURES, REFUNDS = b"POST /v1/checkout/sessions HTTP", b"/capture HTTP", b"POST /v1/refunds HTTP"
BOOKS, CONFIRMS = b"INSERT INTO outcome", b"UPDATE outcome"
"""SQL 1 and SQL 2: the first takes the outcome, the second moves it on."""


@dataclass
class Payer:
    """Somebody with the widget open, who may be served by either web process."""

    slot: str
    id: str = field(default_factory=new_id)
    secret: str = field(default_factory=new_id)
    order_secret: str = ""
    session: str = ""

    async def check_out(self, web: Member) -> Answer | None:
        lines = [{"slot": self.slot, "seats": 1}]
        body = {"customer": {"name": "Anna Berg", "email": "anna@example.org"}, "lines": lines, "visitor": self.id}
        answer = await _ask(web, f"/holds/{self.id}/checkout", self.secret, body)
        if answer is not None and answer.status_code == 201:
            self.order_secret = answer.json()["order_secret"]
            self.session = str(answer.json()["pay_url"]).rpartition("/")[2]
        return answer

    async def come_back(self, web: Member) -> Answer | None:
        """From the pay page: then Stripe is asked."""
        return await _ask(web, f"/orders/{self.id}/payment", self.order_secret)


async def _ask(web: Member, path: str, secret: str, body: object = None) -> Answer | None:
    async with AsyncClient(timeout=PATIENCE_S) as client:
        try:
            return await client.post(
                f"{web.url}/v1/sites/{SITE}{path}", json=body, headers={"authorization": f"Bearer {secret}"}
            )
        except TransportError:
            return None


@dataclass(frozen=True)
class Books:
    """What SQL and Stripe say of one slot with a single seat, of its payer, and of the worker's next look."""

    attempt: str
    order: str | None
    outcome: str | None
    booked: int
    taken: int
    """What Stripe has taken and not given back; likewise what it has set aside."""
    set_aside: int

    @property
    def complaints(self) -> list[str]:
        is_booked = (self.attempt, self.order, self.outcome, self.booked) == ("paid", "paid", "confirmed", 1)
        is_paid = (self.taken, self.set_aside) == (PRICE, 0)
        is_nothing = self.attempt == "ended" and self.order in (None, "voided") and not self.booked
        has_all_back = (self.taken, self.set_aside) == (0, 0)
        return [] if (is_booked and is_paid) or (is_nothing and has_all_back) else [str(self)]


@dataclass
class Scene:
    town: Town
    shop: Shop
    web: Member
    """The process that anna pays through."""
    other: Member
    anna: Payer

    @property
    def worker(self) -> Member:
        return self.town.workers[0]

    async def at_the_page(self) -> None:
        """The worker does not look at it by itself: what is to happen is for the scene to say."""
        answer = await self.anna.check_out(self.web)
        assert answer is not None
        assert answer.status_code == 201, answer.text
        await self.sql("UPDATE attempt SET due_at = now() + interval '1 hour' WHERE hold_id = :id")

    async def kill_at(self, member: Member, line: Line | None, trap: Trap, act: Awaitable[Answer | None]) -> None:
        """While it does that; whoever asked for it hears nothing."""
        assert line is not None
        line.trap = trap
        acting = asyncio.ensure_future(act)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await trap.sprung.wait()
            member.process.kill()
        finally:
            trap.drop()
            line.trap = None
        assert await acting is None

    async def worker_looks(self) -> None:
        await self.look_now()

    async def lose_the_seat(self) -> None:
        """Redis gives it back, as if somebody had decided so, and ben is just about to pay for it."""
        async with self.town.redis() as redis:
            engine, site = Reservations(redis), await self.town.site()
            pin = await engine.pinned(site, self.anna.id)
            assert pin is not None
            await engine.unpin(site, self.anna.id, fence=pin.fence, release=True)
        answer = await Payer(self.anna.slot).check_out(self.other)
        assert answer is not None
        assert answer.status_code == 201, answer.text

    async def until_others_are_offered(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.books()).attempt != "offering":
                await self.look_now()
                await asyncio.sleep(STEP_S)

    async def look_now(self) -> None:
        """As if the worker's pause were over."""
        await self.sql("UPDATE attempt SET due_at = now() WHERE hold_id = :id AND due_at IS NOT NULL")
        await self.sql("UPDATE refund SET due_at = now() WHERE order_id = :id AND due_at IS NOT NULL")

    async def until_settled(self) -> Books:
        """The worker sees to it, however long it would have paused."""
        until_s = monotonic() + PATIENCE_S
        while True:
            await self.look_now()
            books = await self.books()
            if not books.complaints:
                return books
            if monotonic() > until_s:
                pytest.fail(f"{books}; {self.worker.process.said()[-2000:]}")
            await asyncio.sleep(STEP_S)

    async def books(self) -> Books:
        ((attempt, session_id, order, outcome, booked),) = await self.sql(
            "SELECT attempt.state, session_id, orders.state, outcome.state, coalesce(meeting.booked, 0) FROM attempt "
            "LEFT JOIN orders ON orders.hold_id = attempt.hold_id "
            "LEFT JOIN outcome ON outcome.hold_id = attempt.hold_id LEFT JOIN meeting ON meeting.slot = :slot "
            "WHERE attempt.hold_id = :id"
        )
        intent = self.shop.books.session(session_id).intent if session_id else None
        charge = intent.charge if intent else None
        taken = charge.left_to_refund if charge and charge.amount_captured else 0
        set_aside = intent.amount if intent and intent.status == "requires_capture" else 0
        return Books(attempt, order, outcome, booked, taken, set_aside)

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Past all lines, and in a thread of its own: the lines are carried by ours."""

        def asked() -> list[tuple[Any, ...]]:
            engine = create_engine(self.town.sql_url)
            with engine.begin() as connection:
                done = connection.execute(text(statement), {"id": self.anna.id, "slot": self.anna.slot})
                rows = [tuple(row) for row in done] if done.returns_rows else []
            engine.dispose()
            return rows

        return await asyncio.to_thread(asked)


@pytest.fixture(scope="module")
async def place(made_from: Templates) -> AsyncIterator[Town]:
    keys = {"secret_key": "sk_live_of_the_town", "webhook_secret": "whsec_of_the_town"}
    async with opened_shop(**keys) as shop, town(made_from, postgres=True, webs=3, workers=1, shop=shop) as place:
        yield place


@pytest.fixture
async def scene(place: Town) -> AsyncIterator[Scene]:
    """Each with a slot of its own."""
    async with set_in(place) as scene:
        yield scene


_SLOTS = (slot.id for day in range(DAYS) for slot in slots_of(LESSON, day))


@asynccontextmanager
async def set_in(place: Town) -> AsyncIterator[Scene]:
    web, other = await place.two_that_are_ready()
    assert place.shop is not None
    yield Scene(place, place.shop, web, other, Payer(next(_SLOTS)))


def _while_it_is_opened(scene: Scene) -> dict[str, tuple[Line | None, Trap]]:
    return {
        "before its page is opened": (scene.web.stripe, Trap(ASKS_TO_OPEN, after=False)),
        "after its page was opened": (scene.web.stripe, Trap(ASKS_TO_OPEN, after=True)),
    }


def _once_it_is_paid(member: Member) -> dict[str, tuple[Line | None, Trap]]:
    return {
        "before the seats are recorded": (member.sql, Trap(BOOKS, b"COMMIT", after=False)),
        "after the seats were recorded": (member.sql, Trap(BOOKS, b"COMMIT", after=True)),
        "after the money was taken": (member.stripe, Trap(CAPTURES, after=True)),
        "before the payment is recorded": (member.sql, Trap(CONFIRMS, b"COMMIT", after=False)),
        "after the payment was recorded": (member.sql, Trap(CONFIRMS, b"COMMIT", after=True)),
    }


OPENING = ("before its page is opened", "after its page was opened")
TROUBLES = (
    ("open", "busy", "before"),
    ("open", "cut", "after"),
    ("read", "broken", "after"),
    ("capture", "cut", "after"),
    ("capture", "broken", "after"),
)
PAID = (
    "before the seats are recorded",
    "after the seats were recorded",
    "after the money was taken",
    "before the payment is recorded",
    "after the payment was recorded",
)


@pytest.mark.parametrize("moment", OPENING)
async def test_killed_while_it_opens_a_page_the_same_again_goes_on_elsewhere(scene: Scene, moment: str) -> None:
    line, trap = _while_it_is_opened(scene)[moment]
    await scene.kill_at(scene.web, line, trap, scene.anna.check_out(scene.web))

    answer = await scene.anna.check_out(scene.other)
    assert answer is not None
    assert answer.status_code == 201, answer.text
    scene.shop.books.pay(scene.anna.session)
    assert (await scene.until_settled()).attempt == "paid"


@pytest.mark.parametrize("moment", PAID)
async def test_killed_once_it_is_paid_and_nobody_comes_back_the_worker_goes_on(scene: Scene, moment: str) -> None:
    await scene.at_the_page()
    scene.shop.books.pay(scene.anna.session)
    line, trap = _once_it_is_paid(scene.web)[moment]
    await scene.kill_at(scene.web, line, trap, scene.anna.come_back(scene.web))

    assert (await scene.until_settled()).attempt == "paid"


async def test_a_worker_killed_after_the_money_was_taken_goes_on_once_it_is_back(scene: Scene) -> None:
    await scene.at_the_page()
    scene.shop.books.pay(scene.anna.session)
    line, trap = _once_it_is_paid(scene.worker)["after the money was taken"]
    await scene.kill_at(scene.worker, line, trap, scene.worker_looks())

    assert (await scene.until_settled()).attempt == "paid"


@pytest.mark.parametrize(("call", "trouble", "after"), TROUBLES)
async def test_whatever_stripe_answers_it_is_paid_once(scene: Scene, call: str, trouble: str, after: str) -> None:
    scene.shop.faults.plan(call, trouble, after=after == "after")
    first = await scene.anna.check_out(scene.web)
    if call == "open":
        assert first is not None
        assert (first.status_code, first.json()["error"]["code"]) == (503, "payments_away")
        await scene.at_the_page()
    scene.shop.books.pay(scene.anna.session)

    assert (await scene.until_settled()).attempt == "paid"
    assert scene.shop.faults.planned == []


async def test_a_worker_killed_after_money_went_back_gives_nothing_more(scene: Scene) -> None:
    """It was charged at once, somebody else has the seat, and nothing is chosen of what is offered in its place."""
    await scene.at_the_page()
    await scene.lose_the_seat()
    scene.shop.books.pay(scene.anna.session, "ideal")
    await scene.until_others_are_offered()
    await scene.sql("UPDATE attempt SET offered_until = now() WHERE hold_id = :id")
    await scene.kill_at(scene.worker, scene.worker.stripe, Trap(REFUNDS, after=True), scene.worker_looks())

    assert (await scene.until_settled()).attempt == "ended"
    assert scene.shop.books.intent(scene.anna.session).status == "succeeded", "it was charged, and has gone back"


@pytest.mark.parametrize(
    "books",
    [
        Books("paid", "paid", "confirmed", 1, 0, PRICE),
        Books("paid", "paid", "confirmed", 0, PRICE, 0),
        Books("paid", "authorised", "confirming", 1, PRICE, 0),
        Books("ended", None, "abandoned", 0, PRICE, 0),
        Books("ended", None, "abandoned", 0, 0, PRICE),
        Books("ended", "voided", "voided", 1, 0, 0),
    ],
)
async def test_books_that_do_not_agree_are_noticed(books: Books) -> None:
    """The control group."""
    assert books.complaints
