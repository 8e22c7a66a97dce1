"""The catalog: one reading for all who ask, and nothing kept that was forgotten while it was read."""

import asyncio
from zoneinfo import ZoneInfo

import pytest

from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import NotFound
from widget_server.use_cases.catalog import Catalog

pytestmark = pytest.mark.anyio
BERLIN = ZoneInfo("Europe/Berlin")


class SlowShelf:
    """One site, read slowly, with a version that the test moves."""

    def __init__(self) -> None:
        self.version = 1
        self.readings = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def by_key(self, key: str) -> Site | None:
        self.readings += 1
        version = self.version
        await self.may_go_on.wait()
        return studio(version) if key == "studio" else None

    async def load(self, site_id: int) -> Schedule:
        return Schedule(self.version, BERLIN, {}, ())


def studio(version: int) -> Site:
    return Site(
        id=1,
        key="studio",
        name="Studio",
        zone=BERLIN,
        currency="EUR",
        locale="en",
        accent="#2f6f5e",
        theme="auto",
        holds_on=True,
        hold_minutes=10,
        origins=(),
        partition="tenuto",
        epoch=1,
        schedule_version=version,
    )


async def test_a_hundred_who_ask_at_once_wait_for_one_reading() -> None:
    shelf = SlowShelf()
    catalog = Catalog(shelf, shelf)

    listings = await asyncio.gather(*(catalog.find("studio") for _ in range(100)))

    assert {listing.site.schedule_version for listing in listings} == {1}
    assert shelf.readings == 1


async def test_what_was_forgotten_while_it_was_read_is_not_kept() -> None:
    shelf = SlowShelf()
    catalog = Catalog(shelf, shelf)
    shelf.may_go_on.clear()
    first = asyncio.create_task(catalog.find("studio"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    catalog.forget("studio")
    shelf.may_go_on.set()
    await first
    shelf.version = 2

    assert (await catalog.find("studio")).site.schedule_version == 2


async def test_what_was_read_is_kept_until_it_is_forgotten() -> None:
    shelf = SlowShelf()
    catalog = Catalog(shelf, shelf)
    await catalog.find("studio")
    shelf.version = 2

    assert (await catalog.find("studio")).site.schedule_version == 1
    catalog.forget_all()
    assert (await catalog.find("studio")).site.schedule_version == 2


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    shelf = SlowShelf()
    catalog = Catalog(shelf, shelf)
    shelf.may_go_on.clear()
    anna, ben = (asyncio.create_task(catalog.find("studio")) for _ in range(2))
    await asyncio.sleep(0)

    anna.cancel()
    await asyncio.sleep(0)
    shelf.may_go_on.set()

    assert (await ben).site.key == "studio"


async def test_a_site_that_does_not_exist_is_asked_for_again() -> None:
    shelf = SlowShelf()
    catalog = Catalog(shelf, shelf)

    for _ in range(2):
        with pytest.raises(NotFound):
            await catalog.find("nobody")
    assert shelf.readings == 2
