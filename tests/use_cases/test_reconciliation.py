"""What a worker does by itself: ends holds and pins on time, whatever else is in its way."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.house import SITE, House, refused, slot
from tests.use_cases.working import (
    A_SECOND,
    WITHIN_S,
    booked_and_held,
    eventually,
    has_logged,
    reconciliation,
    until,
    working,
)
from widget_server.domain.holds import Line
from widget_server.engine import keys, sweeping
from widget_server.errors import Unavailable
from widget_server.store.bookings import Bookings
from widget_server.use_cases import reconciliation as module

pytestmark = pytest.mark.anyio


async def test_the_worker_ends_a_hold_on_time(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    async with working(house):
        await asyncio.sleep(0.1)
        await house.advance(timedelta(minutes=10) - A_SECOND / 2)
        ben = house.guest()
        await ben.hold((slot(), 2))  # wakes the worker, which sleeps by its own watch
        assert await until(house, booked=0, held=2) < 1.5


async def test_the_worker_gives_up_a_pin_within_seconds(house: House) -> None:
    """Of a process that was killed between its pin and its record."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    async with working(house):
        await house.pin(anna, window=A_SECOND)

        assert await until(house, booked=0, held=0) < 3
    refused(await anna.confirm(), 410, "hold_ended")


async def test_two_workers_do_no_harm(house: House, another: House) -> None:
    guests = [house.guest() for _ in range(6)]
    async with working(house), working(another):
        for guest in guests:
            await guest.hold()
        for guest in guests[:3]:
            await house.pin(guest, window=A_SECOND)
        await asyncio.gather(*(guest.confirm() for guest in guests[3:]))
        await until(house, booked=3, held=0)
    assert await house.booked_in_sql() == 3


async def test_a_pin_that_ended_while_sql_was_away_is_given_up_within_seconds_of_its_return(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> None:
        raise Unavailable("The database is not there just now.")

    anna = house.guest()
    await anna.hold((slot(), 2))
    async with working(house):
        with capture_logs() as logs, monkeypatch.context() as away:
            away.setattr(Bookings, "give_up", gone)
            await house.pin(anna, window=A_SECOND)
            await eventually(lambda: has_logged(logs, "not_resolved_yet"))

        assert await until(house, booked=0, held=0) < WITHIN_S


async def test_a_pin_that_has_its_time_is_not_given_up_for_an_earlier_one_that_had_none_left(house: House) -> None:
    """The worker is about to look after the first, just when that payment fails, and anna pays once more."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    first = await house.pin(anna, attempt="first", window=A_SECOND)
    await house.advance(A_SECOND * 2)
    site = await house.site()
    swept = await house.engine.sweep("tenuto", retry=A_SECOND)
    assert swept.to_resolve == ((SITE, anna.id),)
    await house.store.give_up(site.id, anna.id, first.fence)
    await house.engine.unpin(site, anna.id, fence=first.fence, release=False)
    await house.pin(anna)

    await reconciliation(house)._delivery.resolve(*swept.to_resolve[0])
    assert await booked_and_held(house) == (0, 2)
    assert (await anna.confirm()).status_code == 201


async def test_a_pin_of_a_site_that_is_gone_does_not_stop_the_others(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna, window=A_SECOND)
    await house.redis.read(("ZADD", keys.of_partition("tenuto").due, 1, "nobody/AAAAAAAAAAAAAAAAAAAAAA"))
    await house.advance(A_SECOND * 2)

    await reconciliation(house).sweep("tenuto")
    assert await booked_and_held(house) == (0, 0)


async def test_a_pin_while_redis_is_being_filled_is_resolved_afterwards(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna, window=A_SECOND)
    await house.advance(A_SECOND * 2)
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", A_SECOND)
    await reconciliation(house).sweep("tenuto")

    await house.advance(A_SECOND * 10)
    await reconciliation(house).ensure_loaded(SITE)
    await reconciliation(house).sweep("tenuto")
    assert await booked_and_held(house) == (0, 0)


async def test_trouble_that_nobody_foresaw_does_not_end_the_worker(house: House) -> None:
    due = keys.of_partition("tenuto").due
    async with working(house):
        with capture_logs() as logs:
            await house.redis.read(("SET", due, "no set"))
            await eventually(lambda: has_logged(logs, "worker_failed"))
        await house.redis.read(("DEL", due))
        await house.guest().hold()
        await house.advance(timedelta(minutes=11))

        await until(house, booked=0, held=0)


async def test_a_clock_that_steps_is_logged_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward, or back, whence it goes on from where it was: either way it is ahead of ours by then."""
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.1)
    with capture_logs() as logs:
        async with working(house):
            await house.advance(A_SECOND * 3)
            await eventually(lambda: has_logged(logs, "redis_clock_stepped"))
            await asyncio.sleep(0.3)
    assert [log["ahead_s"] for log in logs if log["event"] == "redis_clock_stepped"] == [3]


async def test_more_holds_than_a_sweep_takes_at_once_all_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_MAX", 128)
    many = 192
    site, schedule = await house.site(), (await house.parts.use_cases.catalog.find(SITE)).schedule
    offered = [schedule.find(slot(day=number // 4, number=number % 4)) for number in range(many)]
    for number, one in enumerate(offered):
        assert one is not None
        await house.engine.hold(
            site,
            [Line(one.slot, 1)],
            [one],
            schedule_version=schedule.version,
            id=f"hold{number}",
            secret_hash="secret",
            visitor=str(number),
            network=str(number),
        )
    await house.advance(timedelta(minutes=11))

    assert await reconciliation(house).sweep("tenuto") == many
    assert await reconciliation(house).sweep("tenuto") == 0


async def test_holds_end_on_time_while_sql_does_not_answer_for_a_pin(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def hangs(*_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))
    await ben.hold()
    monkeypatch.setattr(Bookings, "give_up", hangs)
    async with working(house):
        await house.pin(anna, window=A_SECOND)
        await asyncio.wait_for(asked.wait(), WITHIN_S)

        await house.advance(timedelta(minutes=10))
        await house.guest().hold()  # wakes the worker
        assert await until(house, booked=0, held=3) < WITHIN_S
