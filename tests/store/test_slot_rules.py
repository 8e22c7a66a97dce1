"""Rules for single slots come back as they were written, and go when they say nothing any more."""

from datetime import timedelta

import pytest

from tests.store.studio import NOW, found, slot
from widget_server.domain.openings import SlotRule
from widget_server.domain.sites import Site
from widget_server.domain.slots import YEAR_MAX, Slot
from widget_server.store.database import Database
from widget_server.store.schedule import Schedules
from widget_server.store.slot_rules import prune_slot_rules, put_slot_rules

pytestmark = pytest.mark.anyio

CLOSED = SlotRule(slot(day=1).slot, is_closed=True)
GROWN = SlotRule(slot(day=2).slot, capacity=20)
KEPT = SlotRule(slot(day=3).slot, capacity=3, is_kept=True)


async def write(db: Database, site: Site, *rules: SlotRule) -> None:
    async with db.transaction() as session:
        await put_slot_rules(session, site.id, rules)


async def rules_of(db: Database, site: Site) -> set[SlotRule]:
    return set((await Schedules(db).load(site.id)).slot_rules)


async def test_rules_come_back_as_they_were_written_and_again(db: Database, site: Site) -> None:
    for _ in range(2):
        await write(db, site, CLOSED, GROWN, KEPT)

    assert await rules_of(db, site) == {CLOSED, GROWN, KEPT}


async def test_a_rule_takes_the_place_of_the_one_before_and_goes_when_it_says_nothing(db: Database, site: Site) -> None:
    await write(db, site, CLOSED, GROWN)

    await write(db, site, SlotRule(CLOSED.slot, is_closed=True, capacity=14), SlotRule(GROWN.slot))

    assert await rules_of(db, site) == {SlotRule(CLOSED.slot, is_closed=True, capacity=14)}


async def test_a_rule_for_a_slot_that_there_cannot_be_stops_nobody(db: Database, site: Site) -> None:
    starts_at = CLOSED.slot.starts_at.replace(year=YEAR_MAX + 1)
    await write(db, site, CLOSED, SlotRule(Slot("yoga", starts_at, starts_at + timedelta(hours=1)), is_closed=True))

    assert await rules_of(db, site) == {CLOSED}


async def test_rules_of_another_site_stay(db: Database, site: Site) -> None:
    other = await found(db, "other")
    await write(db, site, CLOSED)

    await write(db, other, CLOSED)
    await write(db, other, SlotRule(CLOSED.slot))

    assert await rules_of(db, site) == {CLOSED}
    assert await rules_of(db, other) == set()


async def test_rules_of_slots_that_have_ended_are_forgotten(db: Database, site: Site) -> None:
    await write(db, site, CLOSED, GROWN)

    async with db.transaction() as session:
        await prune_slot_rules(session, site.id, NOW + timedelta(days=2))

    assert await rules_of(db, site) == {GROWN}
