"""A master that goes away: its Sentinels choose its replica, and we follow, whatever we thought before."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.box import LATE_YOGA, Box, Recorded
from tests.engine.fleets import NAME, Watched, until
from tests.engine.servers import OnPort
from tests.engine.test_connection import told
from widget_server.domain.holds import HoldState
from widget_server.engine.connection import Connection, address_of, connect
from widget_server.engine.feed import Lost
from widget_server.engine.sentinel import SentinelAddress, Told
from widget_server.engine.server import Server
from widget_server.engine.wire import Reply
from widget_server.errors import Fault, Unavailable

pytestmark = pytest.mark.anyio

FAILOVER_MAX_S = 60.0
"""Much longer than it takes, but for a machine with nothing to spare: Sentinels that stood still rest for 30 s."""
REFUSED_MAX_S = 10.0
"""As a rule it takes about a second; and whoever waits for a seat is not to wait for much longer."""


@contextmanager
def watched(*options: str) -> Iterator[Watched]:
    with TemporaryDirectory(prefix="tenuto-") as folder, Watched(Path(folder), *options) as servers:
        yield servers


@asynccontextmanager
async def boxed(url: str) -> AsyncIterator[tuple[Box, Box]]:
    """One that has patience, and one that has as little as a server."""
    connections = [Recorded(address_of(url)), Recorded(address_of(url), patience_s=1.0)]
    yield Box(connections[0]), Box(connections[1])
    for connection in connections:
        await connection.close()


class Visitors:
    """Many who hold, one after another, and what became of them."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.held: list[str] = []
        self.refused = 0

    async def come(self, who: str) -> None:
        for number in range(100_000):
            name = f"{who}-{number}"
            try:
                await self._box.hold(name, LATE_YOGA)
            except Unavailable:
                self.refused += 1
            else:
                self.held.append(name)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def coming(box: Box, count: int = 5) -> AsyncIterator[Visitors]:
    visitors = Visitors(box)
    tasks = [asyncio.create_task(visitors.come(f"visitor{number}")) for number in range(count)]
    yield visitors
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ended} == {asyncio.CancelledError}, ended


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_when_the_master_goes_holds_are_refused_for_seconds_and_then_go_on(how: str) -> None:
    with watched() as servers:
        servers.be_patient_for(ms=60_000)
        async with boxed(servers.url) as (box, impatient):
            impatient.capacity = 100_000
            await box.fill()
            await box.hold("anna")
            assert servers.one.ask("WAIT", 1, 60_000) == 1
            news = box.feed.follow("tenuto", await box.feed.last_id("tenuto"))
            assert await anext(news) == []

            async with coming(impatient) as visitors:
                servers.one.kill() if how == "killed" else servers.one.freeze()
                refused_before = visitors.refused
                await eventually(lambda: visitors.refused > refused_before)
                servers.be_patient_for(ms=500)
                before = len(visitors.held)
                await eventually(lambda: len(visitors.held) > before + 20)

            await eventually(lambda: servers.master() is servers.other)
            assert (await box.find("anna")).state is HoldState.HELD
            await box.counts_are_right()
            async with asyncio.timeout(FAILOVER_MAX_S):
                while not isinstance(await anext(news), Lost):
                    pass
            if how == "frozen":
                await it_is_left_alone_when_it_comes_back(servers, box)


async def it_is_left_alone_when_it_comes_back(servers: Watched, box: Box) -> None:
    servers.one.thaw()
    ben = await box.hold("ben")
    assert servers.other.ask("EXISTS", "{tenuto}:studio:hold:ben")
    assert (await box.find("ben")).expires_at == ben.expires_at


async def test_a_master_that_still_answers_is_left_when_the_sentinels_have_left_it() -> None:
    """As where only we can reach it any more: what it still takes would be lost."""
    with watched() as servers:
        servers.be_patient_for(ms=60_000)
        connection = Recorded(address_of(servers.url))
        await connection.read(("SET", "{tenuto}:here", "before"))
        until(lambda: bool(servers.other.ask("GET", "{tenuto}:here") == "before"))
        # It looks like a master to us for as long as it wants to: it refuses nothing, and hangs up on nobody.
        servers.one.ask("ACL", "SETUSER", "default", "-replicaof", "-slaveof", "-client|kill", "-config|rewrite")

        servers.sentinels[0].ask("SENTINEL", "FAILOVER", NAME)
        await eventually(lambda: servers.master() is servers.other)
        await eventually(lambda: servers.other.ask("ROLE")[0] == "master")
        assert servers.one.ask("ROLE")[0] == "master"

        async def is_on_the_other() -> bool:
            await connection.read(("SET", "{tenuto}:here", "after"))
            return bool(servers.other.ask("GET", "{tenuto}:here") == "after")

        async with asyncio.timeout(FAILOVER_MAX_S):
            while not await is_on_the_other():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await connection.close()


async def test_a_replica_is_not_taken_for_a_master_whatever_a_sentinel_says() -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        path = Path(folder)
        master, replica = OnPort(path), OnPort(path)
        settings = path / "sentinel.conf"
        settings.write_text(f"sentinel monitor {NAME} 127.0.0.1 {replica.port} 1\n")
        sentinel = OnPort(path, "--sentinel", settings=settings)
        servers = (master, replica, sentinel)
        try:
            for server in servers:
                server.start()
            replica.ask("REPLICAOF", "127.0.0.1", master.port)
            connection = Connection(address_of(f"redis+sentinel://{sentinel.place}/{NAME}"), patience_s=0.5)

            with pytest.raises(Unavailable):
                await connection.read(("GET", "{tenuto}:here"))
            with pytest.raises(Unavailable):
                async with connection.waiting("{tenuto}:here", silence_max_s=1):
                    pass

            replica.ask("REPLICAOF", "NO", "ONE")
            assert await served(connection, "SET", "{tenuto}:here", "1") == "OK"
            with pytest.raises(Fault, match="No such master with that name"):
                await check(f"redis+sentinel://{sentinel.place}/another")
        finally:
            await connection.close()
            for server in servers:
                server.kill()


async def test_the_sentinel_that_knows_of_the_newest_failover_is_believed() -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder, ExitStack() as at_the_end:
        path = Path(folder)
        old, new = OnPort(path), OnPort(path)
        behind, ahead = (
            OnPort(path, "--sentinel", settings=monitoring(path, server, failovers))
            for server, failovers in ((old, 1), (new, 7))
        )
        for server in (old, new, behind, ahead):
            at_the_end.callback(server.kill)
            server.start()
        connection = await connect(f"redis+sentinel://{behind.place},{ahead.place}/{NAME}")

        assert await connection.read(("SET", "{tenuto}:here", "1")) == ["OK"]
        assert new.ask("EXISTS", "{tenuto}:here")
        ahead.kill()
        new.kill()
        with pytest.raises(Unavailable):
            await connection.read(("SET", "{tenuto}:here", "1"))
        assert not old.ask("EXISTS", "{tenuto}:here"), "nor is one that is behind believed when it speaks alone"
        await connection.close()


async def served(connection: Connection, *words: str) -> Reply:
    """What is answered in the end; on a busy machine nobody may be found within half a second."""
    async with asyncio.timeout(FAILOVER_MAX_S):
        while True:
            with suppress(Unavailable):
                return (await connection.read(words))[0]


def monitoring(folder: Path, master: OnPort, failovers: int) -> Path:
    settings = folder / f"sentinel{failovers}.conf"
    settings.write_text(
        f"sentinel monitor {NAME} 127.0.0.1 {master.port} 1\nsentinel config-epoch {NAME} {failovers}\n"
    )
    return settings


class Sentinels:
    """What each of some sentinels says; None from one that does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *told: Told | None) -> None:
        self.told = told
        self.address = SentinelAddress(f"redis+sentinel://{','.join(str(number) for number in range(len(told)))}/seats")
        monkeypatch.setattr(self.address, "_ask_one", self._answer)

    async def master(self) -> str:
        return (await self.address._ask()).name

    async def _answer(self, sentinel: Server) -> Told:
        told = self.told[self.address._sentinels.index(sentinel)]
        if told is None:
            raise ConnectionRefusedError("It is not there.")
        return told


BEFORE, ANEW, AFTER = Told(5, "old", 6379), Told(0, "new", 6379), Told(1, "newer", 6379)
FAILED_OVER = Told(6, "newest", 6379)


async def test_sentinels_that_were_set_up_anew_are_believed_when_most_of_them_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They count failovers from nothing again: less than was ever seen."""
    monkeypatch.setattr("widget_server.engine.sentinel.HEARS_WITHIN_S", 0.0)
    sentinels = Sentinels(monkeypatch, BEFORE, BEFORE, BEFORE)
    assert await sentinels.master() == "old:6379"

    sentinels.told = (ANEW, None, ANEW)
    assert await sentinels.master() == "new:6379"
    sentinels.told = (ANEW, AFTER, ANEW)
    assert await sentinels.master() == "newer:6379", "and the failovers after that count as ever"
    sentinels.told = (ANEW, None, None)
    with pytest.raises(OSError, match="No sentinel"):
        await sentinels.master()


@pytest.mark.parametrize(
    "told",
    [
        pytest.param((ANEW, None, None), id="one of three"),
        pytest.param((ANEW, None), id="one of two"),
        pytest.param((ANEW, ANEW, Told(0, "another", 6379)), id="not at one"),
    ],
)
async def test_sentinels_that_are_behind_are_not_believed(
    monkeypatch: pytest.MonkeyPatch, told: tuple[Told | None, ...]
) -> None:
    sentinels = Sentinels(monkeypatch, *([BEFORE] * len(told)))
    await sentinels.master()

    sentinels.told = told
    with pytest.raises(OSError, match="No sentinel"):
        await sentinels.master()


async def test_most_that_are_at_one_and_behind_are_believed_only_if_they_stay_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Right after a failover the one that knows of it may not answer, and the others have not heard of it yet."""
    monkeypatch.setattr("widget_server.engine.sentinel.HEARS_WITHIN_S", 0.05)
    sentinels = Sentinels(monkeypatch, BEFORE, BEFORE, BEFORE)

    for _ in range(2):
        sentinels.told = (FAILED_OVER, BEFORE, BEFORE)
        assert await sentinels.master() == "newest:6379"
        await asyncio.sleep(0.06)
        sentinels.told = (None, BEFORE, BEFORE)
        with pytest.raises(OSError, match="No sentinel"):
            await sentinels.master()
    await asyncio.sleep(0.06)
    assert await sentinels.master() == "old:6379"


async def test_where_most_are_behind_and_one_is_not_that_one_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As right after a failover, of which the others have not heard yet."""
    sentinels = Sentinels(monkeypatch, ANEW, ANEW, BEFORE)
    for _ in range(2):
        assert await sentinels.master() == "old:6379"


async def test_passwords_of_sentinels_and_servers_are_their_own() -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        path = Path(folder)
        master = OnPort(path, "--requirepass", "sesame")
        settings = path / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor {NAME} 127.0.0.1 {master.port} 1\nsentinel auth-pass {NAME} sesame\nrequirepass poppy\n"
        )
        sentinel = OnPort(path, "--sentinel", settings=settings)
        try:
            master.start()
            sentinel.start()
            place = f"{sentinel.place}/{NAME}"

            await check(f"redis+sentinel://:sesame@{place}/2?sentinel_password=poppy")
            for url in (
                f"redis+sentinel://:sesame@{place}",
                f"redis+sentinel://:guess@{place}?sentinel_password=poppy",
            ):
                with pytest.raises(Fault, match="Redis refuses the password"):
                    await check(url)
        finally:
            master.kill()
            sentinel.kill()


async def check(url: str) -> None:
    """With less patience than a second, as whoever says no does so each time."""
    connection = Connection(address_of(url), patience_s=0.5)
    try:
        await told(connection)
    finally:
        await connection.close()


async def test_without_sentinels_calls_are_refused() -> None:
    connection = await connect("redis+sentinel://127.0.0.1:1,127.0.0.1:2/seats")

    async with asyncio.timeout(REFUSED_MAX_S):
        with pytest.raises(Unavailable):
            await connection.read(("PING",))
    await connection.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://",
        "redis+sentinel://127.0.0.1:1",
        "redis+sentinel:///seats",
        "redis+sentinel://127.0.0.1:1,,127.0.0.1:2/seats",
        "redis+sentinel://127.0.0.1:1/seats/first",
        "redis+sentinel://127.0.0.1:port/seats",
        "redis+sentinel://127.0.0.1:1/seats?sentinel_pasword=poppy",
    ],
)
async def test_a_url_that_is_none_is_told_in_one_sentence(url: str) -> None:
    with pytest.raises(Fault, match=r"^TENUTO_REDIS_URL .*\.$"):
        await connect(url)


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(FAILOVER_MAX_S):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.02)
