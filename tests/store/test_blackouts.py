"""Blackouts come back as they were written, each in its own site."""

from dataclasses import replace
from datetime import date, time

import pytest

from tests.store.studio import found
from tests.store.test_staff import BEN
from widget_server.domain.blackouts import Blackout
from widget_server.domain.sites import Site
from widget_server.errors import NotFound
from widget_server.store.blackouts import put_blackout, remove_blackout
from widget_server.store.database import Database
from widget_server.store.schedule import Schedules
from widget_server.store.staff import put_member

pytestmark = pytest.mark.anyio

CHRISTMAS = Blackout(date(2026, 12, 24), date(2026, 12, 26), yearly=True, reason="Christmas")
LUNCH = Blackout(date(2027, 1, 1), None, service="yoga", starts=time(12), ends=time(13), weekdays=frozenset({0, 4}))
ILL = Blackout(date(2027, 2, 1), date(2027, 2, 5), staff="ben", reason="ill")


async def write(db: Database, site: Site, *blackouts: Blackout) -> None:
    async with db.transaction() as session:
        await put_member(session, site.id, BEN)
        for blackout in blackouts:
            await put_blackout(session, site.id, blackout)


async def all_of(db: Database, site: Site) -> tuple[Blackout, ...]:
    return (await Schedules(db).load(site.id)).blackouts


async def test_blackouts_come_back_as_they_were_written(db: Database, site: Site) -> None:
    await write(db, site, LUNCH, ILL, CHRISTMAS)

    assert [replace(each, id=None) for each in await all_of(db, site)] == [CHRISTMAS, LUNCH, ILL]


async def test_one_can_be_changed_and_taken_away_and_again(db: Database, site: Site) -> None:
    await write(db, site, CHRISTMAS, ILL)
    christmas, ill = await all_of(db, site)

    for _ in range(2):
        await write(db, site, replace(christmas, last_day=date(2026, 12, 27)))
        async with db.transaction() as session:
            await remove_blackout(session, site.id, ill.id or 0)

    assert await all_of(db, site) == (replace(christmas, last_day=date(2026, 12, 27)),)


async def test_one_of_another_site_is_not_found_and_stays(db: Database, site: Site) -> None:
    other = await found(db, "other")
    await write(db, site, CHRISTMAS)
    (christmas,) = await all_of(db, site)

    with pytest.raises(NotFound):
        await write(db, other, replace(christmas, reason="ours"))
    async with db.transaction() as session:
        await remove_blackout(session, other.id, christmas.id or 0)

    assert await all_of(db, site) == (christmas,)
