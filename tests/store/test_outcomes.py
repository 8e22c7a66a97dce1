"""Pins that were given up are forgotten in the end, and nobody who comes late can make use of that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.store.plans import plan_of
from tests.store.studio import confirmation
from widget_server.domain.orders import OutcomeState
from widget_server.domain.sites import Site
from widget_server.errors import HoldEnded
from widget_server.ids import hash_secret, new_id
from widget_server.store import outcomes
from widget_server.store.bookings import Bookings, OutcomeTaken
from widget_server.store.database import Database
from widget_server.store.outcomes import GIVEN_UP_KEPT

pytestmark = pytest.mark.anyio

A_MINUTE = timedelta(minutes=1)


async def test_a_pin_that_was_given_up_long_ago_is_forgotten(db: Database, site: Site) -> None:
    now, hold_id = datetime.now(UTC), new_id()
    order = await Bookings(db).confirm(confirmation(site))
    await Bookings(db).give_up(site.id, hold_id, 1)

    assert await Bookings(db).prune(site.id, now + GIVEN_UP_KEPT - A_MINUTE) == 0
    assert await Bookings(db).prune(site.id, now + GIVEN_UP_KEPT + A_MINUTE) == 1
    assert await Bookings(db).outcome(site.id, hold_id) is None
    kept = await Bookings(db).outcome(site.id, order.id)
    assert kept is not None
    assert kept.state is OutcomeState.CONFIRMED


async def test_a_confirmation_that_was_stopped_since_before_is_refused_although_nothing_says_it_was_given_up(
    db: Database, site: Site
) -> None:
    """As of a process that was stopped between its pin and its record, and goes on a week later."""
    now = datetime.now(UTC)
    late = replace(confirmation(site), at=now)
    await Bookings(db).give_up(site.id, late.hold_id, late.fence)
    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(late)

    assert await Bookings(db).prune(site.id, now + GIVEN_UP_KEPT + A_MINUTE) == 1

    with pytest.raises(HoldEnded):
        await Bookings(db).confirm(late)
    assert await Bookings(db).outcome(site.id, late.hold_id) is None
    fresh = replace(confirmation(site), at=now + A_MINUTE * 2)
    assert (await Bookings(db).confirm(fresh)).id == fresh.hold_id


async def test_only_so_many_are_forgotten_at_once(db: Database, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "PRUNED_AT_ONCE", 2)
    for _ in range(3):
        await Bookings(db).give_up(site.id, new_id(), 1)
    at = datetime.now(UTC) + GIVEN_UP_KEPT + A_MINUTE

    assert [await Bookings(db).prune(site.id, at) for _ in range(3)] == [2, 1, 0]


async def test_whoever_was_told_no_gets_nothing_from_a_try_that_began_before(db: Database, site: Site) -> None:
    first_try = confirmation(site, fence=2)

    assert await Bookings(db).refuse(site.id, first_try.hold_id, first_try.order_secret_hash) is None
    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).confirm(first_try)
    assert taken.value.outcome is OutcomeState.ABANDONED


async def test_a_no_comes_too_late_where_it_has_become_an_order(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(wanted := confirmation(site))

    before = await Bookings(db).refuse(site.id, order.id, wanted.order_secret_hash)
    assert before is not None
    assert (before.state, before.digest, before.order) == (OutcomeState.CONFIRMED, wanted.digest, order)


async def test_a_no_to_somebody_with_another_secret_binds_nobody_else(db: Database, site: Site) -> None:
    wanted = confirmation(site)
    await Bookings(db).refuse(site.id, wanted.hold_id, hash_secret("a guess"))

    assert (await Bookings(db).confirm(wanted)).id == wanted.hold_id


async def test_a_no_stays_a_no_when_pins_are_given_up_after_it(db: Database, site: Site) -> None:
    wanted = confirmation(site, fence=2)
    await Bookings(db).refuse(site.id, wanted.hold_id, wanted.order_secret_hash)

    assert await Bookings(db).give_up(site.id, wanted.hold_id, 1) is OutcomeState.ABANDONED
    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(wanted)


async def test_a_pin_that_was_given_up_stays_so_when_somebody_is_told_no_after_it(db: Database, site: Site) -> None:
    wanted = confirmation(site, fence=2)
    await Bookings(db).give_up(site.id, wanted.hold_id, 2)

    assert await Bookings(db).refuse(site.id, wanted.hold_id, hash_secret("a guess")) is None
    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(wanted)


async def test_what_was_given_up_is_found_without_a_look_at_all_that_became_an_order(
    sqlite_url: str, tmp_path: Path
) -> None:
    db = Database(sqlite_url, tmp_path)
    plan = await plan_of(db._writer, lambda: Bookings(db).prune(1, datetime.now(UTC)))
    await db.close()

    assert "ix_outcome_given_up (site_id=? AND decided_at<?)" in plan, plan
    assert "FOR ORDER BY" not in plan
