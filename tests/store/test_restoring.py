"""What a Redis that has forgotten a site is to be told: as SQL has it at one moment."""

import pytest

from tests.store.studio import NOW, found, slot
from tests.store.test_attempts import attempt, opened
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.holds import Line
from widget_server.domain.sites import Site
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.payments import Payments

pytestmark = pytest.mark.anyio


async def waiting(db: Database, site: Site) -> list[WaitingPin]:
    return (await Bookings(db).to_restore(site.id, NOW.date()))[1]


async def test_whoever_is_paying_is_told_with_what_their_hold_was(db: Database, site: Site) -> None:
    first, other = await opened(db, site), await found(db, "other")
    await opened(db, other)
    second = await Payments(db).begin(attempt(site), due_at=NOW)

    assert await waiting(db, site) == [
        WaitingPin(
            one.hold_id, one.secret_hash, one.id, 1, one.pay_until, (Line(slot().slot, 1),), "visitor", "network"
        )
        for one in (first, second)
    ]


async def test_nobody_who_has_given_up_is_told_and_whoever_tries_again_gets_another_fence(
    db: Database, site: Site
) -> None:
    before = await opened(db, site)
    await Payments(db).give_up(before.id, NOW, why="not paid")
    assert await waiting(db, site) == []

    again = await Payments(db).begin(attempt(site, hold_id=before.hold_id), due_at=NOW)
    assert [(pin.attempt_id, pin.fence) for pin in await waiting(db, site)] == [(again.id, 2)]


async def test_whoever_pays_what_was_not_to_be_had_for_nothing_gets_another_fence_than_that_had(
    db: Database, site: Site
) -> None:
    """The code that took all off the price was used up meanwhile."""
    new = attempt(site)
    await Bookings(db).give_up(site.id, new.hold_id, 3)
    await Payments(db).begin(new, due_at=NOW)

    assert [pin.fence for pin in await waiting(db, site)] == [4]
