"""A feed that is told on while schedules are read anew or SQL hangs, also of many sites whose services share people."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.domain.schedules import by_shift, schedule
from tests.engine.box import site
from tests.live.test_hub import watch
from tests.live.updates import StoppedClock, events
from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.sites import Site
from widget_server.domain.slots import Seats
from widget_server.errors import NotFound, Unavailable
from widget_server.live.hub import Hub
from widget_server.use_cases import retelling as module
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.known_seats import KnownSeats
from widget_server.use_cases.retelling import Retelling

pytestmark = pytest.mark.anyio

SITES = [replace(site(), key=f"studio-{number}") for number in range(20)]
KEYS = [one.key for one in SITES]
SHARED = schedule([], by_shift())


class Sql:
    """Of which some sites, or all, cannot be read."""

    def __init__(self) -> None:
        self.hangs_for: set[str] = set()
        self.is_away = False
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.at_once = self.at_once_max = 0
        self.schedule = SHARED

    async def find(self, site_key: str) -> Listing:
        self.asked.append(site_key)
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        schedule = self.schedule
        await self.answers.wait()
        self.at_once -= 1
        if self.is_away:
            raise Unavailable("The database is not there just now. Please try again.")
        if site_key in self.hangs_for:
            await asyncio.sleep(60)
        found = next((one for one in SITES if one.key == site_key), None)
        if found is None:
            raise NotFound("There is no such site.")
        return Listing(found, schedule)

    def forget(self, site_key: str) -> None:
        """Nothing is kept."""


class Widgets:
    """Of every site but some."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.read_again: list[str] = []
        self.not_watched: set[str] = set()

    def publish(self, partition: str, update: Update, *, is_believed: bool = True) -> None:
        self.told.append(update.site_key)

    def is_watched(self, site_key: str) -> bool:
        return site_key not in self.not_watched

    def doubt(self, site_key: str, feed_id: str) -> None:
        self.read_again.append(site_key)


class Process:
    def __init__(self) -> None:
        self.sql, self.widgets = Sql(), Widgets()
        catalog: Any = self.sql
        hub: Any = self.widgets
        self.retelling = Retelling(
            catalog=catalog, hub=hub, keep_seats=_seats_of, read=_read, followed_to=lambda _: "20-0"
        )
        for one in SITES:
            self.retelling.expect(one)

    async def tell_of(self, *site_keys: str) -> None:
        for number, site_key in enumerate(site_keys):
            moved = (("yoga.20261121T0930Z.60", Seats()),)
            await self.retelling.publish("tenuto", SeatsMoved(site_key, f"{number + 1}-0", 1, moved))

    async def reset(self, *site_keys: str) -> None:
        for number, site_key in enumerate(site_keys):
            await self.retelling.publish("tenuto", SiteReset(site_key, f"{number + 1}-0", 1))

    async def move_schedule(self, version: int) -> None:
        """Of the first site; the others stay at their first one."""
        await self.retelling.publish("tenuto", ScheduleMoved(KEYS[0], "1-0", 1, version, settled=True))


def _seats_of(one: Site) -> KnownSeats:
    return KnownSeats(one.partition, one.epoch)


async def _read(*_: object) -> None:
    raise Unavailable("Seats cannot be reached; try again in a moment.")


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def process(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(module, "_PAUSE_S", 0.1)
    process = Process()
    yield process
    process.retelling.stop()


async def test_nobody_waits_for_the_schedules_of_sites_that_were_reset(process: Process) -> None:
    process.sql.answers.clear()

    await process.reset(*KEYS)
    await process.tell_of(*KEYS)
    await settled()
    assert process.widgets.told == KEYS * 2
    assert process.sql.at_once == module.READ_AT_ONCE_MAX
    assert process.widgets.read_again == []

    process.sql.answers.set()
    await settled()
    assert sorted(process.widgets.read_again) == sorted(process.sql.asked) == sorted(KEYS)
    assert process.sql.at_once_max == module.READ_AT_ONCE_MAX


async def test_a_schedule_that_moves_while_it_is_read_is_read_again(process: Process) -> None:
    process.sql.answers.clear()
    await process.move_schedule(1)
    await settled()
    process.sql.schedule = replace(SHARED, version=2)

    await process.move_schedule(2)
    process.sql.answers.set()
    await settled()

    assert process.sql.asked == [KEYS[0]] * 2
    served = process.retelling._sites[KEYS[0]].served
    assert served is not None
    assert served.schedule.version == 2


async def test_a_schedule_that_was_read_before_a_loss_is_not_believed_after_it(process: Process) -> None:
    process.sql.answers.clear()
    await process.reset(KEYS[0])
    await settled()

    process.retelling.forget("tenuto")
    process.sql.answers.set()
    await settled()

    assert process.sql.asked == [KEYS[0]] * 2


async def test_a_sql_that_hangs_is_asked_again_only_after_a_while(process: Process) -> None:
    process.sql.hangs_for = set(KEYS)

    await process.tell_of(*KEYS)
    await asyncio.sleep(module._PATIENCE_S * 2)
    process.retelling.look_again("tenuto", "20-0")
    await settled()

    assert process.sql.asked == KEYS[: module.READ_AT_ONCE_MAX]
    assert process.widgets.told == KEYS, "as the feed told it"


@pytest.mark.parametrize("how", ["hung", "away"])
async def test_when_sql_is_back_all_widgets_are_told_to_read_again(process: Process, how: str) -> None:
    process.sql.hangs_for, process.sql.is_away = (set(KEYS), False) if how == "hung" else (set(), True)
    await process.tell_of(*KEYS)
    await asyncio.sleep(module._PATIENCE_S * 2)
    process.sql.hangs_for, process.sql.is_away = set(), False
    await asyncio.sleep(module._PAUSE_S)

    process.retelling.look_again("tenuto", "20-0")
    await settled()

    assert sorted(process.widgets.read_again) == sorted(KEYS)


async def test_a_site_that_cannot_be_read_is_not_in_the_way_of_the_others(process: Process) -> None:
    process.sql.hangs_for = {KEYS[0]}

    await process.tell_of(*KEYS)
    await settled()

    assert sorted(process.widgets.read_again) == sorted(KEYS[1:])


async def test_a_site_that_is_gone_is_looked_at_no_more(process: Process) -> None:
    process.retelling.expect(replace(SITES[0], key="gone"))

    await process.tell_of("gone")
    await settled()

    assert process.widgets.told == ["gone"]
    assert "gone" not in process.retelling


async def test_a_site_can_be_asked_about_where_as_many_as_are_looked_at_have_open_widgets(process: Process) -> None:
    for number in range(module.SITES_MAX):
        process.retelling.expect(replace(SITES[0], key=f"watched-{number}"))
    late = replace(SITES[0], key="late")
    process.widgets.not_watched.add(late.key)

    served = process.retelling.serve(Listing(late, SHARED), _seats_of(late), "20-0")

    assert served.site == late
    assert late.key in process.retelling


async def test_who_was_cut_off_before_it_was_owned_up_to_is_told_to_read_again(process: Process) -> None:
    """Its last event is the newest there is, and still may not be believed."""
    hub = Hub(clock=StoppedClock())
    hub.follow_from("tenuto", "1-0")
    process.retelling._hub = hub
    process.retelling.serve(Listing(SITES[0], SHARED), _seats_of(SITES[0]), "1-0")
    reader, paper = watch(hub, "1.1-0", site=KEYS[0])
    process.retelling.drop(KEYS[0])
    process.sql.is_away = True

    await process.retelling.publish("tenuto", SeatsMoved(KEYS[0], "2-0", 1, (("yoga.20261121T0930Z.60", Seats()),)))
    await asyncio.sleep(0.01)
    reader.close()
    process.retelling.serve(Listing(SITES[0], SHARED), _seats_of(SITES[0]), "2-0")
    _, again = watch(hub, events(paper.text)[-1].id, site=KEYS[0])

    assert paper.news == ["seats"]
    assert again.news == ["reset"]
    hub.goodbye()
