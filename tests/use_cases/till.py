"""A house whose site takes payments at a pretend Stripe: anna holds a private lesson for 45.00, and pays it, or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import PRIVATE, SITE, House, opened, slot
from tests.payments.shop import Shop
from widget_server.domain.alternatives import Alternative
from widget_server.domain.bookings import Customer
from widget_server.domain.holds import Hold, Line
from widget_server.domain.openings import Opening
from widget_server.domain.orders import Order, OutcomeState
from widget_server.domain.payment_accounts import AccountState, KeptAccount
from widget_server.domain.payments import AttemptState
from widget_server.domain.slots import Slot
from widget_server.ids import hash_secret, new_id
from widget_server.sealing import Seal
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.schedule import put_openings
from widget_server.store.tables import AttemptRow, AuditEntryRow, MessageRow, OutcomeRow, PaymentAccountRow, RefundRow
from widget_server.use_cases.checkout import CheckoutBegun, WantedCheckout
from widget_server.use_cases.pinning import HoldRef, OrderRef, Visit
from widget_server.use_cases.settling import Settling

LESSON = slot(PRIVATE)
ALL_SEATS = 12
"""Of a lesson."""
KEY = "a key of the test that is long enough"


@dataclass
class Payer:
    """Somebody at the till, who knows their ids and secrets."""

    id: str = field(default_factory=new_id)
    secret: str = field(default_factory=new_id)
    name: str = "Anna Berg"
    order_secret: str = ""

    @property
    def ref(self) -> HoldRef:
        return HoldRef(SITE, self.id, hash_secret(self.secret))

    @property
    def order_ref(self) -> OrderRef:
        return OrderRef(SITE, self.id, hash_secret(self.order_secret))

    @property
    def visit(self) -> Visit:
        return Visit(visitor=f"visitor {self.id}", network=f"network {self.id}")

    def wanted(self, *lines: tuple[Slot, int], note: str = "", email: str = "anna@example.org") -> WantedCheckout:
        return WantedCheckout(
            customer=Customer(self.name, email, "Europe/Berlin", "de"),
            attendees=(),
            lines=tuple(Line(of, seats) for of, seats in lines or ((LESSON, 1),)),
            visit=self.visit,
            digest=f"{self.name} {note} {lines}",
        )


@dataclass
class Till:
    house: House
    shop: Shop

    @property
    def settling(self) -> Settling:
        return self.house.parts.use_cases.settling

    async def hold(self, payer: Payer, *lines: tuple[Slot, int]) -> Hold:
        wanted = payer.wanted(*lines)
        return await self.house.parts.use_cases.bookings.hold(payer.ref, wanted.lines, wanted.visit)

    async def begin(self, payer: Payer, *lines: tuple[Slot, int], **changes: Any) -> CheckoutBegun:
        begun = await self.house.parts.use_cases.checkout.begin(payer.ref, payer.wanted(*lines, **changes))
        payer.order_secret = begun.secret
        return begun

    async def at_the_page(self, payer: Payer, *lines: tuple[Slot, int]) -> str:
        """Held, and the page is open: its session."""
        await self.hold(payer, *lines)
        await self.begin(payer, *lines)
        return await self.session_of(payer)

    async def paid(self, payer: Payer, *lines: tuple[Slot, int]) -> str:
        """An order that is paid and confirmed: its session."""
        session = await self.at_the_page(payer, *lines)
        self.shop.books.pay(session)
        assert await self.settle(payer) is AttemptState.PAID
        return session

    async def settle(self, payer: Payer) -> AttemptState:
        attempt = await self.attempt(payer)
        return await self.settling.settle(attempt.site_id, attempt.public_id)

    async def go_back(self, payer: Payer) -> Hold:
        return await self.house.parts.use_cases.checkout.go_back(payer.ref)

    async def order(self, payer: Payer) -> Order:
        return await self.house.parts.use_cases.checkout.find_order(payer.order_ref)

    async def offered(self, payer: Payer) -> list[Alternative]:
        """What is held for whoever has paid too late, in the order in which it is offered."""
        payment = (await self.order(payer)).payment
        return list(payment.alternatives) if payment else []

    async def choose(self, payer: Payer, alternative: Alternative | None) -> Order:
        """None: none of them."""
        chosen = alternative.hold_id if alternative else None
        return await self.house.parts.use_cases.checkout.choose(payer.order_ref, chosen)

    async def deeds(self, payer: Payer) -> list[str]:
        """What became of the money, as the audit log has it."""
        of_nobody = (col(AuditEntryRow.about) == payer.id, col(AuditEntryRow.operator_id).is_(None))
        async with self.house.parts.database.snapshot() as session:
            return list(
                await session.exec(select(AuditEntryRow.deed).where(*of_nobody).order_by(col(AuditEntryRow.id)))
            )

    async def lose_seats(self, payer: Payer, of: Slot) -> list[Payer]:
        """Redis forgets that they are held, and others hold all of them."""
        site, engine = await self.house.site(), self.house.engine
        pin = await engine.pinned(site, payer.id)
        assert pin is not None
        await engine.unpin(site, payer.id, fence=pin.fence, release=True)
        return await self.take_all(of)

    async def offer_only(self, of: Slot) -> None:
        """No other time of this service can be booked."""
        site = await self.house.site()
        only = [Opening(of.service, of.starts_at.time(), of.ends_at.time(), day=of.starts_at.date())]
        await self.house.change(lambda session: put_openings(session, site.id, of.service, only))

    async def take_all(self, of: Slot) -> list[Payer]:
        """Others hold all that Redis believes free."""
        left, others = ALL_SEATS - (await self.house.seats(of)).taken, [Payer(), Payer()]
        for other, seats in zip(others, (left // 2, left - left // 2), strict=True):
            await self.hold(other, (of, seats))
        return others

    async def session_of(self, payer: Payer) -> str:
        found = (await self.attempt(payer)).session_id
        assert found is not None
        return found

    async def attempt(self, payer: Payer) -> AttemptRow:
        """The last one."""
        of_hold = select(AttemptRow).where(col(AttemptRow.hold_id) == payer.id).order_by(col(AttemptRow.id).desc())
        async with self.house.parts.database.snapshot() as session:
            return (await session.exec(of_hold.limit(1))).one()

    async def outcome(self, payer: Payer, hold_id: str | None = None) -> OutcomeState | None:
        """Of their own hold, or of another one that has their seats."""
        of_hold = select(OutcomeRow.state).where(col(OutcomeRow.hold_id) == (hold_id or payer.id))
        async with self.house.parts.database.snapshot() as session:
            found = (await session.exec(of_hold)).one_or_none()
        return None if found is None else OutcomeState(found)

    async def refunds(self, payer: Payer) -> list[tuple[int, str, str]]:
        """Amount, reason and state of each."""
        of_order = select(RefundRow).where(col(RefundRow.order_id) == payer.id).order_by(col(RefundRow.id))
        async with self.house.parts.database.snapshot() as session:
            return [(row.amount_minor, row.reason, row.state) for row in await session.exec(of_order)]

    async def messages(self, payer: Payer) -> list[str]:
        """Kinds of all that is to be told of the order."""
        of_order = select(MessageRow.kind).where(col(MessageRow.order_id) == payer.id).order_by(col(MessageRow.id))
        async with self.house.parts.database.snapshot() as session:
            return list(await session.exec(of_order))

    async def later(self, by: timedelta) -> None:
        """For attempts and for Redis so much time has passed; for Stripe, see `shop.books.let_pass`."""
        async with self.house.parts.database.transaction() as session:
            for row in await session.exec(select(AttemptRow)):
                row.created_at, row.pay_until = row.created_at - by, row.pay_until - by
                row.due_at = row.due_at and row.due_at - by
                row.asked_at = row.asked_at and row.asked_at - by
                row.offered_until = row.offered_until and row.offered_until - by
            for refund in await session.exec(select(RefundRow)):
                refund.due_at = refund.due_at and refund.due_at - by
                refund.ended_at = refund.ended_at and refund.ended_at - by
            for account in await session.exec(select(PaymentAccountRow)):
                account.probe_at = account.probe_at and account.probe_at - by
                account.silent_since = account.silent_since and account.silent_since - by
        await self.house.advance(by)

    async def work(self) -> None:
        """What a worker does until nothing is due, however soon it would do it."""
        for _ in range(10):
            await self.later(timedelta(minutes=5))
            seen_to = await self.settling.settle_due()
            seen_to += await self.house.parts.use_cases.refunding.refund_due()
            if not seen_to:
                return


class Late:
    """Stops the next pin that this method of a use case would take, right before it is taken, until `may_go`."""

    def __init__(self, of: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_there, self.may_go = asyncio.Event(), asyncio.Event()
        pin = getattr(of, name)

        async def pin_late(*args: Any) -> Any:
            monkeypatch.setattr(of, name, pin)
            self.is_there.set()
            await self.may_go.wait()
            return await pin(*args)

        monkeypatch.setattr(of, name, pin_late)


@asynccontextmanager
async def opened_till(redis_url: str, template: Path, folder: Path, shop: Shop, **settings: Any) -> AsyncIterator[Till]:
    async with opened(redis_url, template, folder, stripe_url=shop.url, secret_key=KEY, **settings) as house:
        await take_payments(house, shop)
        yield Till(house, shop)


async def take_payments(house: House, shop: Shop, *, is_test: bool = False, key: str = SITE) -> None:
    """As if an operator had entered the keys."""
    site, now = await house.site(key), datetime.now(UTC)
    accounts = PaymentAccounts(house.parts.database, Seal(KEY.encode()))
    kept = KeptAccount(is_test, "", "", "Studio", AccountState.ACCEPTED, now, now, now, None, is_readable=True)

    async def write(session: AsyncSession) -> None:
        await accounts.put(session, site.id, kept, shop.keys)

    await house.change(write, key)


async def wipe(till: Till) -> None:
    await till.house.flush()
    await till.house.parts.use_cases.reconciliation.fill("studio")


async def take_all_seats(till: Till) -> None:
    """Others hold all that Redis believes free; and there is no other lesson."""
    await till.offer_only(LESSON)
    await till.take_all(LESSON)


async def lose_all_seats(till: Till, payer: Payer) -> None:
    """Likewise, and Redis has forgotten whose the others are: where it went back in time, nothing tells it at once."""
    await till.offer_only(LESSON)
    await till.lose_seats(payer, LESSON)


async def seats_gone(till: Till, anna: Payer) -> None:
    """She has paid, at once, for seats that others have by now."""
    till.shop.books.pay(await till.at_the_page(anna), "ideal")
    await lose_all_seats(till, anna)


async def hear_all(till: Till) -> None:
    for letter in till.shop.letters():
        await till.settling.heard("studio", letter.body, letter.signature)
