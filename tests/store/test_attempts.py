"""Attempts to pay as they are kept: one a hold, claimed by one worker, forgotten in time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from tests.store.studio import ANNA, NOW, slot
from tests.store.test_messages import MAIL
from widget_server.domain.attempts import Attempt, WantedLine, WantedOrder
from widget_server.domain.money import Money
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState, Payment, PaymentState
from widget_server.domain.questions import Answer
from widget_server.domain.services import Place
from widget_server.domain.sites import Site
from widget_server.ids import hash_secret, new_id, new_order_number
from widget_server.store.attempts import ENDED_KEPT, Attempts
from widget_server.store.database import Database
from widget_server.store.messages import Messages
from widget_server.store.payment_events import EVENTS_KEPT, PaymentEvents
from widget_server.store.payments import LET_GO_AGAIN_AFTER, Payments
from widget_server.store.sending import Sending, Written
from widget_server.store.tables import AttemptRow

pytestmark = pytest.mark.anyio

PRICE = Money(4500, "EUR")
LATER = NOW + ENDED_KEPT + timedelta(minutes=1)


def attempt(site: Site, **changes: Any) -> Attempt:
    """Anna's, of one seat of tomorrow's yoga."""
    of = WantedLine(
        slot().slot, 1, PRICE, "Morning yoga", Place.IN_PERSON, 100, ("Cleo Ek",), (Answer("Any injuries?", "My knee"),)
    )
    of = replace(of, attendee_emails=("cleo@example.net",))
    wanted = Attempt(
        id=new_id(),
        site_id=site.id,
        hold_id=new_id(),
        fence=0,
        is_test=False,
        state=AttemptState.OPENING,
        secret_hash=hash_secret("secret"),
        order_secret_hash=hash_secret("order secret"),
        digest=hash_secret("all that was sent"),
        wanted=WantedOrder(new_order_number(), ANNA, (of,), "visitor", "network"),
        amount=PRICE,
        created_at=NOW,
        pay_until=NOW + PAYMENT_WINDOW,
    )
    return replace(wanted, **changes)


def payment(of: Attempt, state: PaymentState = PaymentState.OPEN) -> Payment:
    return Payment("cs_1", state, "https://pay.example.org", "pi_1", of.amount, 0, 0, of.id)


async def opened(db: Database, site: Site) -> Attempt:
    new = await Payments(db).begin(attempt(site), due_at=NOW)
    return await Payments(db).opened(new.id, payment(new), fence=1, at=NOW)


async def test_it_is_read_as_it_was_written(db: Database, site: Site) -> None:
    new = attempt(site)

    assert await Payments(db).begin(new, due_at=NOW) == replace(new, due_at=NOW)
    assert await Attempts(db).find(site.id, new.id) == replace(new, due_at=NOW)
    assert await Attempts(db).find(site.id + 1, new.id) is None


async def test_a_hold_has_one_attempt_that_has_not_ended(db: Database, site: Site) -> None:
    first = attempt(site)
    others = [attempt(site, hold_id=first.hold_id) for _ in range(3)]

    begun = await asyncio.gather(*(Payments(db).begin(each, due_at=NOW) for each in [first, *others]))
    assert len({each.id for each in begun}) == 1
    assert await Attempts(db).waits(site.id, first.hold_id)
    await Payments(db).not_opened(begun[0].id, NOW, why="nobody could")
    assert not await Attempts(db).waits(site.id, first.hold_id)
    again = attempt(site, hold_id=first.hold_id)
    assert (await Payments(db).begin(again, due_at=NOW)).id == again.id


async def test_of_two_workers_one_sees_to_it(db: Database, site: Site) -> None:
    one = await opened(db, site)
    due = NOW + timedelta(seconds=2)

    found = await asyncio.gather(*(Attempts(db).due(9, at=due) for _ in range(2)))
    assert sorted(len(each) for each in found) == [0, 1]
    assert await Attempts(db).due(9, at=due + timedelta(seconds=19)) == []
    assert [each.id for each in await Attempts(db).due(9, at=due + timedelta(seconds=20))] == [one.id]


async def test_what_has_gone_on_meanwhile_is_not_put_off(db: Database, site: Site) -> None:
    seen = await opened(db, site)
    await Payments(db).give_up(seen.id, NOW, why="not paid")

    await Attempts(db).look_again(seen, NOW + timedelta(days=1), "too late")
    found = await Attempts(db).find(site.id, seen.id)
    assert found is not None
    assert (found.due_at, found.why) == (NOW + LET_GO_AGAIN_AFTER, "not paid")


async def test_stripe_is_asked_again_only_after_a_while(db: Database, site: Site) -> None:
    one, since = await opened(db, site), timedelta(seconds=2)

    asked = [
        await Attempts(db).may_ask(one.id, at=NOW + timedelta(seconds=second), not_since=NOW - since)
        for second in (0, 1)
    ]
    assert asked == [True, False]


async def test_what_came_to_nothing_is_forgotten_and_who_was_paid_back_too(db: Database, site: Site) -> None:
    nothing, returned, live = [await opened(db, site) for _ in range(3)]
    await Payments(db).give_up(nothing.id, NOW, why="not paid")
    await Payments(db).rest(nothing.id)
    paid = payment(returned, PaymentState.AUTHORISED)
    await Payments(db).void(returned.id, NOW, payment=paid, why="the seats were gone")
    await Payments(db).returned(returned.id, NOW, is_refund=False)
    (told,) = await Messages(db).listed(site.id, limit=9)
    await Sending(db).write([Written(told.id, ANNA.email, "de", "Europe/Berlin", MAIL)], NOW)

    assert await Attempts(db).prune(site.id, LATER - timedelta(days=1)) == 0
    assert [told.address for told in await Messages(db).listed(site.id, limit=9)] == [ANNA.email]
    assert await Attempts(db).prune(site.id, LATER) == 2
    assert await Attempts(db).prune(site.id, LATER) == 0
    assert await Attempts(db).find(site.id, nothing.id) is None
    kept = await Attempts(db).find(site.id, returned.id)
    assert kept is not None
    assert (kept.wanted.customer.name, kept.amount) == ("", PRICE)
    assert (await Attempts(db).find(site.id, live.id)) is not None
    assert [(told.address, told.mail) for told in await Messages(db).listed(site.id, limit=9)] == [(None, None)]


async def test_who_wanted_to_pay_can_be_erased(db: Database, site: Site) -> None:
    one = await opened(db, site)

    async with db.transaction() as session:
        await Attempts.erase(session, site.id, one.hold_id)
    async with db.snapshot() as session:
        rows = repr((await session.exec(select(AttemptRow))).all())
    assert [word for word in ("Anna", "anna@", "Cleo", "knee", "Berlin", one.digest) if word in rows] == []
    assert one.wanted.number in rows


async def test_events_are_noted_once_and_forgotten_when_they_cannot_come_again(db: Database, site: Site) -> None:
    events = PaymentEvents(db)
    for _ in range(2):
        await events.note(site.id, "evt_1", NOW)

    assert await events.is_known(site.id, "evt_1")
    assert not await events.is_known(site.id + 1, "evt_1")
    assert await events.prune(NOW + EVENTS_KEPT) == 0
    assert await events.prune(NOW + EVENTS_KEPT + timedelta(seconds=1)) == 1
    assert not await events.is_known(site.id, "evt_1")
