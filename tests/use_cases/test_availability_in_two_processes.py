"""Two processes, one real Redis and one SQL file: what each answers from memory is what anybody would read anew."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.domain.schedules import daily, service
from tests.engine.servers import Valkey
from tests.live.test_hub import Paper
from widget_server.clock import SystemClock
from widget_server.domain.holds import Line
from widget_server.domain.slots import OfferedSlot
from widget_server.engine.connection import Connection, connect
from widget_server.engine.feed import Feed
from widget_server.engine.inspection import Inspection
from widget_server.engine.mending import Mending
from widget_server.engine.reservations import Reservations
from widget_server.errors import SlotFull, StaleSchedule
from widget_server.live.hub import Hub
from widget_server.store.attempts import Attempts
from widget_server.store.audit import Audits
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.outbox import Outbox
from widget_server.store.schedule import Schedules, put_openings, put_service
from widget_server.store.sites import Sites
from widget_server.use_cases.availability import Availability
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.scheduling import Scheduling

pytestmark = pytest.mark.anyio

FIRST = datetime.now(UTC).date() + timedelta(days=1)
LAST = FIRST + timedelta(days=2)


class Process:
    """What one web process keeps, and what tests do through it."""

    def __init__(self, database: Database, connection: Connection) -> None:
        clock, self.engine, feed = SystemClock(), Reservations(connection), Feed(connection)
        sites, schedules = Sites(database), Schedules(database)
        self.catalog, self.hub = Catalog(sites, schedules), Hub(clock=clock)
        self.scheduling = Scheduling(gate=self.engine, sites=sites, schedules=schedules)
        self.reconciliation = Reconciliation(
            catalog=self.catalog,
            engine=self.engine,
            inspection=Inspection(connection),
            mending=Mending(connection),
            feed=feed,
            sites=sites,
            store=Bookings(database),
            attempts=Attempts(database),
            outbox=Outbox(database),
            audits=Audits(database),
            clock=clock,
        )
        self.availability = Availability(
            catalog=self.catalog,
            engine=self.engine,
            feed=feed,
            hub=self.hub,
            scheduling=self.scheduling,
            reconciliation=self.reconciliation,
            clock=clock,
        )

    async def month(self, first: date = FIRST, last: date = LAST) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((await self.availability.month("studio", "yoga", first, last)).body)
        return answer

    async def offered(self) -> list[OfferedSlot]:
        return (await self.catalog.find("studio")).schedule.slots_between("yoga", FIRST, LAST)

    async def hold(self, name: str, *slots: OfferedSlot) -> None:
        listing = await self.catalog.find("studio")
        await self.engine.hold(
            listing.site,
            [Line(offered.slot, 1) for offered in slots],
            slots,
            schedule_version=listing.schedule.version,
            id=name,
            secret_hash="secret",
            visitor=name,
            network=name,
        )

    async def release(self, name: str) -> None:
        await self.engine.release((await self.catalog.find("studio")).site, name, "secret")

    async def change_capacity(self, capacity: int) -> None:
        async def write(session: AsyncSession) -> None:
            await put_service(session, site.id, service(capacity=capacity), at=datetime.now(UTC))
            await put_openings(session, site.id, "yoga", daily("yoga", time(9), time(17)))

        site = (await self.catalog.find("studio")).site
        await self.scheduling.change(site, write)


class Pair:
    def __init__(self, one: Process, other: Process, fresh: Process) -> None:
        self.one, self.other, self.fresh = one, other, fresh

    async def until_they_agree(self) -> dict[str, Any]:
        """What a process that has just started reads; both say the same of every slot before long."""
        for _ in range(6_000):
            self.fresh.catalog.forget_all()
            answers = [await process.month() for process in (self.fresh, self.one, self.other)]
            for answer in answers:
                answer.pop("feed_id")
            if answers[0] == answers[1] == answers[2]:
                return answers[0]
            await asyncio.sleep(0.01)
        raise AssertionError("they never agree")


@pytest.fixture
async def pair(valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as at_the_end:
        shutil.copy(sqlite_template, tmp_path / "tenuto.sqlite3")
        database = Database(None, tmp_path)
        at_the_end.push_async_callback(database.close)
        processes = []
        for _ in range(3):
            connection = await connect(valkey.url)
            at_the_end.push_async_callback(connection.close)
            processes.append(Process(database, connection))
        await connection.read(("FLUSHALL",))
        await Sites(database).create(
            key="studio", name="Studio", zone="Europe/Berlin", currency="EUR", at=datetime.now(UTC)
        )
        await processes[0].reconciliation.ensure_loaded("studio")
        await processes[0].change_capacity(4)
        processes[0].catalog.forget_all()  # it has loaded an empty site, and nobody follows the feed yet
        following = [asyncio.create_task(process.availability.follow("tenuto")) for process in processes[:2]]
        yield Pair(*processes)
        for task in following:
            task.cancel()
        await asyncio.wait(following)
        for process in processes:
            process.hub.goodbye()


async def test_a_seat_held_in_one_process_is_gone_in_the_other(pair: Pair) -> None:
    await pair.until_they_agree()
    offered = await pair.one.offered()

    await pair.one.hold("anna", offered[0], offered[5])

    slots = {slot["id"]: slot for slot in (await pair.until_they_agree())["slots"]}
    assert slots[offered[0].slot.id]["left"] == 3
    assert slots[offered[5].slot.id]["held"] == 1
    assert slots[offered[5].slot.id]["frees_at"] is not None
    assert slots[offered[1].slot.id]["left"] == 4


async def test_a_changed_schedule_is_known_to_every_process(pair: Pair) -> None:
    await pair.until_they_agree()

    await pair.one.change_capacity(7)

    assert {slot["capacity"] for slot in (await pair.until_they_agree())["slots"]} == {7}


async def test_widgets_of_both_processes_see_the_seat_move(pair: Pair) -> None:
    papers = []
    for process in (pair.one, pair.other):
        feed_id = (await process.month())["feed_id"]
        (await process.availability.watch("studio", feed_id, "anna")).open(paper := Paper())
        papers.append(paper)

    await pair.one.hold("ben", (await pair.one.offered())[2])
    await pair.until_they_agree()
    await asyncio.sleep(0.05)

    assert [paper.news[-1] for paper in papers] == ["seats", "seats"]


async def test_after_redis_was_wiped_everyone_reads_again_and_all_agree(pair: Pair, valkey: Valkey) -> None:
    (await pair.other.availability.watch("studio", None, "anna")).open(paper := Paper())
    await pair.one.hold("anna", (await pair.one.offered())[0])
    before = await pair.until_they_agree()
    connection = await connect(valkey.url)

    await connection.read(("FLUSHALL",))
    await connection.close()
    await asyncio.sleep(1.2)

    after = await pair.until_they_agree()
    assert after["epoch"] > before["epoch"]
    assert {slot["left"] for slot in after["slots"]} == {4}
    assert "reset" in paper.news


async def test_whatever_visitors_did_both_say_what_a_fresh_read_says(pair: Pair) -> None:
    chance, held = random.Random(7), list[str]()  # noqa: S311
    for step in range(150):
        process = chance.choice((pair.one, pair.other))
        match chance.randrange(6):
            case 0 | 1 | 2:
                slots = chance.sample(await process.offered(), chance.randint(1, 3))
                held += await _held(process, f"visitor-{step}", *slots)
            case 3 if held:
                await process.release(held.pop(chance.randrange(len(held))))
            case 4:
                await process.month(FIRST + timedelta(days=chance.randrange(3)), LAST)
            case 5 if step % 5 == 0:
                await process.change_capacity(chance.randint(2, 6))
        if step % 30 == 29:
            await pair.until_they_agree()

    assert any(slot["held"] for slot in (await pair.until_they_agree())["slots"])


async def _held(process: Process, name: str, *slots: OfferedSlot) -> list[str]:
    try:
        await process.hold(name, *slots)
    except (SlotFull, StaleSchedule):
        return []
    return [name]
