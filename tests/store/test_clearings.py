"""Clearings on both databases: whoever is at it at the same time, each booking ends once, and none while it is paid."""

from datetime import timedelta

import anyio
import pytest
from anyio import create_task_group
from sqlalchemy import update
from sqlmodel import col, select

from tests.store.studio import NOW, confirmation, line, slot
from tests.store.test_audit_log import hire
from tests.store.test_bookings import booked
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import BookingState
from widget_server.domain.impact import Choice
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.store import clearings
from widget_server.store.bookings import Bookings
from widget_server.store.clearings import Clearings, OpenClearing, decide
from widget_server.store.database import Database
from widget_server.store.impact import read_booked_by
from widget_server.store.sites import lock_site_alone
from widget_server.store.tables import BookingRow, MessageRow

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clearings, "AT_ONCE", 2)


async def cleared(db: Database, site: Site, count: int) -> tuple[list[Order], OpenClearing]:
    """So many orders of one seat each, all of which are going to be cancelled."""
    orders = [await Bookings(db).confirm(confirmation(site, [line(slot())])) for _ in range(count)]
    edit = Entry(site.id, await hire(db, site), Deed.BLACKOUT_ADDED, NOW)
    async with db.transaction() as session:
        bookings = await read_booked_by(session, site.id, [slot().slot])
        assert await decide(session, edit, {Choice.CANCEL: bookings}, "The floor is wet.") is not None
    (still_open,) = await Clearings(db).all_open(10)
    return orders, still_open


async def states(db: Database) -> list[str]:
    async with db.snapshot() as session:
        return list(await session.exec(select(BookingRow.state).order_by(col(BookingRow.id))))


async def test_two_workers_and_a_customer_at_once_end_each_booking_once(db: Database, site: Site) -> None:
    orders, clearing = await cleared(db, site, 7)
    done: list[int] = []

    async def work() -> None:
        while bookings := await Clearings(db).step(clearing, LATER):
            done.extend(one.booking_id for one in bookings)

    async def leave() -> None:
        await Bookings(db).cancel(site.id, orders[-1].id, LATER)

    async with create_task_group() as tasks:
        for act in (work, work, leave):
            tasks.start_soon(act)

    assert await states(db) == [BookingState.CANCELLED] * 7
    assert len(done) == len(set(done)) >= 6
    assert await booked(db, slot()) == 0
    told = select(MessageRow.order_id).where(col(MessageRow.kind) == "cancelled", col(MessageRow.role) == "customer")
    async with db.snapshot() as session:
        written = [order_id or "" for order_id in await session.exec(told)]
    assert sorted(written) == sorted(order.id for order in orders)
    ended = await Clearings(db).find(site.id, clearing.id)
    assert (ended.waiting, ended.ended_at) == (0, LATER)


async def test_what_is_just_being_paid_waits_until_that_is_decided(db: Database, site: Site) -> None:
    orders, clearing = await cleared(db, site, 3)

    async def put(state: BookingState) -> None:
        first = select(BookingRow.id).order_by(col(BookingRow.id)).limit(1).scalar_subquery()
        async with db.transaction() as session:
            await session.exec(update(BookingRow).where(col(BookingRow.id) == first).values(state=state))

    await put(BookingState.CONFIRMING)
    assert [len(await Clearings(db).step(clearing, LATER)) for _ in range(2)] == [2, 0]
    async with db.transaction() as session:  # nobody who writes has to wait for a look that does nothing
        await lock_site_alone(session, site.id)
        with anyio.fail_after(20):
            assert await Clearings(db).step(clearing, LATER) == []
    assert (await Clearings(db).find(site.id, clearing.id)).waiting == 1
    await put(BookingState.CONFIRMED)

    assert [one.order_id for one in await Clearings(db).step(clearing, LATER)] == [orders[0].id]
    assert (await Clearings(db).find(site.id, clearing.id)).ended_at == LATER
    assert await states(db) == [BookingState.CANCELLED] * 3
