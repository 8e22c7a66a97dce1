import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import hiredis
import pytest
from redis import Redis

from tests.engine.box import YOGA, Box, Recorded
from tests.engine.certificates import Certificates, made_in
from tests.engine.fleets import until
from tests.engine.proxies import Proxy
from tests.engine.servers import OnPort, Valkey, free_port
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState, Line
from widget_server.engine import scripts
from widget_server.engine.connection import Connection, address_of, connect
from widget_server.engine.hash_slots import SLOTS
from widget_server.engine.wire import LONG_BYTES, Address, pack
from widget_server.errors import Fault, Unavailable

pytestmark = pytest.mark.anyio

HASTE_S, TICK_S = 0.4, 0.05


def hasty(url: str) -> Connection:
    """With less patience than a second, where the server is there and says no each time."""
    return Connection(address_of(url), patience_s=HASTE_S)


async def told(connection: Connection) -> None:
    """What a check says, once anybody has said anything: on a busy machine those in haste may give up before."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Unavailable):
                return await connection.check()


class Stopwatch:
    """How long something takes by the clock, and as this process saw it: while it stood still, nobody could go on."""

    by_clock_s = seen_s = 0.0

    async def __aenter__(self) -> Self:
        self._began_at_s = time.monotonic()
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        self.by_clock_s = time.monotonic() - self._began_at_s

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.seen_s += TICK_S


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


async def test_a_long_call_leaves_before_the_end_of_its_tick(box: Box, redis_url: str) -> None:
    """So Redis works at it while we put the next together."""
    async with box.connection.waiting("{tenuto}:feed", silence_max_s=10) as wire:
        with Redis.from_url(redis_url) as other:
            answer = wire.send(pack("SET", "long", "x" * LONG_BYTES))

            until = time.monotonic() + 60
            while not other.exists("long"):  # nothing is awaited: the tick goes on
                assert time.monotonic() < until
            other.delete("long")
        assert await answer == "OK"


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


@pytest.mark.parametrize("redis_url", ["valkey"], indirect=True)
async def test_a_redis_that_never_answers_is_given_up_in_time(proxy: Proxy) -> None:
    connection = await connect(proxy.url)
    await connection.read(("PING",))
    proxy.speaks.clear()

    async with Stopwatch() as watch:
        with pytest.raises(Unavailable):
            await connection.read(("PING",))
    assert watch.by_clock_s > 0.9
    assert watch.seen_s < 2

    proxy.speaks.set()
    assert await connection.read(("PING",)) == ["PONG"]
    await connection.close()


@pytest.mark.parametrize("redis_url", ["valkey"], indirect=True)
async def test_a_process_that_stood_still_reads_what_redis_has_answered_meanwhile(redis_url: str) -> None:
    connection = hasty(redis_url)
    await told(connection)

    call = asyncio.create_task(connection.read(("PING",)))
    for _ in range(3):  # it leaves
        await asyncio.sleep(0)
    time.sleep(HASTE_S * 1.5)  # noqa: ASYNC251
    assert await call == ["PONG"]
    await connection.close()


async def test_without_redis_calls_are_refused_in_about_a_second() -> None:
    connection = await connect("unix:///nowhere/at/all.sock")

    async with Stopwatch() as watch:
        refused = await asyncio.gather(*(connection.read(("PING",)) for _ in range(100)), return_exceptions=True)

    assert {type(refusal) for refusal in refused} == {Unavailable}
    assert watch.by_clock_s > 0.9
    assert watch.seen_s < 2
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


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://localhost", "localhost:6379", "redis://localhost:port", "redis://localhost/first"),
        *("redis://localhost?retry=1", "rediss://localhost?ssl_ca_certs=/nowhere.pem", "redis+tls://localhost"),
    ],
)
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
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("protection", "login"), [("--requirepass sesame", ":guess@"), ("--requirepass sesame", ""), ("", ":sesame@")]
)
async def test_a_refused_password_is_told_as_what_it_is(
    protection: str, login: str, caplog: pytest.LogCaptureFixture
) -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = Valkey(Path(folder), *protection.split())
        server.start()
        connection = hasty(f"unix://{login}{folder}/redis.sock")
        try:
            with pytest.raises(Unavailable):
                await connection.read(("GET", "where"))
            with pytest.raises(Fault, match=r"^Redis refuses the password: .*TENUTO_REDIS_URL\.$"):
                await told(connection)
            assert "Redis refuses the password" in caplog.text
            assert "guess" not in caplog.text
        finally:
            await connection.close()
            server.stop()


async def test_the_permissions_that_the_documents_name_are_enough() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations-redis.md").read_text("utf-8")
    named = re.search(r"^user tenuto (.*)$", text, re.MULTILINE)
    assert named is not None
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = Valkey(Path(folder), "--user", "tenuto", *named[1].split(), "--user", "default", "off")
        server.start()
        connection = Recorded(Address(f"unix://tenuto:password@{folder}/redis.sock"))
        try:
            await connection.check()
            box = Box(connection)
            await box.fill()
            await box.hold("anna")
            await box.pin("anna")
            await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=1)
            await box.sweep()
            assert (await box.seats()).booked == 1
            with pytest.raises(Fault, match="NOPERM"):
                await connection.read(("FLUSHALL",))
        finally:
            await connection.close()
            server.stop()


async def test_a_database_that_is_not_there_is_told_in_one_sentence(valkey: Valkey) -> None:
    connection = hasty(f"{valkey.url}?db=999")

    with pytest.raises(Fault, match=r"Redis does not let us in: ERR DB index is out of range\."):
        await told(connection)
    await connection.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secret_redis(certificates: Certificates) -> Iterator[str]:
    """Where Debian's Redis listens with TLS; the server of the wheel has none."""
    port = free_port()
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = OnPort(Path(folder), *certificates.of_server, "--tls-port", str(port), server="redis-server")
        server.start()
        yield f"127.0.0.1:{port}"
        server.kill()


async def test_tls_with_an_authority_and_a_certificate_of_ones_own(
    secret_redis: str, certificates: Certificates
) -> None:
    connection = await connect(f"rediss://{secret_redis}/2?{certificates.in_url}")

    await connection.check()
    assert await connection.read(("SET", "where", "here"), ("GET", "where")) == ["OK", "here"]
    async with connection.waiting("where", silence_max_s=1) as wire:
        assert await wire.ask("PING") == "PONG"
    await connection.close()


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(secret_redis: str) -> None:
    connection = hasty(f"rediss://{secret_redis}")

    with pytest.raises(Unavailable):
        await connection.read(("PING",))
    with pytest.raises(Fault, match="The certificate of Redis is not to be trusted"):
        await told(connection)
    await connection.close()


async def test_a_certificate_for_another_host_is_not_trusted(secret_redis: str, certificates: Certificates) -> None:
    connection = hasty(f"rediss://{secret_redis.replace('127.0.0.1', 'localhost')}?{certificates.in_url}")

    with pytest.raises(Fault, match="The certificate of Redis is not to be trusted"):
        await told(connection)
    await connection.close()


async def test_tls_through_sentinels_and_in_a_cluster(certificates: Certificates) -> None:
    ports = {name: free_port() for name in ("master", "sentinel", "cluster")}
    with TemporaryDirectory(prefix="tenuto-") as folder, ExitStack() as at_the_end:

        def start(name: str, *options: str, settings: Path | None = None) -> OnPort:
            (Path(folder) / name).mkdir()
            tls = (*certificates.of_server, "--tls-replication", "yes", "--tls-port", str(ports[name]))
            server = OnPort(Path(folder) / name, *tls, *options, server="redis-server", settings=settings)
            at_the_end.callback(server.kill)
            server.start()
            return server

        settings = Path(folder) / "sentinel.conf"
        settings.write_text(f"sentinel monitor seats 127.0.0.1 {ports['master']} 1\n")
        start("master")
        start("sentinel", "--sentinel", settings=settings)
        of_cluster = ("--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-port", str(free_port()))
        cluster = start("cluster", *of_cluster)
        cluster.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        until(lambda: "cluster_state:ok" in cluster.ask("CLUSTER", "INFO"))

        for url in (f"+sentinel://127.0.0.1:{ports['sentinel']}/seats", f"+cluster://127.0.0.1:{ports['cluster']}"):
            connection = await connect(f"rediss{url}?{certificates.in_url}")
            await connection.check()
            assert await connection.read(("SET", "{tenuto}:where", "here")) == ["OK"]
            await connection.close()


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
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", 1),
        (b"-MISCONF Errors writing to the AOF file: No space left on device\r\n", 1),
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
