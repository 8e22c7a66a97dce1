"""What is left of a request once its feed has begun: little, and still everything a reader needs."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from widget_server import serving
from widget_server.connections import ARRIVES_WITHIN_S, PunctualProtocol
from widget_server.live.channel import Pen
from widget_server.live.connection import FeedConnection
from widget_server.web.event_stream import EventStream

pytestmark = pytest.mark.anyio

FEED = b"GET /feed HTTP/1.1\r\nhost: localhost\r\n\r\n"
PING = b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


PATIENCE_S = 60


class Anna:
    """A reader who notes what becomes of her."""

    def __init__(self) -> None:
        self.pen: Pen | None = None
        self.trouble: Exception | None = None
        self.times_ready = self.times_closed = 0

    def open(self, pen: Pen) -> None:
        self.pen = pen
        if self.trouble is not None:
            raise self.trouble
        pen.write(b"hello anna\n\n")

    def ready(self) -> None:
        self.times_ready += 1

    def close(self) -> None:
        self.times_closed += 1


@dataclass
class Listening:
    connect: Callable[[], Awaitable[Line]]
    state: ServerState
    anna: Anna
    protocols: list[weakref.ref[PunctualProtocol]] = field(default_factory=list)

    async def feed(self, asked: bytes = FEED) -> Line:
        line = await self.connect()
        line[1].write(asked)
        await asyncio.wait_for(line[0].readuntil(b"hello anna\n\n\r\n"), PATIENCE_S)
        return line

    @property
    def pen(self) -> FeedConnection:
        assert isinstance(self.anna.pen, FeedConnection)
        return self.anna.pen


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    anna = Anna()
    config = serving._config(app_of(anna), connections_max=100)
    config.load()
    state = ServerState()
    opened: list[asyncio.StreamWriter] = []

    def protocol() -> PunctualProtocol:
        made = PunctualProtocol(config, state, {})
        it.protocols.append(weakref.ref(made))
        return made

    async def connect() -> Line:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, server.sockets[0].getsockname())
        reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
        opened.append(writer)
        return reader, writer

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    it = Listening(connect, state, anna)
    try:
        yield it
    finally:
        for writer in opened:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
        await eventually(lambda: not state.connections and not state.tasks)
        server.close()


def app_of(anna: Anna) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/feed":
            await EventStream(anna)(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
            await send({"type": "http.response.body", "body": b"pong"})

    return app


async def eventually(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def fill(pen: FeedConnection) -> None:
    """Write until the connection takes no more."""
    async with asyncio.timeout(PATIENCE_S):
        while pen.write(b"x" * 1024):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_nothing_of_the_request_is_left_while_its_feed_is_open() -> None:
    async with listening() as it:
        await it.feed()

        await eventually(lambda: not it.state.tasks)
        gc.disable()  # it is the last reference that goes, not a search through all there is
        try:
            await eventually(lambda: it.protocols[0]() is None)
        finally:
            gc.enable()
        assert {id(connection) for connection in it.state.connections} == {id(it.pen)}


async def test_a_feed_stays_open_for_longer_than_a_request_may_take_to_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as it:
        reader, _ = await it.feed()

        loop = asyncio.get_running_loop()
        later_s = loop.time() + ARRIVES_WITHIN_S * 2
        with monkeypatch.context() as later:
            later.setattr(loop, "time", lambda: later_s)
            for _ in range(3):  # whatever is due by then happens
                await asyncio.sleep(0)
        it.pen.write(b"still here")

        assert await asyncio.wait_for(reader.readuntil(b"still here\r\n"), PATIENCE_S) == b"a\r\nstill here\r\n"


async def test_a_feed_may_follow_other_requests_on_its_connection() -> None:
    async with listening() as it:
        reader, writer = await it.connect()
        writer.write(PING)
        await asyncio.wait_for(reader.readuntil(b"pong"), PATIENCE_S)
        writer.write(FEED)

        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert b"\r\nconnection: close\r\n" in head


@pytest.mark.parametrize("asked", [FEED + PING, PING + FEED, PING + FEED + PING])
async def test_what_is_asked_behind_a_feed_at_once_does_not_disturb_it(asked: bytes) -> None:
    async with listening() as it:
        reader, _ = await it.feed(asked)

        it.pen.write(b"news")

        assert await asyncio.wait_for(reader.readuntil(b"news\r\n"), PATIENCE_S) == b"4\r\nnews\r\n"


async def test_what_is_asked_behind_a_feed_later_is_left_unanswered() -> None:
    async with listening() as it:
        reader, writer = await it.feed()
        writer.write(PING)
        await asyncio.sleep(0.05)

        it.pen.write(b"bye", last=True)

        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b"3\r\nbye\r\n0\r\n\r\n"
        assert it.anna.times_closed == 1


async def test_a_client_that_goes_is_noticed_at_once() -> None:
    async with listening() as it:
        _, writer = await it.feed()

        writer.close()

        await eventually(lambda: it.anna.times_closed)
        assert not it.state.connections


async def test_a_client_that_sends_more_than_it_should_is_noticed_all_the_same_when_it_goes() -> None:
    async with listening() as it:
        length = b"content-length: 200000\r\n\r\n"
        _, writer = await it.feed(FEED.removesuffix(b"\r\n") + length + b"x" * 200_000)

        writer.close()

        await eventually(lambda: it.anna.times_closed)


async def test_who_does_not_read_is_busy_soon_and_ready_once_it_reads() -> None:
    async with listening() as it:
        reader, _ = await it.feed()
        kept_by_kernel = it.pen._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

        await fill(it.pen)
        assert it.anna.times_ready == 0
        assert kept_by_kernel <= 65_536
        assert it.pen._transport.get_write_buffer_size() <= 2_048

        while not it.anna.times_ready:
            await asyncio.wait_for(reader.read(4096), PATIENCE_S)
        assert it.pen.write(b"more")


async def test_one_that_is_cut_is_gone_whatever_it_has_not_read() -> None:
    async with listening() as it:
        await it.feed()
        await fill(it.pen)

        it.pen.cut()

        await eventually(lambda: it.anna.times_closed)
        assert it.pen.write(b"nobody reads this"), "it takes no more, and says so to nobody"


async def test_the_server_waits_for_no_feed_when_it_ends() -> None:
    async with listening() as it:
        await it.feed()
        await fill(it.pen)

        for connection in list(it.state.connections):
            connection.shutdown()

        await eventually(lambda: not it.state.connections)
        assert it.anna.times_closed == 1


async def test_a_reader_in_trouble_ends_its_own_connection_and_whoever_runs_the_server_is_told() -> None:
    loop, told = asyncio.get_running_loop(), list[Exception]()
    of_the_test_run = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    async with listening() as it:
        it.anna.trouble = RuntimeError("what anna missed cannot be told")
        reader, writer = await it.connect()
        writer.write(FEED)
        with suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), PATIENCE_S)

        await eventually(lambda: it.anna.times_closed)
        assert it.anna.times_closed == 1
        assert told == [it.anna.trouble]
    loop.set_exception_handler(of_the_test_run)
