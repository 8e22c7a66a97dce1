"""The load that pays: customers who check out, pay or do not, go back, come back or do not, and cancel, by a seed."""

import asyncio
import random
from contextlib import suppress
from typing import Any

from httpx2 import Response as Answer
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.ledger import FOR_EVER, Former, Grant, Page
from tests.chaos.town import PRICED
from tests.chaos.visitors import NO_FOR_GOOD, TRIES_MAX, Street, Visitor, code_of, ms_of
from tests.house import SITE
from tests.payments.shop import Shop
from widget_server.domain.attempts import OPENING_FOR
from widget_server.engine.reservations import PINS_MAX
from widget_server.payments.fake_stripe.books import NotPayable

_METHODS, _HOW_OFTEN = ("card", "ideal", "a card whose bank asks"), (6, 3, 1)
_LOOKS_MAX = 10
_OVER = {"paid", "refunded", "expired", "voided"}
"""States of an order that do not change by themselves, except that all of it goes back."""


class Payer(Visitor):
    services = PRICED

    def __init__(self, street: Street, chance: random.Random) -> None:
        super().__init__(street, chance)
        shop = street.town.shop
        assert shop is not None
        self._shop: Shop = shop
        self._order_secret = ""

    async def _decide(self) -> None:
        """Most want to pay; some give up half-way, have their hold back, and perhaps begin anew."""
        if self._now_and_then(0.1):
            await self._release()
            return
        for _ in range(PINS_MAX):  # who tries more often is told to choose their seats again
            page = await self._check_out()
            if page is None:
                return
            await self._pause()
            if not self._now_and_then(0.15):
                await self._at(page)
                return
            if not await self._go_back(page):
                await self._come_back()
                return
            if self._now_and_then(0.4):
                await self._release()
                return

    async def _check_out(self) -> Page | None:
        """The page to pay at, if there is one; the same is sent again until somebody says."""
        visit, before = self._visit, self._visit.grant
        visit.confirmation_sent, visit.expired = True, False
        if before is not None:
            visit.former.append(Former(visit.lines, before, self._now()))
            visit.grant = None
        customer = {"name": f"Guest {visit.id}", "email": "guest@example.org"}
        lines = [{"slot": slot, "seats": seats} for slot, seats in visit.lines]
        body = {"customer": customer, "lines": lines, "visitor": self._new_id()}
        for attempt in range(TRIES_MAX):
            sent_s, path = self._now(), f"/holds/{visit.id}/checkout"
            answer = await self._ask("POST", path, body, impatient=self._loses_answer(attempt))
            if answer is not None and answer.status_code == 201:
                return self._begun(answer, sent_s)
            if self._is_settled(answer) and answer is not None and code_of(answer) != "paying":
                self._refused(answer, sent_s, before if attempt == 0 else None)
                return None
            await self._pause()
        return None

    def _begun(self, answer: Answer, sent_s: float) -> Page | None:
        told = answer.json()
        self._order_secret = told["order_secret"]
        self._hear(told["order"], sent_s)
        if told["pay_url"] is None:
            return None
        left_s = (ms_of(told["pay_until"]) - ms_of(told["server_now"])) / 1000
        page = Page(told["pay_url"].rpartition("/")[2], Grant(sent_s, self._now(), left_s))
        before, self._visit.page = self._visit.page, page
        if before is not None:
            self._visit.former.append(Former(self._visit.lines, before.grant, min(before.left_s, sent_s)))
        return page

    def _refused(self, answer: Answer, sent_s: float, held: Grant | None) -> None:
        self._expect(answer, 404, 409, 410, 429, but_not="id_conflict")
        if held is not None:
            self._visit.former.pop()
            self._visit.grant, self._visit.let_go_s = held, sent_s
            told = f"{answer.status_code} {code_of(answer)} at the checkout"
            self._denied(sent_s, told, excused_after_s=OPENING_FOR.total_seconds())
        if code_of(answer) in NO_FOR_GOOD:
            self._visit.refused = code_of(answer)

    async def _at(self, page: Page) -> None:
        """Some wander off and never come back, not having paid or having; some pay too late, or twice at once."""
        if self._now_and_then(0.5):
            page.comes_back = True
            await asyncio.sleep(self._chance.uniform(0.5, 3.0))
        elif self._now_and_then(0.2):
            return
        if self._now_and_then(0.1):
            self._street.ledger.leave_pages([self._visit], self._now())
            with suppress(SQLAlchemyError):
                await self._street.town.close_windows([self._visit.id])
            await asyncio.sleep(self._chance.choice((0.0, 0.3, 1.5)))
        if self._now_and_then(0.1):
            await asyncio.gather(self._go_back(page), self._pay(page))
        else:
            await self._pay(page)
        await self._pause()
        if not self._now_and_then(0.25):
            await self._come_back()

    async def _pay(self, page: Page) -> None:
        """In their browser, which speaks with Stripe alone. Whichever process is next hears of it."""
        web = self._chance.choice(self._street.town.webs)
        self._shop.account.webhook_url = f"{web.url}/stripe/webhook/{SITE}"
        (method,) = self._chance.choices(_METHODS, _HOW_OFTEN)
        page.paid_s = self._now()
        try:
            if self._now_and_then(0.15):
                self._shop.books.decline(page.session)
                self._tell("declined")
                await self._pause()
            if method in ("card", "ideal"):
                self._shop.books.pay(page.session, method)
            else:
                self._shop.books.ask_bank(page.session)
                await self._pause()
                self._shop.books.answer_bank(page.session, is_sure=True)
            page.is_paid = True
            self._tell(f"paid by {method}")
        except NotPayable as problem:
            self._tell(f"could not pay: {problem}")
            return
        if self._now_and_then(0.05):
            await asyncio.sleep(self._chance.choice((0.0, 0.02, 0.1)))
            self._let_lapse(page)

    def _let_lapse(self, page: Page) -> None:
        """The bank takes back what it has set aside, before anybody has taken it, or else it cannot."""
        intent = self._shop.books.session(page.session).intent
        if intent is not None and intent.status == "requires_capture":
            self._street.ledger.leave_pages([self._visit], self._now())
            self._shop.books.lapse(page.session)
            self._tell("the bank took back what it had set aside")

    async def _go_back(self, page: Page) -> bool:
        """Whether there is a hold again."""
        visit = self._visit
        self._street.ledger.leave_pages([visit], self._now())
        for attempt in range(TRIES_MAX):
            sent_s, path = self._now(), f"/holds/{visit.id}/checkout"
            answer = await self._ask("DELETE", path, impatient=self._loses_answer(attempt))
            if answer is not None and answer.status_code == 200:
                is_held: bool = answer.json()["hold"]["state"] == "held"
                if is_held:
                    self._granted(answer, sent_s)
                return is_held
            if self._is_settled(answer):
                self._expect(answer, 404, 409, 410)
                return False
            await self._pause()
        return False

    async def _come_back(self) -> None:
        """To their order, now and then twice at once; they look until they know, or give up. Who is late is patient."""
        page = self._visit.page
        is_late = page is not None and page.is_paid and page.left_s < FOR_EVER
        over = _OVER - {"voided"} if is_late else _OVER  # other times may still be offered to them
        for _ in range(_LOOKS_MAX * (2 if is_late else 1)):
            if self._now_and_then(0.1):
                await asyncio.gather(self._look_at_order(), self._look_at_order())
            if await self._look_at_order() in over:
                break
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))
        if self._visit.is_paid and self._now_and_then(0.5):
            await self._pause()
            await self._cancel()

    async def _look_at_order(self) -> str:
        sent_s, path = self._now(), f"/orders/{self._visit.id}"
        if self._now_and_then(0.3):
            answer = await self._ask("GET", path, secret=self._order_secret)
        else:
            answer = await self._ask("POST", f"{path}/payment", secret=self._order_secret)
        self._expect(answer, 200)
        if answer is None or answer.status_code != 200:
            return ""
        order = answer.json()["order"]
        self._hear(order, sent_s)
        if offered := order["payment"]["offered"]:
            await self._choose(offered)
        return str(order["state"])

    async def _choose(self, offered: list[dict[str, Any]]) -> None:
        """Having paid too late: one of the other times, or none. A second thought is refused."""
        chosen = self._chance.choice([*offered, None])
        if chosen is not None:
            self._visit.chosen.add(frozenset((time["slot"], time["seats"]) for time in chosen["times"]))
        body, path = {"alternative": chosen and chosen["id"]}, f"/orders/{self._visit.id}/choice"
        sent_s = self._now()
        answer = await self._ask("POST", path, body, secret=self._order_secret)
        self._expect(answer, 200, 409)
        if answer is not None and answer.status_code == 200:
            self._hear(answer.json()["order"], sent_s)

    def _hear(self, order: dict[str, Any], sent_s: float) -> None:
        """What an answer says of the order. Of two that are on their way at once, the older may come last."""
        visit, state = self._visit, order["state"]
        if state == "paid":
            visit.is_paid, visit.booked_s = True, min(visit.booked_s, self._now())
            visit.numbers.add(order["number"])
            visit.secrets.add(self._order_secret)
            visit.booked_lines.add(frozenset((booking["slot"], booking["seats"]) for booking in order["bookings"]))
        elif sent_s > visit.booked_s and state != "refunded":
            self._surprise(f"{visit.id} was told it is paid, and then {state}")
        visit.expired = state == "expired"

    def _tell(self, what: str) -> None:
        self._visit.story.append(f"{self._now():.3f} {what}")
        self._ledger.answers[f"Stripe: {what}"] += 1

    def _now_and_then(self, how_often: float) -> bool:
        return self._chance.random() < how_often
