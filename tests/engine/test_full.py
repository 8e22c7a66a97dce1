"""A Redis without any memory left: nothing more is taken, and whatever ends gives back what it had."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from hiredis import ReplyError

from tests.engine.box import HOLD_LENGTH, LATE_YOGA, MASSAGE, YOGA, Box, Recorded
from tests.engine.test_claims import PIA, by, diary
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.holds import HoldState, Line
from widget_server.engine.connection import Connection
from widget_server.engine.mending import Mending, SlotMending
from widget_server.engine.wire import Address
from widget_server.errors import NotFound, Unavailable

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def memory_of(redis: Connection, bytes_max: int) -> AsyncIterator[None]:
    await redis.read(("CONFIG", "SET", "maxmemory", bytes_max))
    try:
        yield
    finally:
        await redis.read(("CONFIG", "SET", "maxmemory", 0))


@pytest.fixture
async def impatient(redis_url: str, box: Box) -> AsyncIterator[Box]:
    """The same site, by a process that does not wait for better times."""
    other = Box(Recorded(Address(redis_url), patience_s=0.3), box.site)
    yield other
    await other.connection.close()


async def test_a_full_redis_takes_nothing_and_nothing_is_half_done(box: Box, impatient: Box) -> None:
    await box.hold("anna", YOGA)
    before = await box.seats(), await box.feed.last_id("tenuto"), await box.connection.read(("DBSIZE",))

    async with memory_of(box.connection, 1):
        for refused in (
            partial(impatient.hold, "ben", YOGA, MASSAGE),
            partial(impatient.pin, "anna"),
            partial(impatient.renew, "anna", version=1),
        ):
            with pytest.raises(Unavailable, match="OOM"):
                await told(refused)

        assert (await box.seats(), await box.feed.last_id("tenuto"), await box.connection.read(("DBSIZE",))) == before
    with pytest.raises(NotFound):
        await box.find("ben")
    assert (await box.hold("ben", YOGA, MASSAGE)).state is HoldState.HELD


async def test_whatever_ends_in_a_full_redis_gives_back_what_it_had(box: Box) -> None:
    box.capacity = 100
    box.needs[MASSAGE] = by(PIA, of=MASSAGE, seats=100)
    await box.hold("dora", YOGA, MASSAGE)
    await box.advance(HOLD_LENGTH - MINUTE)
    for name in ("anna", "ben", "cleo", "emma"):
        await box.hold(name, Line(YOGA, 2), MASSAGE)
    for name in ("ben", "cleo", "emma"):
        await box.pin(name)
    await box.advance(2 * MINUTE)

    async with memory_of(box.connection, 1):
        await box.release("anna")
        assert (await box.sweep()).ended == 1
        await box.unpin("ben", fence=1, release=True)
        await box.unpin("cleo", fence=1)
        assert await box.commit("emma", BookedSeats(YOGA, 2, 1), BookedSeats(MASSAGE, 1, 1), fence=1) == "COMMITTED"
        await box.engine.set_booked(box.site, [BookedSeats(LATE_YOGA, 1, 1)])

        states = [(await box.find(name)).state for name in ("anna", "ben", "cleo", "dora", "emma")]
        held = await box.seats(YOGA), await box.seats(MASSAGE)
        await box.counts_are_right()
    ended = [HoldState.RELEASED, HoldState.RELEASED, HoldState.HELD, HoldState.EXPIRED, HoldState.CONFIRMED]
    assert states == ended
    assert [(seats.held, seats.booked) for seats in held] == [(2, 2), (1, 1)]
    assert sorted(await diary(box, PIA, MASSAGE)) == ["cleo", "emma"]


async def test_a_site_whose_filling_has_begun_is_filled_to_its_end(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    box.site = replace(box.site, epoch=2)

    async with memory_of(box.connection, 1):
        await box.fill([BookedSeats(YOGA, 3, 5), BookedSeats(MASSAGE, 1, 2)])

        assert [(await box.seats(of)).booked for of in (YOGA, MASSAGE)] == [3, 1]
        await box.release("anna")
        assert (await box.seats(YOGA)).held == 0


async def test_who_serves_what_is_cancelled_is_free_again(box: Box) -> None:
    serves = Assignment("anna", PIA, MASSAGE, MASSAGE.starts_at, MASSAGE.ends_at, 1)
    await box.engine.assign(box.site, [serves])
    assert await diary(box, PIA, MASSAGE) == ["anna"]

    async with memory_of(box.connection, 1):
        assert await box.engine.assign(box.site, [replace(serves, is_freed=True)]) == 1
    assert await diary(box, PIA, MASSAGE) == []


async def test_what_is_wrong_in_a_full_redis_is_mended(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    (slot_key,) = (await box.connection.read(("KEYS", "*:slot:*")))[0]
    await box.connection.read(("ZADD", slot_key, "+inf", "nobody:1"))

    async with memory_of(box.connection, 1):
        wrong = SlotMending(YOGA, 0, 0, 0, (("nobody", 1),))
        assert await Mending(box.connection).slots(box.site, [wrong]) == 1
    assert (await box.seats()).held == 2


async def test_a_redis_that_was_filled_by_holds_has_room_again_once_they_end(box: Box, impatient: Box) -> None:
    box.capacity = impatient.capacity = 10_000
    (memory,) = await box.connection.read(("INFO", "memory"))
    used = next(int(line.partition(":")[2]) for line in memory.splitlines() if line.startswith("used_memory:"))

    async with memory_of(box.connection, used + 200_000):
        count = await holds_until_full(impatient)
        assert (await box.seats()).held == count
        for number in range(count):
            await box.release(f"visitor-{number}")

        assert (await box.seats()).held == 0
        assert (await box.hold("anna")).state is HoldState.HELD


async def holds_until_full(box: Box) -> int:
    for number in range(2_000):
        try:
            await told(partial(box.hold, f"visitor-{number}"))
        except Unavailable:
            return number
    pytest.fail("it has too much memory")


async def told(act: Callable[[], Awaitable[object]]) -> None:
    """Raises Unavailable once Redis has said why: on a busy machine the impatient may leave before it says anything."""
    async with asyncio.timeout(60):
        while True:
            try:
                await act()
            except Unavailable as refusal:
                if isinstance(refusal.__cause__, ReplyError):
                    raise Unavailable(str(refusal.__cause__)) from refusal
            else:
                return
