"""What Redis has forgotten is noticed, counted anew once, and pins that lost their end get it from SQL."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from tests.house import SITE, House, slot
from tests.use_cases.working import (
    A_SECOND,
    WITHIN_S,
    booked_and_held,
    eventually,
    has_logged,
    open_epoch,
    reconciliation,
    until,
    working,
)
from widget_server.domain.events import Update
from widget_server.domain.sites import Site
from widget_server.engine import keys
from widget_server.engine.feed import Feed
from widget_server.engine.reservations import Reservations
from widget_server.errors import Unavailable
from widget_server.store.attempts import Attempts
from widget_server.use_cases import rebuilding
from widget_server.use_cases import reconciliation as module
from widget_server.use_cases.restoring import TAKEOVER_AFTER

pytestmark = pytest.mark.anyio


async def test_a_feed_that_lost_its_last_entry_is_a_redis_to_be_counted_anew(house: House) -> None:
    """As after a failover to a replica that was behind."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    async with working(house):
        epoch = (await house.site()).epoch
        await house.rewind(slot())
        await house.redis.read(("DEL", keys.of_partition("tenuto").feed))
        await until(house, booked=2, held=0)
        assert (await house.site()).epoch == epoch + 1


async def test_of_all_who_notice_a_loss_at_once_one_fills_and_the_others_see_it(house: House, another: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    noticed = await Feed(house.redis).last_id("tenuto")
    epoch = (await house.site()).epoch

    for _ in range(3):
        await lose_the_end(house)
        await asyncio.gather(*(notice(process, noticed) for process in (house, another)))
        await asyncio.gather(*(look_after(process) for process in (house, another)))
        epoch += 1
        assert await open_epoch(house) == (await house.site()).epoch == epoch
        assert await booked_and_held(house) == (2, 0)
        noticed = await Feed(house.redis).last_id("tenuto")


async def test_without_a_look_at_when_the_filling_began_each_of_them_fills(
    house: House, another: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control group."""
    monkeypatch.setattr(rebuilding, "is_after", lambda *_: False)
    await house.guest().hold()
    noticed, epoch = await Feed(house.redis).last_id("tenuto"), (await house.site()).epoch
    await lose_the_end(house)

    for process in (house, another):
        await notice(process, noticed)
    assert (await house.site()).epoch == epoch + 2


async def test_a_filling_that_began_before_the_loss_does_not_count(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await reconciliation(house).fill(SITE)
    noticed, epoch = await Feed(house.redis).last_id("tenuto"), (await house.site()).epoch
    await lose_the_end(house)

    await notice(house, noticed)
    assert (await house.site()).epoch == epoch + 1
    assert await booked_and_held(house) == (2, 0)


async def test_a_loss_during_a_filling_is_filled_once_more_when_that_is_done(house: House) -> None:
    """What it had restored before may be lost as well."""
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER * 10)
    await house.parts.sites.raise_epoch(site.id)
    await house.found("other")
    noticed = await Feed(house.redis).last_id("tenuto")
    await house.redis.read(("DEL", keys.of_partition("tenuto").feed))

    await notice(house, noticed)
    assert await house.engine.open(site, "somebody", site.schedule_version)
    await look_after(house)
    assert await open_epoch(house) == site.epoch + 2


async def test_web_processes_look_after_a_loss_that_no_worker_hears_of_and_one_of_them_fills(
    house: House, another: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a widget that has read what is lost would go on showing it."""
    monkeypatch.setattr(module, "WORKERS_FIRST_S", (0.2, 0.3))

    async def have_heard() -> bool:
        last_id = await Feed(house.redis).last_id("tenuto")
        return all(process.parts.use_cases.availability._followed_to.get("tenuto") == last_id for process in webs)

    async def are_about_to_stand_in() -> bool:
        return all(reconciliation(process).has_to_stand_in("tenuto") for process in webs)

    async def are_done() -> bool:
        return not any(reconciliation(process).has_to_stand_in("tenuto") for process in webs)

    webs = (house, another)
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    epoch = (await house.site()).epoch
    await eventually(have_heard)

    await lose_the_end(house)
    await eventually(are_about_to_stand_in)
    await eventually(are_done)
    assert await booked_and_held(house) == (2, 0)
    assert await open_epoch(house) == (await house.site()).epoch == epoch + 1


async def test_a_web_process_that_stood_still_for_long_leaves_all_gates_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had read last has made room for newer entries. Nobody else notices, and nothing is filled anew."""
    availability, goes_on = house.parts.use_cases.availability, asyncio.Event()
    take_in = availability._take_in

    async def stand_still(partition: str, updates: Sequence[Update]) -> None:
        await goes_on.wait()
        await take_in(partition, updates)

    async def has_begun_anew() -> bool:
        return await has_logged(logs, "feed_read_too_late")

    monkeypatch.setattr(availability._feed, "_entries_min", 5)
    monkeypatch.setattr(availability, "_take_in", stand_still)
    epoch, anna = (await house.site()).epoch, house.guest()
    for _ in range(5):
        await anna.hold((slot(), 2))
        await anna.release()
        anna = house.guest()
    await house.redis.read(("XTRIM", keys.of_partition("tenuto").feed, "MAXLEN", 5))
    with capture_logs() as logs:
        goes_on.set()
        await eventually(has_begun_anew)

    assert not reconciliation(house).has_to_stand_in("tenuto")
    await look_after(house)
    assert await open_epoch(house) == (await house.site()).epoch == epoch


async def lose_the_end(house: House) -> None:
    await house.rewind(slot())
    await house.redis.read(("DEL", keys.of_partition("tenuto").feed))


async def notice(process: House, feed_id: str) -> None:
    """As when this entry, which it has read last, is gone."""
    reconciliation(process)._lost["tenuto"].add(feed_id)
    await look_after(process)


async def look_after(process: House) -> None:
    await reconciliation(process)._look_after("tenuto")


def kept(house: House) -> dict[bytes, bytes]:
    """All that Redis keeps, but for the feed."""
    with Redis.from_url(house.redis_url) as redis:
        return {key: redis.dump(key) for key in redis.scan_iter() if not key.endswith(b":feed")}


def put_back(house: House, before: dict[bytes, bytes]) -> None:
    with Redis.from_url(house.redis_url) as redis, redis.pipeline() as at_once:
        at_once.flushall()
        for key, value in before.items():
            at_once.restore(key, 0, value)
        at_once.execute()


@pytest.mark.parametrize("end", ["confirmed", "given up"])
async def test_a_pin_that_lost_its_end_gets_it_from_sql_at_once(house: House, end: str) -> None:
    """SQL has decided, Redis had been told, and so has the outbox: nobody else would look before the window is over."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    pin = await house.pin(anna)
    async with working(house):
        before = kept(house)
        if end == "confirmed":
            await anna.confirm()
            await house.deliver()
        else:
            await house.store.give_up((await house.site()).id, anna.id, pin.fence)
            await house.engine.unpin(await house.site(), anna.id, fence=pin.fence, release=True)
        put_back(house, before)

        booked = 2 if end == "confirmed" else 0
        assert await until(house, booked=booked, held=0) < WITHIN_S


@pytest.mark.parametrize(("where", "what"), [(Attempts, "waits"), (Reservations, "commit")], ids=["SQL", "Redis"])
async def test_where_something_is_away_just_then_it_gets_it_at_the_next_look(
    house: House, monkeypatch: pytest.MonkeyPatch, where: type, what: str
) -> None:
    async def is_away(*_: Any, **__: Any) -> None:
        raise Unavailable("It is away for a moment.")

    anna = house.guest()
    await anna.hold((slot(), 2))
    await house.pin(anna)
    before = kept(house)
    await anna.confirm()
    await house.deliver()
    put_back(house, before)
    with monkeypatch.context() as patched:
        patched.setattr(where, what, is_away)
        await look_after(house)
    assert await booked_and_held(house) == (0, 2)

    await look_after(house)
    assert await booked_and_held(house) == (2, 0)


async def test_a_pin_without_an_outcome_keeps_its_time_after_a_loss(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await house.pin(anna)

    noticed = await Feed(house.redis).last_id("tenuto")
    await house.redis.read(("DEL", keys.of_partition("tenuto").feed))
    await notice(house, noticed)

    assert await booked_and_held(house) == (0, 2)
    assert (await anna.look()).json()["hold"]["state"] == "paying"
    assert (await anna.confirm()).status_code == 201


async def test_what_redis_forgot_while_no_worker_ran_is_found_when_one_starts(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await house.rewind(slot())

    async with working(house):
        assert await booked_and_held(house) == (2, 0)


async def test_a_loss_that_cannot_be_mended_at_once_is_not_forgotten(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    async with working(house):
        site = await house.site()
        await house.engine.rebuild(site, site.epoch, "somebody", TAKEOVER_AFTER)
        await house.redis.read(("DEL", keys.of_partition("tenuto").feed))
        await asyncio.sleep(A_SECOND.total_seconds() * 1.5)
        assert await house.engine.open(site, "somebody", site.schedule_version)
        await house.rewind(slot())

        await until(house, booked=2, held=0)


async def test_watching_goes_on_while_a_loss_cannot_be_looked_after(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQL is away. Else another loss, a moment after the first, would be seen by nobody."""

    async def away(_partition: str) -> list[Site]:
        raise Unavailable("The database is not there just now. Please try again.")

    async def noticed_another() -> bool:
        ben = house.guest()
        await ben.hold()
        await ben.release()
        await house.redis.read(("DEL", keys.of_partition("tenuto").feed))
        return len(lost) > len(noticed)

    lost = reconciliation(house)._lost["tenuto"]
    noticed: set[str] = set()
    monkeypatch.setattr(reconciliation(house)._sites, "of_partition", away)
    watching = asyncio.create_task(reconciliation(house)._watch_for_losses("tenuto"))
    try:
        await eventually(noticed_another)
        noticed = set(lost)
        await eventually(noticed_another)
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def test_updates_of_a_newer_version_fill_nothing(house: House) -> None:
    feed = keys.of_partition("tenuto").feed
    async with working(house):
        epoch = (await house.site()).epoch
        await house.redis.read(("XADD", feed, "*", "colour", "red"))
        await asyncio.sleep(1.2)
        assert (await house.site()).epoch == epoch
