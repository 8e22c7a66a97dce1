"""What a saboteur does besides where somebody pays: to the way to Stripe, to its answers, its webhooks, and to whoever
is just speaking with it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.ledger import Visit
from tests.chaos.lines import Line, Trap
from tests.chaos.patience import until
from tests.chaos.saboteur import SPRING_MAX_S, Saboteur
from tests.chaos.visitors import Street, granted
from tests.payments.shop import Shop
from widget_server.domain.attempts import LET_GO_AFTER
from widget_server.ids import new_id
from widget_server.payments.fake_stripe.books import NotPayable

ASKS_TO_OPEN, CAPTURES, REFUNDS = b"POST /v1/checkout/sessions HTTP", b"/capture HTTP", b"POST /v1/refunds HTTP"
_CALLS = ("open", "read", "expire", "read_intent", "capture", "cancel", "refund", "list_refunds")
_PAST = LET_GO_AFTER + timedelta(minutes=1)
_LET_GO_MAX, _LETTING_GO_MAX_S = 8, 20.0


class StripeSaboteur(Saboteur):
    async def end(self) -> None:
        await super().end()
        self._shop.faults.planned.clear()
        post = self._shop.books.post
        post.doubled = post.reordered = post.dropped = False
        post.delay_s = 0
        self._finish_refunds(1.0)

    # On the way there

    async def lose_stripe_replies(self) -> None:
        for line in self._stripe_lines():
            line.replies_to_lose = self._chance.randrange(3)

    async def cut_stripe_replies(self) -> None:
        for line in self._stripe_lines():
            line.replies_to_cut = self._chance.randrange(3)

    async def delay_stripe_replies(self) -> None:
        for line in self._stripe_lines():
            line.delay_max_s = self._chance.choice((0.05, 0.3, 1.0))
        await asyncio.sleep(self._chance.uniform(0.3, 1.5))
        for line in self._stripe_lines():
            line.delay_max_s = 0.0

    async def cut_off_stripe(self) -> None:
        await self._cut_off()
        await asyncio.sleep(self._chance.uniform(0.3, 2.0))
        self._let_through()

    # What it answers

    async def have_stripe_busy(self) -> None:
        """429, for so many calls that a payment may need; or that of a lock, as when two want the same payment."""
        for call in self._chance.sample(_CALLS, 4):
            trouble = self._chance.choice(("busy", "locked"))
            self._shop.faults.plan(call, trouble, times=self._chance.choice((1, 1, 3)))

    async def break_stripe(self) -> None:
        """500, or a connection that ends: nobody knows whether it was done."""
        for call in self._chance.sample(_CALLS, 4):
            trouble, after = self._chance.choice(("broken", "cut")), self._chance.random() < 0.6
            self._shop.faults.plan(call, trouble, after=after, times=self._chance.choice((1, 1, 2)))

    async def delay_refunds(self) -> None:
        """Some wait at Stripe until all is over, as banks take days."""
        self._shop.account.refunds_wait = True
        await self._for_a_while()
        self._finish_refunds(0.5)

    # What it tells by itself

    async def double_webhooks(self) -> None:
        self._shop.books.post.doubled = self._shop.books.post.reordered = True
        await self._for_a_while()
        self._shop.books.post.doubled = self._shop.books.post.reordered = False

    async def delay_webhooks(self) -> None:
        self._shop.books.post.delay_s = self._chance.uniform(0.3, 2.0)
        await self._for_a_while()
        self._shop.books.post.delay_s = 0

    async def lose_webhooks(self) -> None:
        """For good: Stripe's own tries are over."""
        self._shop.books.post.dropped = True
        await self._for_a_while()
        self._shop.books.post.dropped = False

    # Killed while they speak with it

    async def kill_after_opening(self) -> bool:
        """There is a page, and nobody has heard of it."""
        return await self._kill_who_asks(ASKS_TO_OPEN, after=True)

    async def kill_before_capture(self) -> bool:
        return await self._kill_who_asks(CAPTURES, after=False)

    async def kill_after_capture(self) -> bool:
        return await self._kill_who_asks(CAPTURES, after=True)

    async def kill_after_refund(self) -> bool:
        return await self._kill_who_asks(REFUNDS, after=True)

    # Time

    async def close_windows(self) -> bool:
        """Of about half of those who are at their pages: some of them pay just now."""
        who = [visit for visit in self._ledger.at_their_pages() if self._chance.random() < 0.5]
        self._ledger.leave_pages(who, self._now())
        with suppress(SQLAlchemyError):
            await self._town.close_windows([visit.id for visit in who])
            return bool(who)
        return False

    async def let_seats_go(self) -> bool:
        """Stripe is silent until an hour after their windows: others have the seats by then, and some are paid."""
        who = self._ledger.at_their_pages()[-_LET_GO_MAX:]
        if not any(visit.page and visit.page.comes_back for visit in who):
            return False
        ids = [visit.id for visit in who]

        async def are_let_go() -> bool:
            return not await self._town.open_attempts(ids)

        self._ledger.leave_pages(who, self._now())
        await self._cut_off()
        try:
            with suppress(SQLAlchemyError, TimeoutError):
                await self._town.close_windows(ids, ago=_PAST)
                await until(are_let_go, patience_s=_LETTING_GO_MAX_S)
                await self._hold_instead(who)
                for visit in self._chance.sample(who, (len(who) + 1) // 2):
                    assert visit.page is not None
                    visit.page.paid_s, visit.page.is_paid = self._now(), True
                    with suppress(NotPayable):
                        self._shop.books.pay(visit.page.session, self._chance.choice(("card", "ideal")))
                        visit.story.append(f"{self._now():.3f} paid after all, an hour later")
                return True
        finally:
            self._let_through()
        return False

    # What these are made of

    @property
    def _shop(self) -> Shop:
        assert self._town.shop is not None
        return self._town.shop

    async def _hold_instead(self, who: Sequence[Visit]) -> None:
        """Others, just in that moment."""
        street = Street(self._town, self._ledger)
        try:
            await asyncio.gather(*(self._hold(street, Visit(new_id(), visit.lines)) for visit in who))
        finally:
            await street.close()

    async def _hold(self, street: Street, other: Visit) -> None:
        self._ledger.visits[other.id] = other
        lines = [{"slot": slot, "seats": seats} for slot, seats in other.lines]
        sent_s, body = self._now(), {"id": other.id, "visitor": new_id(), "lines": lines}
        answer = await street.ask(self._chance, "POST", "/holds", body, secret=new_id())
        if answer is not None and answer.status_code == 201:
            other.grant = granted(answer, sent_s, self._now())

    def _finish_refunds(self, how_many: float) -> None:
        self._shop.account.refunds_wait = False
        for refund in list(self._shop.account.refunds.values()):
            if refund.status == "pending" and self._chance.random() < how_many:
                self._shop.books.finish_refund(refund.id)

    def _stripe_lines(self) -> list[Line]:
        return [member.stripe for member in self._town.members if member.stripe is not None]

    async def _for_a_while(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.5, 2.0))

    async def _cut_off(self) -> None:
        for line in self._stripe_lines():
            line.is_down = True
        await asyncio.gather(*(line.hang_up() for line in self._stripe_lines()))

    def _let_through(self) -> None:
        for line in self._stripe_lines():
            line.is_down = False

    async def _kill_who_asks(self, words: bytes, *, after: bool) -> bool:
        """Whoever comes by first: a web process, or a worker. Whether anybody did in time."""
        traps = [(member, Trap(words, after=after)) for member in self._town.members if not _is_trapped(member.stripe)]
        for member, trap in traps:
            assert member.stripe is not None
            member.stripe.trap = trap

        async def is_sprung() -> bool:
            return any(trap.sprung.is_set() for _, trap in traps)

        with suppress(TimeoutError):
            await until(is_sprung, patience_s=SPRING_MAX_S)
        caught = [(member, trap) for member, trap in traps if trap.sprung.is_set()]
        for member, trap in caught[:1]:
            member.process.kill()
            trap.drop()
        for _, trap in traps:
            trap.sprung.set()
            trap.pass_on()
        return bool(caught)


def _is_trapped(line: Line | None) -> bool:
    return line is None or (line.trap is not None and not line.trap.sprung.is_set())
