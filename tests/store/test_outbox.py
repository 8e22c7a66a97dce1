"""What happened is kept until whom it concerns has been told."""

from datetime import timedelta

import anyio
import pytest

from tests.store.studio import NOW, TALK, confirmation, found, line, slot
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.sites import Site
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.outbox import BOOKING_CANCELLED, BOOKING_CONFIRMED, Outbox, UntoldEvent

pytestmark = pytest.mark.anyio

SOON = NOW + timedelta(seconds=2)
CLAIM = timedelta(seconds=30)


async def test_a_booking_is_told_to_the_engine_a_moment_later_if_nobody_has_by_then(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, fence=7))
    assert await Outbox(db).next_due_at() == SOON
    assert await Outbox(db).due(10, at=SOON - timedelta(milliseconds=1)) == []

    (event,) = await Outbox(db).due(10, at=SOON)

    assert (event.site_id, event.site_key, event.order_id, event.fence) == (site.id, "studio", order.id, 7)
    assert (event.name, event.recipient, event.tries, event.created_at) == ("BookingConfirmed", "engine", 0, NOW)


async def test_a_cancellation_is_told_as_well(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site))
    await Bookings(db).cancel(site.id, order.id, NOW + timedelta(seconds=1))

    events = await Outbox(db).due(10, at=NOW + CLAIM)

    assert [event.name for event in events] == [BOOKING_CONFIRMED, BOOKING_CANCELLED]


async def test_what_is_claimed_is_nobody_else_s_until_the_claim_runs_out(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site))
    first = await Outbox(db).due(10, at=SOON, claim=CLAIM)

    assert await Outbox(db).due(10, at=SOON + CLAIM - timedelta(milliseconds=1)) == []
    assert await Outbox(db).due(10, at=SOON + CLAIM) == first


async def test_workers_who_ask_at_once_share_the_events(db: Database, site: Site) -> None:
    for _ in range(12):
        await Bookings(db).confirm(confirmation(site, [line(slot(capacity=100))]))
    claimed: list[UntoldEvent] = []

    async def claim() -> None:
        claimed.extend(await Outbox(db).due(4, at=SOON))

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(claim)
    claimed += await Outbox(db).due(12, at=SOON)

    assert len(claimed) == len({event.id for event in claimed}) == 12


async def test_what_was_told_is_not_told_again(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site))
    (event,) = await Outbox(db).due(10, at=SOON)

    await Outbox(db).done([event.id])
    await Outbox(db).done([event.id])

    assert await Outbox(db).waiting() == 0
    assert await Outbox(db).next_due_at() is None


async def test_whoever_tells_at_once_takes_just_that_event_out(db: Database, site: Site) -> None:
    other = await found(db, "other")
    order = await Bookings(db).confirm(confirmation(site))
    await Bookings(db).confirm(confirmation(other, hold_id=order.id))
    await Bookings(db).cancel(site.id, order.id, NOW)

    await Outbox(db).told(site.id, order.id, BOOKING_CONFIRMED)

    left = await Outbox(db).due(10, at=SOON)
    assert [(event.site_key, event.name) for event in left] == [
        ("other", BOOKING_CONFIRMED),
        ("studio", BOOKING_CANCELLED),
    ]


async def test_what_failed_is_tried_again_later(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site))
    (event,) = await Outbox(db).due(10, at=SOON)

    await Outbox(db).failed(event.id, "Redis was not there. " * 100, SOON + timedelta(minutes=1))

    assert await Outbox(db).due(10, at=SOON + timedelta(seconds=59)) == []
    (again,) = await Outbox(db).due(10, at=SOON + timedelta(minutes=1))
    assert (again.id, again.tries) == (event.id, 1)


async def test_events_can_be_looked_at_without_claiming_them(db: Database, site: Site) -> None:
    yoga, talk = slot(), slot(TALK, hour=11)
    order = await Bookings(db).confirm(confirmation(site, [line(yoga, 2), line(talk)]))
    await Bookings(db).confirm(confirmation(site, [line(yoga)]))

    first, second = await Outbox(db).ripe(10, at=SOON)

    assert [first, second] == await Outbox(db).ripe(10, at=SOON) == await Outbox(db).due(10, at=SOON)
    assert await Outbox(db).ripe(10, at=SOON) == []
    assert first.order_id == order.id
    seats = await Outbox(db).seats_of([first.id, second.id])
    assert sorted(seats[first.id], key=lambda one: one.slot) == [
        BookedSeats(talk.slot, 1, 1),
        BookedSeats(yoga.slot, 3, 2),
    ]
    assert seats[second.id] == [BookedSeats(yoga.slot, 3, 2)]
