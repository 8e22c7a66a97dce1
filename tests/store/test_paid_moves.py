"""Moves that are paid, as they are written: once, whoever is at it, and paid back in parts, on both databases."""

import asyncio
from dataclasses import replace

import pytest

from tests.store.studio import NOW, slot
from tests.store.test_attempts import attempt, payment
from tests.store.test_payments import order_of, paid
from tests.store.test_reschedulings import moved
from widget_server.domain.attempts import WantedMove
from widget_server.domain.money import Money
from widget_server.domain.move_prices import SeatPrice
from widget_server.domain.payments import AttemptState, PaymentState
from widget_server.domain.sites import Site
from widget_server.errors import Paying
from widget_server.ids import new_id
from widget_server.store.attempts import Attempts
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.payments import Payments
from widget_server.store.refunds import Refunds

pytestmark = pytest.mark.anyio


async def test_a_paid_move_is_begun_and_written_once_and_goes_back_from_the_newest(db: Database, site: Site) -> None:
    sold = await paid(db, site)
    order = await order_of(db, sold)
    there, more = moved(site, order, slot(day=2)), Money(500, order.total.currency)
    here = order.bookings[0].slot
    move = WantedMove(order.id, (here,), (here,), frozenset({here}))
    new = replace(attempt(site), id=new_id(), hold_id=there.hold_id, amount=more, move=move)
    others = [replace(new, id=new_id(), hold_id=new_id()) for _ in range(3)]

    begun = await asyncio.gather(
        *(Payments(db).begin_move(one, due_at=NOW) for one in (new, new, *others)), return_exceptions=True
    )
    assert sum(isinstance(one, Paying) for one in begun) in (3, 4)
    opened = await Attempts(db).open_move(site.id, order.id)
    assert opened is not None
    await Payments(db).opened(opened.id, payment(opened), fence=1, at=NOW)
    costs = SeatPrice(order.bookings[0].unit_price_minor + 500, 0)
    wanted = replace(there, hold_id=opened.hold_id, prices={here: costs}, agreed_minor=500)
    told = payment(opened, PaymentState.CAPTURED)
    both = await asyncio.gather(*(Payments(db).move(opened.id, told, wanted, NOW) for _ in range(2)))
    assert {one.state for one in both} == {AttemptState.PAID}

    order = await order_of(db, sold)
    assert order.bookings[0].slot == slot(day=2).slot
    assert order.payment is not None
    assert [part.amount for part in order.payment.parts] == [sold.amount, more]
    assert await Refunds(db).left(site.id, order.id) == order.total
    assert await Bookings(db).cancel(site.id, order.id, NOW)
    due = await Refunds(db).due(9, at=NOW)
    assert {one.amount for one in due} == {sold.amount, more}
    assert (await Refunds(db).left(site.id, order.id)).is_free
