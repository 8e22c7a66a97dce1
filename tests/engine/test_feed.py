import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.box import HOLD_LENGTH, LATE_YOGA, MASSAGE, YOGA, Box, Recorded
from tests.engine.proxies import Proxy
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.holds import Line
from widget_server.domain.slots import Seats
from widget_server.engine import feed as module
from widget_server.engine.feed import ENTRIES_MIN, Feed, Lost, Trimmed, Unreadable
from widget_server.engine.scripts import load_all
from widget_server.engine.wire import Address

pytestmark = pytest.mark.anyio

FEED, KEPT = "{tenuto}:feed", "{tenuto}:kept"


@pytest.fixture
def short_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a feed in which nothing new comes. For whoever is to be woken by what comes they stay as long as they are."""
    monkeypatch.setattr(module, "BLOCK_MS", 100)


async def take(news: AsyncIterator[list[Update] | Lost], count: int) -> list[Update]:
    """The next updates; none of them lost."""
    taken: list[Update] = []
    async with asyncio.timeout(60):
        while len(taken) < count:
            batch = await anext(news)
            assert isinstance(batch, list)
            taken += batch
    return taken


async def somebody_waits(box: Box) -> None:
    """For what comes next in the feed, and is at it already."""
    async with asyncio.timeout(60):
        while "blocked_clients:0" in (await box.connection.read(("INFO", "clients")))[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_updates_come_in_their_order_with_absolute_figures(box: Box) -> None:
    from_id = await box.feed.last_id("tenuto")
    hold = await box.hold("anna", Line(YOGA, 2), MASSAGE)
    pin = await box.pin("anna")
    await box.commit("anna", BookedSeats(YOGA, 2, 1), BookedSeats(MASSAGE, 1, 1), fence=pin.fence)
    await box.engine.raise_schedule(box.site, 2)
    await box.engine.settle(box.site, 2)

    updates = await take(box.feed.follow("tenuto", from_id), 5)

    held, pinned, committed, raised, settled = updates
    assert isinstance(held, SeatsMoved)
    assert (held.site_key, held.epoch, held.cause, held.hold_ids) == ("studio", 1, "hold", ("anna",))
    assert held.deadline == hold.expires_at
    assert held.seats[0] == (YOGA.id, Seats(held=2, version=1, frees_at=hold.expires_at))
    assert isinstance(pinned, SeatsMoved)
    assert (pinned.cause, pinned.deadline) == ("pin", pin.resolve_by)
    assert isinstance(committed, SeatsMoved)
    assert committed.seats == ((YOGA.id, Seats(booked=2, version=3)), (MASSAGE.id, Seats(booked=1, version=3)))
    assert raised == ScheduleMoved("studio", raised.feed_id, 1, 2, settled=False)
    assert settled == ScheduleMoved("studio", settled.feed_id, 1, 2, settled=True)
    assert updates == await box.feed.tail("tenuto", 5)


async def test_without_an_id_it_is_followed_from_now_on(box: Box) -> None:
    await box.hold("anna")
    news = box.feed.follow("tenuto")
    first = asyncio.create_task(take(news, 1))
    await somebody_waits(box)
    await box.hold("ben")

    (update,) = await first

    assert isinstance(update, SeatsMoved)
    assert update.hold_ids == ("ben",)


async def test_what_was_trimmed_away_unread_is_not_passed_over_in_silence(box: Box) -> None:
    last_id = await box.feed.last_id("tenuto")
    for name in ("anna", "ben", "cleo"):
        await box.hold(name)
    await box.connection.read(("XTRIM", FEED, "MAXLEN", 1))

    news = box.feed.follow("tenuto", last_id)

    assert await anext(news) == Lost(await box.feed.last_id("tenuto"))
    await box.hold("dora")
    (update,) = await take(news, 1)
    assert isinstance(update, SeatsMoved)
    assert update.hold_ids == ("dora",)


@pytest.mark.usefixtures("short_reads")
async def test_a_feed_that_is_gone_is_noticed_though_nothing_new_comes(box: Box) -> None:
    news = box.feed.follow("tenuto", await box.feed.last_id("tenuto"))
    waiting = asyncio.ensure_future(_but_silence(news))
    await somebody_waits(box)

    await box.connection.read(("FLUSHALL",))

    async with asyncio.timeout(60):
        assert await waiting == Lost("0-0")
    await box.fill()
    (update,) = await take(news, 1)
    assert isinstance(update, SiteReset)


async def _but_silence(news: AsyncIterator[list[Update] | Lost]) -> list[Update] | Lost:
    """The first that is told; on a busy machine a short read may have ended before."""
    return await anext(told async for told in news if told != [])


async def test_a_feed_that_began_anew_is_noticed_at_its_first_entry(box: Box) -> None:
    news = box.feed.follow("tenuto", await box.feed.last_id("tenuto"))
    waiting = asyncio.ensure_future(_but_silence(news))
    await somebody_waits(box)

    await box.connection.read(("FLUSHALL",))
    await box.fill()

    async with asyncio.timeout(60):
        assert isinstance(await waiting, Lost)


FULL = 4
"""In place of the 200,000 entries of real life."""


async def hold_all(box: Box, *names: str) -> str:
    """The place in the feed then."""
    for name in names:
        await asyncio.sleep(0.003)  # no two entries of the same id, also where the feed has begun anew
        await box.hold(name, LATE_YOGA)
    return await box.feed.last_id("tenuto")


@pytest.mark.usefixtures("short_reads")
async def test_who_was_only_too_slow_hears_that_entries_have_made_room(box: Box) -> None:
    """Redis has forgotten nothing else: that is no reason to count everything anew."""
    box.capacity = 100
    last_id = await hold_all(box, "anna")
    newest = await hold_all(box, "ben", "cleo", "dora", "emil", "fred")
    await box.connection.read(("XTRIM", FEED, "MAXLEN", FULL))
    slow = Feed(box.connection, entries_min=FULL)

    news = slow.follow("tenuto", last_id)
    assert await anext(news) == Trimmed(newest)
    await box.hold("gus")
    (update,) = await take(news, 1)
    assert isinstance(update, SeatsMoved)
    assert update.hold_ids == ("gus",)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await anext(slow.losses("tenuto", last_id))


async def rolled_back(box: Box) -> None:
    """To what was kept of it then."""
    await box.connection.read(("COPY", KEPT, FEED, "REPLACE"))


async def rolled_back_and_written_on(box: Box) -> None:
    await rolled_back(box)
    await hold_all(box, *"abcdefg")
    assert await box.connection.read(("XLEN", FEED)) >= [FULL]


async def emptied(box: Box) -> None:
    await box.connection.read(("FLUSHALL",))


async def emptied_and_written_anew(box: Box) -> None:
    await emptied(box)
    await asyncio.sleep(0.003)
    await box.fill()
    await hold_all(box, "a")


@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize("forget", [rolled_back, rolled_back_and_written_on, emptied, emptied_and_written_anew])
async def test_a_redis_that_has_forgotten_something_has_not_made_room(
    box: Box, forget: Callable[[Box], Awaitable[None]]
) -> None:
    """However full its feed is by then."""
    box.capacity = 100
    feed = Feed(box.connection, entries_min=FULL)
    await hold_all(box, "anna", "ben")
    await box.connection.read(("COPY", FEED, KEPT))
    last_id = await hold_all(box, "cleo")

    await forget(box)

    assert await anext(feed.follow("tenuto", last_id)) == Lost(await feed.last_id("tenuto"))
    async with asyncio.timeout(60):
        assert await anext(feed.losses("tenuto", last_id)) == Lost(await feed.last_id("tenuto"))


def test_a_feed_keeps_as_many_entries_as_its_followers_believe() -> None:
    kept = {
        found for script in load_all() for found in re.findall(r"'XADD', feed_key, 'MAXLEN', (.+?), '\*'", script.text)
    }
    assert kept == {f"'~', '{ENTRIES_MIN}'"}


@pytest.mark.usefixtures("short_reads")
async def test_who_only_looks_for_losses_hears_of_each_and_of_nothing_else(box: Box) -> None:
    losses = box.feed.losses("tenuto", await box.feed.last_id("tenuto"))
    waiting = asyncio.ensure_future(anext(losses))
    for name in ("anna", "ben", "cleo"):
        await box.hold(name)
    await box.connection.read(("XADD", FEED, "*", "colour", "red"))
    await asyncio.sleep(0.4)
    assert not waiting.done()

    for _ in range(2):
        await asyncio.sleep(0.01)  # no two entries of the same id
        # In one go: a read that ends in between would see nothing at all.
        anew = (("MULTI",), ("DEL", FEED), ("XADD", FEED, "*", "colour", "red"), ("EXEC",))
        await box.connection.read(*anew)
        async with asyncio.timeout(60):
            assert await waiting == Lost(await box.feed.last_id("tenuto"))
        waiting = asyncio.ensure_future(anext(losses))
    waiting.cancel()


async def test_an_update_that_cannot_be_read_is_told_as_a_gap_and_passed(box: Box) -> None:
    news = box.feed.follow("tenuto", await box.feed.last_id("tenuto"))
    await box.hold("anna")
    await box.connection.read(("XADD", FEED, "*", "colour", "red"))
    unreadable_id = await box.feed.last_id("tenuto")

    assert await anext(news) == Unreadable(unreadable_id)
    await box.hold("ben")
    (update,) = await take(news, 1)
    assert isinstance(update, SeatsMoved)
    assert update.hold_ids == ("ben",)
    assert await box.feed.tail("tenuto", 5) == [update]


async def test_a_lost_connection_misses_nothing(box: Box, redis_url: str) -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server, own = Path(redis_url.removeprefix("unix://")), Path(folder) / "proxy.sock"
        async with Proxy(server, own).running() as proxy:
            connection = Recorded(Address(proxy.url))
            news = Feed(connection).follow("tenuto", await box.feed.last_id("tenuto"))
            await box.hold("anna")
            assert len(await take(news, 1)) == 1
            proxy.hang_up()
            await box.hold("ben")
            proxy.hang_up()
            await box.hold("cleo")

            updates = await take(news, 2)

            assert [update.hold_ids for update in updates if isinstance(update, SeatsMoved)] == [("ben",), ("cleo",)]
            await connection.close()


@pytest.fixture
def asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever sleeps through a deadline is awake a second later, which a busy machine takes, too."""
    monkeypatch.setattr(module, "BLOCK_MS", 40_000)
    monkeypatch.setattr(module, "SILENCE_MAX_S", 60.0)


@pytest.mark.usefixtures("asked_seldom")
async def test_the_worker_sleeps_until_its_deadline(box: Box) -> None:
    began = time.monotonic()

    await box.feed.wait_until("tenuto", await box.now() + timedelta(milliseconds=300))

    assert 0.28 < time.monotonic() - began < 20


@pytest.mark.usefixtures("asked_seldom")
async def test_the_worker_is_woken_by_an_earlier_deadline(box: Box) -> None:
    waiting = asyncio.create_task(box.feed.wait_until("tenuto", await box.now() + timedelta(hours=1)))
    await somebody_waits(box)

    await box.hold("anna")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await box.advance(HOLD_LENGTH)
    await box.engine.settle(box.site, 1)

    async with asyncio.timeout(20):
        await waiting


@pytest.mark.usefixtures("asked_seldom")
async def test_the_worker_does_not_sleep_while_something_is_due(box: Box) -> None:
    await box.hold("anna")
    await box.advance(HOLD_LENGTH)

    async with asyncio.timeout(20):
        await box.feed.wait_until("tenuto", None)
