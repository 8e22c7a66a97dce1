"""Sites spread over the servers of a Cluster, in one web process and one worker, which follow those that come later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.fleets import Sharded
from tests.house import SITE, House, opened, slot
from tests.live.test_hub import Paper
from widget_server.engine import keys
from widget_server.engine.connection import Connection, address_of
from widget_server.engine.hash_slots import spread_tags
from widget_server.errors import Fault, Unavailable

pytestmark = pytest.mark.anyio

PATIENCE_S = 30.0


@pytest.fixture
async def cluster() -> AsyncIterator[Sharded]:
    with TemporaryDirectory(prefix="tenuto-") as folder, Sharded(Path(folder)) as cluster:
        yield cluster


@pytest.fixture
async def house(cluster: Sharded, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(cluster.url, sqlite_template, tmp_path) as house:
        yield house


async def test_sites_that_come_later_are_served_followed_and_swept_like_the_first_and_all_stay_where_they_are(
    cluster: Sharded, house: House
) -> None:
    worker = asyncio.create_task(house.parts.in_each_partition(house.parts.use_cases.reconciliation.run))
    sites = [await house.site(SITE), await house.found("second"), await house.found("third")]
    assert [site.partition for site in sites] == list(spread_tags()[:3])
    assert len({cluster.owner(site.partition).port for site in sites}) > 1

    for site in sites:
        await eventually(partial(hears, house, site.key))
        anna, ben = house.guest(site.key), house.guest(site.key)
        assert (await anna.hold((slot(), 2))).status_code == 201
        assert (await anna.confirm()).status_code == 201
        assert (await ben.hold((slot(number=1), 3))).status_code == 201
        await move_clock(house, site.partition, by=timedelta(minutes=11))
        await house.guest(site.key).hold((slot(number=2), 1))  # wakes the worker, which sleeps by its own watch
        await eventually(partial(is_swept, house, site.key))

    assert set((await house.parts.use_cases.readiness.ask()).values()) == {"ok"}
    await house.change_settings(name="Another name")
    assert (await house.site()).partition == sites[0].partition
    worker.cancel()
    await asyncio.wait([worker])


async def test_while_one_server_is_away_a_process_is_ready_for_the_sites_of_the_others(
    sqlite_template: Path, tmp_path: Path
) -> None:
    """Else a proxy that asks would take all processes out, also for sites that are served."""
    with TemporaryDirectory(prefix="tenuto-") as folder, ExitStack() as at_the_end:
        cluster = at_the_end.enter_context(Sharded(Path(folder), "--cluster-require-full-coverage", "no"))
        async with opened(cluster.url, sqlite_template, tmp_path) as house:
            sites = [await house.site(SITE), await house.found("second"), await house.found("third")]
            for site in sites:
                await eventually(partial(hears, house, site.key))
            gone = cluster.owner(sites[0].partition)
            served = next(site for site in sites if cluster.owner(site.partition) is not gone)
            gone.kill()

            async def is_noted() -> bool:
                notes = (await house.client.get("/readyz")).json().get("notes", {})
                return gone.place in notes.get("redis", "") and sites[0].partition in notes.get("feed", "")

            await eventually(is_noted)
            answer = await house.client.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (200, "ready")
            assert (await house.guest(served.key).hold()).status_code == 201
            assert (await house.guest(sites[0].key).hold()).status_code == 503
            patient = Connection(address_of(cluster.url), patience_s=60.0)
            async with asyncio.timeout(20):  # a proxy has less: who is away is not waited for
                await patient.check()
                with pytest.raises(Fault, match=gone.place):
                    await patient.miss_none()
            await patient.close()

            for master in cluster.masters:
                if master is not gone:
                    master.kill()

            async def is_red() -> bool:
                return (await house.client.get("/readyz")).status_code == 503

            await eventually(is_red)


async def hears(house: House, site_key: str) -> bool:
    """Whether widgets of this site are told of a seat that moves."""
    paper = Paper()
    (await house.parts.use_cases.availability.watch(site_key, None, "home")).open(paper)
    guest = house.guest(site_key)
    with suppress(Unavailable):
        await guest.hold((slot(number=3), 1))
        for _ in range(20):
            await asyncio.sleep(0.02)
            if "seats" in paper.news:
                await guest.release()
                return True
        await guest.release()
    return False


async def is_swept(house: House, site_key: str) -> bool:
    site, of = await house.site(site_key), slot(number=1)
    with suppress(Unavailable):
        reading = await house.engine.seats_of_days(site, of.service, [of.starts_at.date()])
        return reading.seats[of.id].held == 0
    return False


async def move_clock(house: House, partition: str, *, by: timedelta) -> None:
    clock = keys.of_partition(partition).clock
    await house.redis.read(("HINCRBY", clock, "offset", by // timedelta(milliseconds=1)))


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)
