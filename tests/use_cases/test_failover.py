"""A failover that loses what the replica never got: SQL's wall stands, it is noticed, and all is counted anew."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.engine.fleets import Watched
from tests.house import SITE, House, opened, refused, slot
from widget_server.domain.slots import Slot
from widget_server.engine import keys
from widget_server.errors import Unavailable
from widget_server.store.audit import Audits

pytestmark = pytest.mark.anyio

PATIENCE_S = 30.0
REPLICATING = ("--user", "copier", "on", ">sesame", "+psync", "+replconf", "+ping")
AS_COPIER = ("--masteruser", "copier", "--masterauth", "sesame")
YOGA, LATE_YOGA, LAST_YOGA = slot(), slot(number=1), slot(number=2)


@pytest.fixture
async def servers() -> AsyncIterator[Watched]:
    with TemporaryDirectory(prefix="tenuto-") as folder, Watched(Path(folder), *REPLICATING, *AS_COPIER) as servers:
        yield servers


@pytest.fixture
async def house(servers: Watched, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(servers.url, sqlite_template, tmp_path) as house:
        yield house


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """While a worker runs that has looked at everything once, as it does when it starts."""
    before = await Audits(house.parts.database).last_rounds()
    worker = asyncio.create_task(house.parts.in_each_partition(house.parts.use_cases.reconciliation.run))

    async def has_looked() -> bool:
        return await Audits(house.parts.database).last_rounds() != before

    try:
        await eventually(has_looked)
        yield
    finally:
        worker.cancel()
        await asyncio.wait([worker])


def cut(servers: Watched) -> None:
    """From here on the replica gets nothing, and everybody else is served as before."""
    assert servers.one.ask("WAIT", 1, 5000) == 1
    servers.one.ask("ACL", "SETUSER", "copier", "off")
    servers.one.ask("CLIENT", "KILL", "TYPE", "replica")


async def test_what_a_failover_forgot_is_not_sold_twice(servers: Watched, house: House) -> None:
    """No worker runs: nobody but SQL's wall stands between the visitors and the seats of others."""
    anna, ben, cleo = house.guest(), house.guest(), house.guest()
    await anna.hold((YOGA, 6))
    await anna.confirm()
    cut(servers)
    await ben.hold((YOGA, 6))
    await ben.confirm("Ben Oak")
    servers.one.kill()
    refusal = await cleo.hold((YOGA, 6))
    refused(refusal, 503, "unavailable")
    assert refusal.headers["retry-after"] == "2"
    await eventually(lambda: is_served(house))
    assert (await house.seats(YOGA)).booked == 6, "Redis believes that Ben's seats are free"

    assert (await cleo.hold((YOGA, 6))).status_code == 201
    refused(await cleo.confirm("Cleo Ray"), 409, "slot_full")
    assert (await house.seats(YOGA)).booked == 12, "and knows better from then on"
    assert await house.booked_in_sql(YOGA) == 12
    assert (await ben.order()).json()["order"]["state"] == "paid"


async def test_what_a_failover_forgot_is_noticed_and_counted_anew(servers: Watched, house: House) -> None:
    anna, ben, cleo, dora, erik, fay = (house.guest() for _ in range(6))
    async with working(house):
        await anna.hold((YOGA, 2))
        await anna.confirm()
        await dora.hold((LAST_YOGA, 1))
        await dora.confirm("Dora Lee")
        await erik.hold((LATE_YOGA, 2))
        await house.pin(erik)
        await fay.hold((LATE_YOGA, 1))
        cut(servers)
        await ben.hold((YOGA, 3))
        await ben.confirm("Ben Oak")
        await cleo.hold((YOGA, 1))
        await dora.cancel()
        await erik.confirm("Erik Moss")
        await house.pin(fay)

        with capture_logs() as logs:
            servers.one.kill()
            await eventually(lambda: is_served(house))
            await eventually(lambda: agrees(house, [YOGA, LATE_YOGA, LAST_YOGA]))
            await eventually(
                lambda: has_settled(logs)
            )  # Erik's pin, whose end was forgotten, long before its window is over

        assert "redis_lost_updates" in {log["event"] for log in logs}
        assert [await house.booked_in_sql(of) for of in (YOGA, LATE_YOGA, LAST_YOGA)] == [5, 2, 0]
        refused(await cleo.look(), 404, "not_found")
        assert (await cleo.hold((YOGA, 1))).status_code == 201
        assert (await fay.confirm("Fay Hill")).status_code == 201
        for guest in (anna, ben, erik, fay):
            assert (await guest.order()).json()["order"]["state"] == "paid"
        await eventually(lambda: has_no_pin(house))
        assert (await house.seats(LATE_YOGA)).held == 0
        await eventually(lambda: agrees(house, [YOGA, LATE_YOGA, LAST_YOGA]))


async def has_settled(logs: Sequence[MutableMapping[str, Any]]) -> bool:
    return any(log["event"] == "pin_settled" for log in logs)


async def is_served(house: House) -> bool:
    with suppress(Unavailable):
        await house.seats()
        return True
    return False


async def agrees(house: House, slots: Sequence[Slot]) -> bool:
    """Whether Redis counts as many seats booked as SQL, of each slot."""
    with suppress(Unavailable):
        return [(await house.seats(of)).booked for of in slots] == [await house.booked_in_sql(of) for of in slots]
    return False


async def has_no_pin(house: House) -> bool:
    of_site = keys.of_site("tenuto", SITE)
    for of in (YOGA, LATE_YOGA, LAST_YOGA):
        (lines,) = await house.redis.read(("ZRANGE", of_site.seats(of.id)[1], 0, -1, "WITHSCORES"))
        if "inf" in lines[1::2]:
            return False
    return True


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)
