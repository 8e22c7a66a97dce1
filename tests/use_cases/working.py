"""A worker beside a house, and ways to wait for what it does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import Any

from tests.house import House
from widget_server.domain.slots import Slot
from widget_server.engine.inspection import Inspection
from widget_server.errors import Loading
from widget_server.store.audit import Audits
from widget_server.use_cases.reconciliation import Reconciliation

PATIENCE_S = 30.0
WITHIN_S = 8.0
"""Five seconds by our clocks, and what a busy machine takes."""
A_SECOND = timedelta(seconds=1)


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """While a worker runs that has looked at everything once, as it does when it starts, and at what seemed wrong once
    more: that first time after a moment only, as nobody is in the midst of anything then.
    """
    auditing = reconciliation(house).auditing
    again_after_s, auditing.look_again_after_s = auditing.look_again_after_s, 0.1
    before = await Audits(house.parts.database).last_rounds()

    async def has_looked() -> bool:
        return await Audits(house.parts.database).last_rounds() != before

    worker = asyncio.create_task(reconciliation(house).run("tenuto"))
    try:
        await eventually(has_looked)
        auditing.look_again_after_s = again_after_s
        yield
    finally:
        worker.cancel()
        await asyncio.wait([worker])


def reconciliation(house: House) -> Reconciliation:
    return house.parts.use_cases.reconciliation


async def open_epoch(house: House) -> int | None:
    """In which Redis knows the site, if it does."""
    (epoch,) = await Inspection(house.redis).epochs([await house.site()])
    return epoch


async def booked_and_held(house: House, of: Slot | None = None) -> tuple[int, int]:
    seats = await house.seats(of)
    return seats.booked, seats.held


async def until(house: House, booked: int, held: int) -> float:
    """How many seconds it took until Redis counts so many."""

    async def counts() -> bool:
        with suppress(Loading):
            return await booked_and_held(house) == (booked, held)
        return False

    began_at_s = monotonic()
    await eventually(counts)
    return monotonic() - began_at_s


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.01)


async def has_logged(logs: Sequence[MutableMapping[str, Any]], event: str) -> bool:
    return any(log["event"] == event for log in logs)
