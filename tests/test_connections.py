"""A connection that asks for nothing is closed, and one that asks for something is not."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from widget_server import connections, serving
from widget_server.connections import ARRIVES_WITHIN_S, PunctualProtocol

pytestmark = pytest.mark.anyio

PATIENCE_S = 60.0
ASKED = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass
class Timer:
    due_s: float
    act: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Watch:
    """The event loop of connections whose time passes when a test says so: no machine is too slow for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now_s = 0.0
        self._timers: list[Timer] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self._now_s

    def call_later(self, seconds: float, act: Callable[[], object]) -> Timer:
        self._timers.append(Timer(self._now_s + seconds, act))
        return self._timers[-1]

    @property
    def only_transport(self) -> asyncio.Transport:
        (connection,) = self.state.connections
        assert isinstance(connection, PunctualProtocol)
        return connection.transport

    def passes(self, share: float) -> None:
        """So much of the time in which a request has to be there."""
        until_s = self._now_s + share * ARRIVES_WITHIN_S
        while due := [timer for timer in self._timers if timer.due_s <= until_s]:
            timer = min(due, key=lambda timer: timer.due_s)
            self._timers.remove(timer)
            self._now_s = timer.due_s
            if not timer.is_cancelled:
                timer.act()
        self._now_s = until_s


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body it was sent, once all of it is there."""
    body = await Request(scope, receive).body()
    await Response(b"got " + body)(scope, receive, send)


class SlowApp:
    """Answers no sooner than it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.release()
        await self.may_answer.acquire()
        await Response(b"hello")(scope, receive, send)


@dataclass
class Heard:
    """How much has come to the server on all connections, which are these."""

    connections: int = 0
    octets: int = 0

    async def until(self, *, connections: int = 0, octets: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self.connections >= connections and self.octets >= octets:
                    return
                await asyncio.sleep(0.001)


@dataclass
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: Heard

    async def send(self, words: bytes) -> None:
        """Returns when the server has read them."""
        octets = self.heard.octets + len(words)
        self.writer.write(words)
        await self.heard.until(octets=octets)

    async def to_the_end(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()


@dataclass
class Server:
    port: int
    watch: Any
    state: ServerState
    heard: Heard
    opened: list[Line] = field(default_factory=list)

    @property
    def only_transport(self) -> asyncio.Transport:
        (connection,) = self.state.connections
        assert isinstance(connection, PunctualProtocol)
        return connection.transport

    def passes(self, share: float) -> None:
        self.watch.passes(share)

    async def connect(self) -> Line:
        """Returns when the server knows of it."""
        connections = self.heard.connections + 1
        self.opened.append(Line(*await asyncio.open_connection("127.0.0.1", self.port), self.heard))
        await self.heard.until(connections=connections)
        return self.opened[-1]


@asynccontextmanager
async def listening(app: ASGIApp = echo, *, connections_max: int = 100, watch: Any = None) -> AsyncIterator[Server]:
    """`watch` is another event loop for its connections."""
    config = serving._config(app, connections_max=connections_max)
    config.load()
    state, watch, heard = ServerState(), watch or Watch(), Heard()

    class Punctual(PunctualProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as it has it
            super().connection_made(transport)
            heard.connections += 1

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            heard.octets += len(data)

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Punctual(config, state, {}, watch), "127.0.0.1", 0)
    server = Server(listener.sockets[0].getsockname()[1], watch, state, heard)
    try:
        yield server
    finally:
        for line in server.opened:
            line.writer.close()
            with suppress(OSError):
                await line.writer.wait_closed()
        for task in [*state.tasks]:  # whose answer no test has waited for, as it has failed
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        listener.close()


def test_the_server_takes_only_punctual_connections() -> None:
    config = serving._config(echo)
    config.load()

    assert config.http_protocol_class is PunctualProtocol


async def test_time_passes_for_connections_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests turn the watch."""
    monkeypatch.setattr(PunctualProtocol, "arrives_within_s", 0.05)
    async with listening(watch=asyncio.get_running_loop()) as server:
        assert await (await server.connect()).to_the_end() == b""


@pytest.mark.parametrize("sent", [b"", b"G", b"\r\n", ASKED[:-2]])
async def test_who_sends_no_whole_head_is_closed(sent: bytes) -> None:
    async with listening() as server:
        line = await server.connect()
        await line.send(sent)
        server.passes(1)

        assert await line.to_the_end() == b""


async def test_who_sends_a_byte_now_and_then_gains_no_time() -> None:
    async with listening() as server:
        line = await server.connect()
        for byte in ASKED[:4]:
            await line.send(bytes([byte]))
            server.passes(0.25)

        assert await line.to_the_end() == b""


async def test_who_has_asked_gets_the_answer_however_long_it_takes() -> None:
    app = SlowApp()
    async with listening(app) as server:
        line = await server.connect()
        await line.send(ASKED * 2)  # the second one waits while the first is answered

        for _ in range(2):
            await app.asked.acquire()
            server.passes(2)
            app.may_answer.release()
            await line.reader.readuntil(b"hello")
        server.passes(1)

        assert await line.to_the_end() == b"", "and then the next one is not awaited for ever"


async def test_after_an_answer_the_next_head_has_its_time_too() -> None:
    async with listening() as server:
        line = await server.connect()
        await line.send(ASKED)
        await line.reader.readuntil(b"got ")
        server.passes(0.75)
        await line.send(b"G")  # from here on uvicorn alone would wait for ever
        server.passes(0.75)
        assert not server.only_transport.is_closing()
        server.passes(0.25)

        assert await line.to_the_end() == b""


POSTED = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n"


async def test_who_sends_no_whole_body_is_told_so_and_closed() -> None:
    async with listening() as server:
        line = await server.connect()
        await line.send(POSTED + b"bo")
        server.passes(1)

        answer = await line.to_the_end()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_slow"


async def test_a_body_that_comes_in_parts_is_taken() -> None:
    async with listening() as server:
        line = await server.connect()
        for part in (POSTED, b"bo", b"dy"):
            await line.send(part)
            server.passes(0.3)

        assert (await line.reader.readuntil(b"got body")).startswith(b"HTTP/1.1 200 ")


WISHES = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


@pytest.mark.parametrize(
    "body",
    [b"content-length: 5\r\n\r\nhello", b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ids=["known", "chunked"],
)
@pytest.mark.parametrize("parts", [1, 2, 200])
async def test_who_wishes_for_another_protocol_is_answered_in_this_one(body: bytes, parts: int) -> None:
    """Java's client does, and `curl --http2`; the connection goes on for others."""
    sent = b"POST / HTTP/1.1\r\nhost: localhost\r\n" + WISHES + body
    async with listening() as server:
        line = await server.connect()
        for _ in range(2):
            for begins in range(0, len(sent) * 2, (size := len(sent) * 2 // parts)):
                line.writer.write((sent * 2)[begins : begins + size])
                await asyncio.sleep(0)
        line.writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n")

        answers = await line.to_the_end()

    assert answers.count(b"200 OK") == 5
    assert answers.count(b"got hello") == 4


@pytest.mark.parametrize("url", [b"/", b"http://[/"])
async def test_who_wishes_for_another_protocol_and_makes_no_sense_is_told_so(url: bytes) -> None:
    async with listening() as server:
        line = await server.connect()
        line.writer.write(b"GET %b HTTP/1.1\r\nhost: localhost\r\n%b\r\nnonsense\r\n" % (url, WISHES))

        assert b"400 Bad Request" in await line.to_the_end()


async def test_each_request_of_a_connection_has_its_own_time() -> None:
    async with listening() as server:
        line = await server.connect()
        for _ in range(4):
            await line.send(POSTED + b"body")
            await line.reader.readuntil(b"got body")
            server.passes(0.5)
        server.passes(0.5)

        assert await line.to_the_end() == b""


async def test_a_body_that_comes_after_its_answer_does_not_keep_the_connection_for_ever() -> None:
    async def refuses_unread(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"no", 401)(scope, receive, send)

    async with listening(refuses_unread) as server:
        line = await server.connect()
        await line.send(POSTED)
        await line.reader.readuntil(b"no")
        await line.send(b"body")
        server.passes(1)

        assert await line.to_the_end() == b""


async def test_beyond_the_limit_visitors_are_told_so_and_far_beyond_it_they_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "_TOLD_MAX", 1)
    async with listening(connections_max=2) as server:
        _, _, told, closed = [await server.connect() for _ in range(4)]
        for line in (told, closed):
            line.writer.write(ASKED)

        assert (await told.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503 ")
        with suppress(ConnectionResetError):
            assert await closed.to_the_end() == b""


@pytest.fixture
def few_files() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    yield min(hard, serving._FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_of_open_files_is_raised_to_what_the_machine_allows(few_files: int) -> None:
    assert serving._raised_file_limit() == few_files
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == few_files
