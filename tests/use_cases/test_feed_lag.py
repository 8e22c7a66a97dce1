"""How soon open widgets are told of a change: what was told, what waits, and since when, by Redis's clock."""

import asyncio
import re
from collections.abc import Callable, Sequence

import pytest

from tests.house import House
from tests.web.desks import desk_in
from tests.web.test_admin_bookings import book
from widget_server.domain.events import Update
from widget_server.use_cases import reliability
from widget_server.use_cases.feed_lag import Lag

pytestmark = pytest.mark.anyio

LATE_MS = 400


async def lag_of(house: House) -> Lag:
    found = await house.parts.use_cases.feed_lag.of("tenuto")
    assert found is not None
    return found


async def until(house: House, is_so: Callable[[Lag], bool]) -> Lag:
    async with asyncio.timeout(60):
        while True:
            found = await lag_of(house)
            if is_so(found):
                return found
            await asyncio.sleep(0.01)


async def until_told(house: House) -> Lag:
    return await until(house, lambda lag: not lag.waiting and lag.told_after_ms is not None)


async def shown(house: House) -> str:
    async with desk_in(house) as desk:
        page = (await desk.get("/reliability")).text
    told = re.search(r"Delay of news</dt><dd>(.*?)</dd>", page)
    assert told is not None
    return told[1]


async def test_a_change_that_was_told_says_how_long_that_took(house: House) -> None:
    await book(house)

    found = await until_told(house)

    assert (found.waiting, found.waiting_ms) == (0, 0)
    assert not (await house.parts.use_cases.reliability.report(await house.site())).is_late
    assert re.fullmatch(
        r"The last change was told [\d.]+ (ms|seconds) after it happened. Nothing waits.", await shown(house)
    )
    metrics = (await house.client.get("/metrics")).text
    assert 'tenuto_feed_waiting{partition="tenuto"} 0.0' in metrics
    assert 'tenuto_feed_told_after_seconds{partition="tenuto"}' in metrics


async def test_a_follower_that_is_late_is_seen_to_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await book(house)
    await until_told(house)
    availability, go_on = house.parts.use_cases.availability, asyncio.Event()
    take_in = availability._take_in

    async def late(partition: str, updates: Sequence[Update]) -> None:
        await go_on.wait()
        await take_in(partition, updates)

    monkeypatch.setattr(availability, "_take_in", late)
    await book(house, "Ben Oak")

    behind = await until(house, lambda lag: lag.waiting_ms >= 2 * LATE_MS)

    assert behind.waiting >= 3, "a hold, a pin and a booking"
    assert re.fullmatch(r"\d+ changes behind; the first of them happened .* ago.", await shown(house))
    assert (
        f'tenuto_feed_waiting{{partition="tenuto"}} {float(behind.waiting)}'
        in (await house.client.get("/metrics")).text
    )

    monkeypatch.setattr(reliability, "LATE_MS", LATE_MS)
    report = await house.parts.use_cases.reliability.report(await house.site())
    assert (report.is_late, report.is_well) == (True, False)

    go_on.set()
    assert ((await until_told(house)).told_after_ms or 0) >= LATE_MS


async def test_while_changes_are_not_heard_nothing_is_said(house: House) -> None:
    house.parts.use_cases.availability._forget("tenuto")

    assert await house.parts.use_cases.feed_lag.of("tenuto") is None
    assert await shown(house) == "Not known."
