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
ASKS_TO_OPEN, EXPIRES = b"POST /v1/checkout/sessions HTTP", b"/expire HTTP"
CAPTURES, VOIDS, REFUNDS = b"/capture HTTP", b"/cancel HTTP", b"POST /v1/refunds HTTP"
BOOKS, CONFIRMS = b"INSERT INTO outcome", b"UPDATE outcome"
"""SQL 1 and SQL 2: the first takes the outcome, the second moves it on. What is charged at once is recorded at once."""
OFFERS, CHOOSES = b"INSERT INTO alternative", b"UPDATE attempt"


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

    async def choose(self, web: Member, hold_id: str) -> Answer | None:
        """Other seats than those that were paid for too late."""
        return await _ask(web, f"/orders/{self.id}/choice", self.order_secret, {"alternative": hold_id})


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

    async def until_others_are_offered(self) -> list[tuple[str, str]]:
        """The hold and the slot of each, once all are held that could be."""
        offers = (
            "SELECT alternative.hold_id, slots, alternative.state FROM alternative "
            "JOIN attempt ON attempt.id = attempt_id "
            "WHERE attempt.hold_id = :id AND NOT is_same AND alternative.state <> 'gone'"
        )
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await self.sql(offers)) or any(state != "held" for _, _, state in found):
                await self.look_now()
                await asyncio.sleep(STEP_S)
        return [(hold_id, slot) for hold_id, (slot,), _ in found]

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
            "LEFT JOIN outcome ON outcome.hold_id = coalesce(chosen_id, attempt.hold_id) "
            "LEFT JOIN meeting ON meeting.slot = :slot WHERE attempt.hold_id = :id"
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
_CHOSEN: set[str] = set()


@asynccontextmanager
async def set_in(place: Town) -> AsyncIterator[Scene]:
    web, other = await place.two_that_are_ready()
    assert place.shop is not None
    yield Scene(place, place.shop, web, other, Payer(next(slot for slot in _SLOTS if slot not in _CHOSEN)))


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
    ("card", "before the seats are recorded"),
    ("card", "after the seats were recorded"),
    ("card", "after the money was taken"),
    ("card", "after the payment was recorded"),
    ("ideal", "before the seats are recorded"),
    ("ideal", "after the seats were recorded"),
)
"""How it is paid, and when the process ends. The first is set aside, recorded and taken; the other charged at once."""
RETURNED = (("ideal", REFUNDS, "succeeded"), ("card", VOIDS, "canceled"))
"""How it was paid, how that goes back, and what Stripe says of it then: what was only set aside was never charged."""


@pytest.mark.parametrize("moment", OPENING)
async def test_killed_while_it_opens_a_page_the_same_again_goes_on_elsewhere(scene: Scene, moment: str) -> None:
    line, trap = _while_it_is_opened(scene)[moment]
    await scene.kill_at(scene.web, line, trap, scene.anna.check_out(scene.web))

    answer = await scene.anna.check_out(scene.other)
    assert answer is not None
    assert answer.status_code == 201, answer.text
    scene.shop.books.pay(scene.anna.session)
    assert (await scene.until_settled()).attempt == "paid"


@pytest.mark.parametrize(("method", "moment"), PAID)
async def test_killed_once_it_is_paid_and_nobody_comes_back_the_worker_goes_on(
    scene: Scene, method: str, moment: str
) -> None:
    await scene.at_the_page()
    scene.shop.books.pay(scene.anna.session, method)
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


@pytest.mark.parametrize(("method", "goes_back", "then"), RETURNED)
async def test_a_worker_killed_after_money_went_back_gives_nothing_more(
    scene: Scene, method: str, goes_back: bytes, then: str
) -> None:
    """Somebody else has the seat, and nothing is chosen of what is offered in its place."""
    await scene.at_the_page()
    await scene.lose_the_seat()
    scene.shop.books.pay(scene.anna.session, method)
    await scene.until_others_are_offered()
    await scene.sql("UPDATE attempt SET offered_until = now() WHERE hold_id = :id")
    await scene.kill_at(scene.worker, scene.worker.stripe, Trap(goes_back, after=True), scene.worker_looks())

    assert (await scene.until_settled()).attempt == "ended"
    assert scene.shop.books.intent(scene.anna.session).status == then


async def test_a_worker_killed_while_it_offers_and_a_web_process_once_one_is_chosen_book_that_one(scene: Scene) -> None:
    await scene.at_the_page()
    await scene.lose_the_seat()
    scene.shop.books.pay(scene.anna.session, "ideal")
    await scene.kill_at(scene.worker, scene.worker.sql, Trap(OFFERS, b"COMMIT", after=True), scene.worker_looks())
    hold_id, slot = (await scene.until_others_are_offered())[-1]
    _CHOSEN.add(slot)
    await scene.kill_at(
        scene.web, scene.web.sql, Trap(CHOOSES, b"COMMIT", after=True), scene.anna.choose(scene.web, hold_id)
    )

    scene.anna.slot = slot
    assert (await scene.until_settled()).attempt == "paid"


@pytest.mark.parametrize("after", [False, True])
async def test_a_worker_killed_while_the_window_closes_lets_nobody_pay_any_more(scene: Scene, after: bool) -> None:
    await scene.at_the_page()
    await scene.sql("UPDATE attempt SET pay_until = now() WHERE hold_id = :id")
    await scene.kill_at(scene.worker, scene.worker.stripe, Trap(EXPIRES, after=after), scene.worker_looks())

    assert (await scene.until_settled()).attempt == "ended"
    assert scene.shop.books.session(scene.anna.session).status == "expired"


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
