import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.engine.servers import Valkey
from tests.use_cases.office import NOW, Office, open_office
from widget_server.domain.sites import Site
from widget_server.engine.connection import connect
from widget_server.engine.reservations import Reservations
from widget_server.errors import Changed, Loading, NotFound, Unavailable
from widget_server.use_cases.scheduling import ScheduleStore, Scheduling, Write

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Office]:
    office = open_office(tmp_path, sqlite_template)
    yield office
    await office.database.close()


async def nothing(session: AsyncSession) -> None:
    """A change that changes only the version."""


async def test_the_gate_is_raised_before_sql_and_told_when_sql_has_it(office: Office) -> None:
    site = await office.found("studio")
    seen: list[tuple[int, list[int]]] = []

    async def write(session: AsyncSession) -> None:
        seen.append((office.gate.schedule, list(office.gate.settled)))

    version = await office.scheduling.change(site, write)

    assert version == 2
    assert seen == [(2, [])], "while SQL was being written the gate was up already, and nobody had been told it is done"
    assert office.gate.settled == [2]
    assert (await office.again(site)).schedule_version == 2


async def test_what_is_held_is_looked_at_between_the_gate_and_sql_and_again_by_whoever_was_overtaken(
    office: Office,
) -> None:
    site = await office.found("studio")
    slow = Overtaken(office.schedules, times=1)
    looked: list[tuple[int, int]] = []

    async def look(present: Site) -> Write:
        looked.append((present.schedule_version, office.gate.schedule))
        return nothing

    version = await Scheduling(gate=office.gate, sites=office.stored, schedules=slow).change_after(site, look)

    assert looked == [(1, 2), (2, 3)]
    assert version == 3


async def test_a_look_that_refuses_leaves_sql_with_the_gate(office: Office) -> None:
    site = await office.found("studio")

    async def look(_: Site) -> Write:
        raise Changed("Somebody holds a seat of it.")

    with pytest.raises(Changed):
        await office.scheduling.change_after(site, look)
    assert (await office.again(site)).schedule_version == 2 == office.gate.schedule


async def test_two_changes_at_once_both_happen_one_after_the_other(office: Office) -> None:
    site = await office.found("studio")
    written: list[str] = []

    def writes(name: str) -> Write:
        async def write(session: AsyncSession) -> None:
            written.append(name)

        return write

    versions = await asyncio.gather(*(office.scheduling.change(site, writes(name)) for name in ("anna", "ben")))

    assert sorted(versions) == [2, 3]
    assert sorted(written) == ["anna", "ben"]
    assert (await office.again(site)).schedule_version == 3 == office.gate.schedule


async def test_a_gate_that_somebody_left_ahead_is_caught_up_with_an_empty_change(office: Office) -> None:
    site = await office.found("studio")
    await office.gate.raise_schedule(site, 2)

    version = await office.scheduling.change(site, nothing)

    assert version == 3
    assert office.gate.settled == [2, 3]


async def test_catching_up_waits_for_somebody_who_is_only_slow(office: Office) -> None:
    site = await office.found("studio")
    await office.gate.raise_schedule(site, 2)

    waiting = asyncio.create_task(office.scheduling.catch_up(site, 2))
    await asyncio.sleep(0.05)
    assert await office.schedules.change(site.id, from_version=1, to_version=2)
    await waiting

    assert office.gate.settled == [], "there was nothing left to do"


async def test_catching_up_twice_is_as_good_as_once(office: Office) -> None:
    site = await office.found("studio")
    await office.gate.raise_schedule(site, 2)

    await asyncio.gather(office.scheduling.catch_up(site, 2), office.scheduling.catch_up(site, 2))
    await office.scheduling.catch_up(site, 2)

    assert (await office.again(site)).schedule_version == 2
    assert office.gate.settled == [2]


async def test_whoever_was_slow_loses_to_the_empty_change_and_starts_over(office: Office) -> None:
    site = await office.found("studio")
    slow = Overtaken(office.schedules, times=1)
    written: list[str] = []

    async def write(session: AsyncSession) -> None:
        written.append("anna")

    version = await Scheduling(gate=office.gate, sites=office.stored, schedules=slow).change(site, write)

    assert version == 3
    assert written == ["anna"]


async def test_losing_again_and_again_ends_in_unavailable(office: Office) -> None:
    site = await office.found("studio")
    slow = Overtaken(office.schedules, times=100)

    with pytest.raises(Unavailable):
        await Scheduling(gate=office.gate, sites=office.stored, schedules=slow).change(site, nothing)


async def test_a_change_that_is_refused_leaves_sql_with_the_gate(office: Office) -> None:
    site = await office.found("studio")

    async def refuse(session: AsyncSession) -> None:
        raise Changed("Somebody was faster.")

    with pytest.raises(Changed):
        await office.scheduling.change(site, refuse)
    assert (await office.again(site)).schedule_version == 2 == office.gate.schedule


async def test_without_redis_nothing_changes(office: Office) -> None:
    site = await office.found("studio")
    office.gate.is_gone = True

    with pytest.raises(Unavailable):
        await office.scheduling.change(site, nothing)
    assert (await office.again(site)).schedule_version == 1


async def test_a_change_counts_though_redis_went_away_after_it(office: Office) -> None:
    site = await office.found("studio")

    async def write(session: AsyncSession) -> None:
        office.gate.is_gone = True

    assert await office.scheduling.change(site, write) == 2


async def test_a_site_that_does_not_exist_is_not_found(office: Office, tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = open_office(tmp_path / "elsewhere", sqlite_template)
    site = await elsewhere.found("nowhere")
    await elsewhere.database.close()

    with pytest.raises(NotFound):
        await office.scheduling.change(site, nothing)


@pytest.fixture
async def engine(empty_valkey: Valkey) -> AsyncIterator[Reservations]:
    connection = await connect(empty_valkey.url)
    yield Reservations(connection)
    await connection.close()


async def test_the_engine_follows_every_change(office: Office, engine: Reservations) -> None:
    site = await office.found("studio")
    assert await engine.rebuild(site, site.epoch, "first", timedelta(seconds=30)) is None
    assert await engine.open(site, "first", site.schedule_version)
    scheduling = Scheduling(gate=engine, sites=office.stored, schedules=office.schedules)

    versions = await asyncio.gather(*(scheduling.change(site, nothing) for _ in range(3)))

    assert sorted(versions) == [2, 3, 4]
    assert (await office.again(site)).schedule_version == 4
    assert (await engine.seats_of_days(site, "yoga", [NOW.date()])).schedule_version == 4


async def test_while_redis_is_empty_the_schedule_stays_as_it_is(office: Office, engine: Reservations) -> None:
    site = await office.found("studio")
    scheduling = Scheduling(gate=engine, sites=office.stored, schedules=office.schedules)

    with pytest.raises(Loading):
        await scheduling.change(site, nothing)
    assert (await office.again(site)).schedule_version == 1


async def test_a_change_begins_again_where_redis_was_filled_anew_since_the_gate_was_raised(
    office: Office, engine: Reservations
) -> None:
    """Otherwise the new gate would never hear of it, and go on with the old schedule."""
    site = await office.found("studio")
    assert await engine.rebuild(site, site.epoch, "first", timedelta(seconds=30)) is None
    assert await engine.open(site, "first", site.schedule_version)

    async def lose_all() -> None:
        await engine._connection.read(("FLUSHALL",))
        epoch = await office.stored.raise_epoch(site.id)
        assert await engine.rebuild(site, epoch, "second", timedelta(seconds=30)) is None
        assert await engine.open(site, "second", site.schedule_version)

    version = await Scheduling(
        gate=engine, sites=office.stored, schedules=Interrupted(office.schedules, lose_all)
    ).change(site, nothing)

    assert (await office.again(site)).schedule_version == version
    assert (await engine.seats_of_days(site, "yoga", [NOW.date()])).schedule_version == version


class Interrupted:
    """A store before which something else happens, once."""

    def __init__(self, schedules: ScheduleStore, happens: Callable[[], Awaitable[None]]) -> None:
        self._schedules = schedules
        self._happens = [happens]

    async def change(
        self, site_id: int, *, from_version: int, to_version: int, epoch: int, write: Write | None = None
    ) -> bool:
        if self._happens:
            await self._happens.pop()()
        return await self._schedules.change(
            site_id, from_version=from_version, to_version=to_version, epoch=epoch, write=write
        )


class Overtaken:
    """A store in which somebody else is always a little faster."""

    def __init__(self, schedules: ScheduleStore, *, times: int) -> None:
        self._schedules = schedules
        self._times = times

    async def change(
        self, site_id: int, *, from_version: int, to_version: int, epoch: int, write: Write | None = None
    ) -> bool:
        change = partial(self._schedules.change, site_id, from_version=from_version, to_version=to_version, epoch=epoch)
        if self._times > 0:
            self._times -= 1
            await change()
        return await change(write=write)
