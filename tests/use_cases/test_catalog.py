"""The catalog: each site is read once, and never kept when it may be old."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from tests.domain.schedules import schedule
from tests.use_cases.studio import studio
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import NotFound, Unavailable
from widget_server.use_cases import catalog as module
from widget_server.use_cases.catalog import Catalog

pytestmark = pytest.mark.anyio


@dataclass
class Slow:
    """SQL that answers when the test lets it."""

    site: Site = field(default_factory=studio)
    schedule_version: int = 1
    reads: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    is_gone: bool = False

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def by_key(self, key: str) -> Site | None:
        self.reads.append(key)
        found = replace(self.site, key=key)
        await self.may_answer.wait()
        if self.is_gone:
            raise Unavailable("The database is not there.")
        return found if key != "nobody" else None

    async def load(self, site_id: int) -> Schedule:
        return schedule([], version=self.schedule_version)

    def change(self) -> None:
        self.schedule_version += 1
        self.site = replace(self.site, schedule_version=self.schedule_version)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def catalog(slow: Slow) -> Catalog:
    return Catalog(slow, slow)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_site_is_read_once_and_again_once_it_is_forgotten(catalog: Catalog, slow: Slow) -> None:
    first = await catalog.find("studio")
    assert await catalog.find("studio") is first

    slow.change()
    catalog.forget("studio")
    assert (await catalog.find("studio")).schedule.version == 2
    slow.change()
    catalog.forget_all()
    assert (await catalog.find("studio")).schedule.version == 3
    assert slow.reads == ["studio"] * 3


async def test_a_hundred_who_ask_at_once_wait_for_one_reading(catalog: Catalog, slow: Slow) -> None:
    slow.may_answer.clear()
    asking = [asyncio.create_task(catalog.find("studio")) for _ in range(100)]
    await settle()
    slow.may_answer.set()

    assert len({id(listing) for listing in await asyncio.gather(*asking)}) == 1
    assert slow.reads == ["studio"]


async def test_the_reading_goes_on_when_the_first_who_asked_has_gone(catalog: Catalog, slow: Slow) -> None:
    slow.may_answer.clear()
    anna, ben = (asyncio.create_task(catalog.find("studio")) for _ in range(2))
    await settle()
    anna.cancel()
    await settle()
    slow.may_answer.set()

    assert (await ben).site.key == "studio"
    assert slow.reads == ["studio"]


async def test_what_was_being_read_when_it_was_forgotten_is_not_kept(catalog: Catalog, slow: Slow) -> None:
    slow.may_answer.clear()
    asking = asyncio.create_task(catalog.find("studio"))
    await settle()
    catalog.forget("studio")
    slow.may_answer.set()
    await asking

    slow.change()
    assert (await catalog.find("studio")).schedule.version == 2


async def test_a_site_that_does_not_exist_is_asked_for_each_time(catalog: Catalog, slow: Slow) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            await catalog.find("nobody")
    assert slow.reads == ["nobody"] * 2


async def test_what_cannot_be_a_key_never_reaches_the_database(catalog: Catalog, slow: Slow) -> None:
    for key in ("", "Studio", "stu dio", "studio\x00", "studio\n", "-studio", "é", "x" * 65, "{tenuto}", "a/b"):
        with pytest.raises(NotFound):
            await catalog.find(key)
    assert slow.reads == []


async def test_trouble_is_told_to_all_who_wait_and_not_kept(catalog: Catalog, slow: Slow) -> None:
    slow.is_gone = True
    answers = await asyncio.gather(*(catalog.find("studio") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)

    slow.is_gone = False
    assert (await catalog.find("studio")).site.key == "studio"


async def test_a_schedule_of_another_version_than_its_site_is_never_given_out(catalog: Catalog, slow: Slow) -> None:
    slow.schedule_version = 2

    with pytest.raises(Unavailable):
        await catalog.find("studio")


async def test_only_so_many_sites_are_kept(catalog: Catalog, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTINGS_MAX", 2)

    for key in ("a", "b", "c", "b", "c", "a"):
        await catalog.find(key)
    assert slow.reads == ["a", "b", "c", "a"]


async def test_a_reading_that_nobody_waits_for_any_more_ends_before_the_database_is_closed(
    catalog: Catalog, slow: Slow
) -> None:
    slow.may_answer.clear()
    asking = asyncio.create_task(catalog.find("studio"))
    await settle()
    asking.cancel()
    catalog.forget_all()
    closing = asyncio.create_task(catalog.close())
    await settle()
    assert not closing.done()

    slow.may_answer.set()
    await closing
    assert len(slow.reads) == 1
