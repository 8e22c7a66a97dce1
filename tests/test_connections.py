"""A connection that asks for nothing is closed, and one that asks for something is not."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from widget_server import connections, serving
from widget_server.connections import PunctualProtocol

pytestmark = pytest.mark.anyio

PATIENCE_S = 0.2
ASKED = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Line]]


class Impatient(PunctualProtocol):
    arrives_within_s = PATIENCE_S


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body it was sent, once all of it is there."""
    body = await Request(scope, receive).body()
    await Response(b"got " + body)(scope, receive, send)


async def slow_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes longer for its answer than clients may take for a head."""
    await asyncio.sleep(PATIENCE_S * 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def listening(app: ASGIApp = slow_app, *, connections_max: int = 100) -> AsyncIterator[Connect]:
    config = serving._config(app, connections_max=connections_max)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in opened:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        await asyncio.gather(*state.tasks)
        server.close()


async def to_the_end(line: Line) -> bytes:
    async with asyncio.timeout(60):
        return await line[0].read()


def test_the_server_takes_only_punctual_connections() -> None:
    config = serving._config(slow_app)
    config.load()

    assert config.http_protocol_class is PunctualProtocol


@pytest.mark.parametrize("sent", [b"", b"G", b"\r\n", ASKED[:-2]])
async def test_who_sends_no_whole_head_is_closed(sent: bytes) -> None:
    async with listening() as connect:
        line = await connect()
        line[1].write(sent)

        assert await to_the_end(line) == b""


async def test_who_sends_a_byte_now_and_then_gains_no_time() -> None:
    async with listening() as connect:
        line = await connect()
        trickling = asyncio.create_task(trickle(line[1]))

        assert await to_the_end(line) == b""
        assert not trickling.done()
        trickling.cancel()


async def trickle(writer: asyncio.StreamWriter) -> None:
    for byte in ASKED[:-2]:
        writer.write(bytes([byte]))
        await asyncio.sleep(PATIENCE_S / 4)


async def test_who_has_asked_gets_the_answer_however_long_it_takes() -> None:
    async with listening() as connect:
        line = await connect()
        line[1].write(ASKED * 2)  # the second one waits while the first is answered

        assert (await to_the_end(line)).count(b"hello") == 2


async def test_after_an_answer_the_next_head_has_its_time_too() -> None:
    async with listening() as connect:
        line = await connect()
        line[1].write(ASKED)
        await line[0].readuntil(b"hello")
        line[1].write(b"G")  # from here on uvicorn alone would wait for ever

        assert await to_the_end(line) == b""


POSTED = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n"


async def test_who_sends_no_whole_body_is_told_so_and_closed() -> None:
    async with listening(echo) as connect:
        line = await connect()
        line[1].write(POSTED + b"bo")

        answer = await to_the_end(line)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_slow"


async def test_a_body_that_comes_in_parts_is_taken() -> None:
    async with listening(echo) as connect:
        line = await connect()
        for part in (POSTED, b"bo", b"dy"):
            line[1].write(part)
            await asyncio.sleep(PATIENCE_S / 8)

        assert (await line[0].readuntil(b"got body")).startswith(b"HTTP/1.1 200 ")


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
    async with listening(echo) as connect:
        line = await connect()
        for _ in range(2):
            for begins in range(0, len(sent) * 2, (size := len(sent) * 2 // parts)):
                line[1].write((sent * 2)[begins : begins + size])
                await asyncio.sleep(0)
        line[1].write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n")

        answers = await to_the_end(line)

    assert answers.count(b"200 OK") == 5
    assert answers.count(b"got hello") == 4


@pytest.mark.parametrize("url", [b"/", b"http://[/"])
async def test_who_wishes_for_another_protocol_and_makes_no_sense_is_told_so(url: bytes) -> None:
    async with listening(echo) as connect:
        line = await connect()
        line[1].write(b"GET %b HTTP/1.1\r\nhost: localhost\r\n%b\r\nnonsense\r\n" % (url, WISHES))

        assert b"400 Bad Request" in await to_the_end(line)


async def test_each_request_of_a_connection_has_its_own_time() -> None:
    async with listening(echo) as connect:
        line = await connect()
        for _ in range(4):
            line[1].write(POSTED + b"body")
            await line[0].readuntil(b"got body")
            await asyncio.sleep(PATIENCE_S / 2)

        assert await to_the_end(line) == b""


async def test_a_body_that_comes_after_its_answer_does_not_keep_the_connection_for_ever() -> None:
    async def refuses_unread(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"no", 401)(scope, receive, send)

    async with listening(refuses_unread) as connect:
        line = await connect()
        line[1].write(POSTED)
        await line[0].readuntil(b"no")
        line[1].write(b"body")

        assert await to_the_end(line) == b""


async def test_beyond_the_limit_visitors_are_told_so_and_far_beyond_it_they_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "_TOLD_MAX", 1)
    async with listening(connections_max=2) as connect:
        _, _, told, closed = [await connect() for _ in range(4)]
        for line in (told, closed):
            line[1].write(ASKED)

        assert (await to_the_end(told)).startswith(b"HTTP/1.1 503 ")
        with suppress(ConnectionResetError):
            assert await to_the_end(closed) == b""


@pytest.fixture
def few_files() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    yield min(hard, serving._FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_of_open_files_is_raised_to_what_the_machine_allows(few_files: int) -> None:
    assert serving._raised_file_limit() == few_files
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == few_files
