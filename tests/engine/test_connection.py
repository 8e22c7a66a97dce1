import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import hiredis
import pytest

from tests.engine.box import YOGA, Box, Recorded
from tests.engine.proxies import Proxy
from tests.engine.servers import Valkey
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState, Line
from widget_server.engine import scripts
from widget_server.engine.connection import connect
from widget_server.engine.wire import Address, pack
from widget_server.errors import Fault, Unavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        async with Proxy(Path(redis_url.removeprefix("unix://")), Path(folder) / "proxy.sock").running() as proxy:
            yield proxy


@pytest.fixture
async def far_box(box: Box, proxy: Proxy) -> AsyncIterator[Box]:
    """The same site, reached through the proxy, and connected already."""
    connection = Recorded(Address(proxy.url))
    await connection.read(("PING",))
    yield Box(connection)
    await connection.close()


async def test_calls_of_one_tick_leave_together_and_are_answered_each(box: Box, far_box: Box, proxy: Proxy) -> None:
    far_box.capacity = 100

    holds = await asyncio.gather(*(far_box.hold(f"visitor {number}") for number in range(100)))

    assert {hold.id for hold in holds} == {f"visitor {number}" for number in range(100)}
    assert (await box.seats()).held == 100
    assert proxy.accepted == 1


async def test_a_hold_whose_answer_was_lost_is_held_once(box: Box, far_box: Box, proxy: Proxy) -> None:
    proxy.replies_to_lose = 3

    hold = await far_box.hold("anna", Line(YOGA, 2))

    assert proxy.replies_to_lose == 0
    assert hold.state is HoldState.HELD
    seats = await box.seats()
    assert (seats.held, seats.version) == (2, 1)


async def test_each_verb_is_done_once_though_its_answer_was_lost(box: Box, far_box: Box, proxy: Proxy) -> None:
    async def while_answers_are_lost(verb: Callable[[], Awaitable[object]]) -> None:
        # The first lost answer is that of the read before the script, the second that of the script itself.
        proxy.replies_to_lose = 2
        await verb()
        assert proxy.replies_to_lose == 0
        versions.append((await box.seats()).version)

    versions: list[int] = []
    booked = BookedSeats(YOGA, 1, 1)
    await far_box.hold("anna")
    await far_box.hold("ben")
    await while_answers_are_lost(lambda: far_box.renew("anna", version=1))
    await while_answers_are_lost(lambda: far_box.pin("anna"))
    await while_answers_are_lost(lambda: far_box.unpin("anna", fence=1))
    await far_box.pin("anna", attempt="second")
    await while_answers_are_lost(lambda: far_box.commit("anna", booked, fence=2))
    await while_answers_are_lost(lambda: far_box.release("ben"))

    assert versions == [3, 4, 5, 7, 8]


async def test_a_change_of_schedule_whose_answer_was_lost_has_won_all_the_same(far_box: Box, proxy: Proxy) -> None:
    proxy.replies_to_lose = 1

    assert await far_box.engine.raise_schedule(far_box.site, 2)
    assert not await far_box.engine.raise_schedule(far_box.site, 2)


async def test_a_redis_that_never_answers_is_given_up_in_time(proxy: Proxy) -> None:
    connection = await connect(proxy.url)
    await connection.read(("PING",))
    proxy.speaks.clear()
    began = time.monotonic()

    with pytest.raises(Unavailable):
        await connection.read(("PING",))
    assert 0.9 < time.monotonic() - began < 3

    proxy.speaks.set()
    assert await connection.read(("PING",)) == ["PONG"]
    await connection.close()


async def test_without_redis_calls_are_refused_in_about_a_second() -> None:
    connection = await connect("unix:///nowhere/at/all.sock")
    began = time.monotonic()

    refused = await asyncio.gather(*(connection.read(("PING",)) for _ in range(100)), return_exceptions=True)

    assert {type(refusal) for refusal in refused} == {Unavailable}
    assert 0.9 < time.monotonic() - began < 2
    await connection.close()


async def test_a_caller_who_goes_away_disturbs_nobody(far_box: Box) -> None:
    anna = asyncio.create_task(far_box.hold("anna"))
    ben = asyncio.create_task(far_box.hold("ben"))
    await asyncio.sleep(0)
    anna.cancel()

    assert (await ben).id == "ben"
    assert (await far_box.hold("cleo")).id == "cleo"


async def test_a_flushed_script_cache_goes_unnoticed(box: Box) -> None:
    await box.connection.read(("SCRIPT", "FLUSH"))

    assert (await box.hold("anna")).state is HoldState.HELD
    assert (await box.hold("ben")).state is HoldState.HELD


async def test_a_script_cache_flushed_in_the_middle_of_a_pipeline_goes_unnoticed(box: Box) -> None:
    await box.hold("anna")

    _, _, ben, cleo = await asyncio.gather(
        box.hold("anna"), box.connection.read(("SCRIPT", "FLUSH")), box.hold("ben"), box.hold("cleo")
    )

    assert {ben.state, cleo.state} == {HoldState.HELD}
    assert (await box.seats()).held == 3


async def test_a_group_keeps_its_order_though_only_its_second_script_is_known(box: Box) -> None:
    await box.connection.read(("SCRIPT", "FLUSH"), ("SCRIPT", "LOAD", scripts.load("pin").text))

    assert (await box.hold_and_pin("anna", Line(YOGA, 1))).fence == 1


async def test_scripts_are_loaded_before_the_first_call(redis_url: str, box: Box) -> None:
    await box.connection.read(("SCRIPT", "FLUSH"))
    other = await connect(redis_url)

    known = (await other.read(("SCRIPT", "EXISTS", *(script.sha for script in scripts.load_all()))))[0]

    assert known == [1] * len(scripts.load_all())
    await other.close()


@pytest.mark.parametrize("url", ["", "http://localhost", "localhost:6379"])
async def test_a_url_that_is_none_is_told_in_one_sentence(url: str) -> None:
    with pytest.raises(Fault, match="TENUTO_REDIS_URL"):
        await connect(url)


async def test_a_password_and_a_database_of_the_url_are_used() -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = Valkey(Path(folder), "--requirepass", "open sesame")
        server.start()
        try:
            connection = await connect(f"unix://:open%20sesame@{folder}/redis.sock?db=3")
            await connection.read(("SET", "where", "here"))
            (info,) = await connection.read(("INFO", "keyspace"))
            assert "db3:keys=1" in info
            await connection.close()
            guess = await connect(f"unix://:guess@{folder}/redis.sock")
            with pytest.raises(Unavailable):
                await guess.read(("PING",))
            await guess.close()
        finally:
            server.stop()


@asynccontextmanager
async def scripted(*answers: bytes, to: bytes = b"GET") -> AsyncIterator[tuple[str, list[int]]]:
    """A server of a few lines: its URL, and how many connections it took. It answers each GET with the next answer."""
    taken, left = [0], list(answers)
    gone: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken[0] += 1
        end, commands = asyncio.Event(), hiredis.Reader()
        gone.append(end)
        with suppress(ConnectionError):
            while words := await reader.read(65536):
                commands.feed(words)
                while command := commands.gets():
                    writer.write(left.pop(0) if command[0] == to else b"+OK\r\n")
        writer.transport.abort()
        end.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"redis://{host}:{port}/0", taken
    for end in gone:
        await end.wait()
    server.close()


@pytest.mark.parametrize(
    ("trouble", "connections"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", 1),
        (b"-BUSY Redis is busy running a script.\r\n", 1),
        (b"-READONLY You can't write against a read only replica.\r\n", 3),
        (b"?what is this\r\n", 3),
    ],
)
async def test_a_redis_that_is_busy_with_itself_is_asked_again(trouble: bytes, connections: int) -> None:
    async with scripted(trouble, trouble, b"$4\r\nhere\r\n") as (url, taken):
        connection = await connect(url)

        assert await connection.read(("GET", "where")) == ["here"]

        assert taken[0] == connections
        await connection.close()


async def test_a_redis_that_will_do_passes_the_check(valkey: Valkey) -> None:
    connection = await connect(valkey.url)
    await connection.check()
    await connection.close()


async def test_a_redis_that_evicts_is_told_in_one_sentence(valkey: Valkey) -> None:
    connection = await connect(valkey.url)
    await connection.read(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))

    try:
        with pytest.raises(Fault, match="noeviction"):
            await connection.check()
    finally:
        await connection.read(("CONFIG", "SET", "maxmemory-policy", "noeviction"))
        await connection.close()


async def test_an_old_redis_is_told_in_one_sentence() -> None:
    async with scripted(b"$22\r\nredis_version:6.2.14\r\n\r\n", b"$0\r\n\r\n", to=b"INFO") as (url, _):
        connection = await connect(url)

        with pytest.raises(Fault, match=r"Redis 6\.2\.14 is too old"):
            await connection.check()
        await connection.close()


async def test_a_call_that_redis_does_not_know_is_a_fault_and_no_refusal(box: Box) -> None:
    with pytest.raises(Fault, match="unknown command"):
        await box.connection.read(("SELL", "twice"))


def test_words_are_packed_as_redis_wants_them() -> None:
    assert pack("SET", b"key", 7) == b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1\r\n7\r\n"
