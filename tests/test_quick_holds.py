"""A hold over a real connection: it goes past the framework, and is answered as the framework would answer."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tests.house import Guest, House
from tests.test_connections import Watch
from widget_server import serving
from widget_server.connections import PunctualProtocol
from widget_server.ids import new_id
from widget_server.web.api.answers import BODY_BYTES_MAX
from widget_server.web.guards import TrustedNetworks

pytestmark = pytest.mark.anyio

CHUNKED, CLOSING = "transfer-encoding: chunked\r\n", "connection: close\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> Answer:
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            body = await self.reader.readexactly(int(headers.pop("content-length", "0")))
            assert re.fullmatch(r"\w{3}, .* GMT", headers.pop("date", "Sat, today GMT"))
        return Answer(int(head.split()[1]), headers, json.loads(body or b"null"))

    async def ask(self, request: bytes) -> Answer:
        self.writer.write(request)
        return await self.answer()

    async def rest(self) -> bytes:
        async with asyncio.timeout(60):
            return await self.reader.read()


@dataclass
class Server:
    house: House
    state: ServerState = field(default_factory=ServerState)
    ordinary: int = 0
    """So many requests have gone the ordinary way."""
    connect: Callable[[], Awaitable[Line]] = field(init=False)

    def is_asked(self) -> bool:
        """Whether the head of a request has come."""
        return any(getattr(connection, "cycle", None) for connection in self.state.connections)


@asynccontextmanager
async def served(house: House, connections_max: int = 100, watch: Any = None) -> AsyncIterator[Server]:
    server = Server(house)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        server.ordinary += 1
        await house.app(scope, receive, send)

    config = serving._config(app, connections_max=connections_max)
    config.load()
    known = {"use_cases": house.parts.use_cases, "trusted_proxies": TrustedNetworks("")}
    listener = await asyncio.get_running_loop().create_server(
        lambda: PunctualProtocol(config, server.state, known, watch), "127.0.0.1", 0
    )
    port = listener.sockets[0].getsockname()[1]
    opened: list[Line] = []

    async def connect() -> Line:
        opened.append(Line(*await asyncio.open_connection("127.0.0.1", port)))
        return opened[-1]

    server.connect = connect
    try:
        yield server
    finally:
        for line in opened:
            line.writer.close()
        await asyncio.gather(*server.state.tasks)
        listener.close()


@pytest.fixture
async def server(house: House) -> AsyncIterator[Server]:
    async with served(house) as server:
        yield server


def posted(guest: Guest, body: Any = None, more: str = "", *, version: str = "1.1", site: str = "") -> bytes:
    """One seat of the first yoga class, unless told otherwise."""
    sent = body if isinstance(body, bytes) else json.dumps(guest.wanted_hold() if body is None else body).encode()
    head = f"POST /v1/sites/{site or guest.site}/holds HTTP/{version}\r\nhost: localhost\r\n"
    head += f"authorization: Bearer {guest.secret}\r\n"
    if CHUNKED in more:
        return f"{head}{more}\r\n".encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent)
    return f"{head}{more}content-length: {len(sent)}\r\n\r\n".encode() + sent


async def test_a_hold_is_granted_past_the_framework_as_the_framework_would(server: Server) -> None:
    anna, line = server.house.guest(), await server.connect()

    quick = await line.ask(posted(anna))
    assert (quick.status, server.ordinary) == (201, 0)
    usual = await line.ask(posted(anna, more=CHUNKED))
    assert (usual.status, server.ordinary) == (201, 1)
    assert quick.headers == usual.headers
    assert quick.body["hold"] == usual.body["hold"]
    assert (await server.house.seats()).held == 1


@pytest.mark.parametrize(
    ("status", "body", "changes"),
    [
        (400, b"{", {}),
        (400, {"id": "short"}, {}),
        (401, None, {"secret": "short"}),
        (404, None, {"site": "nowhere"}),
        (409, None, {"secret": "A" * 22}),
        (429, None, {"id": "B" * 22}),
    ],
)
async def test_it_is_refused_in_the_same_words(server: Server, status: int, body: Any, changes: Any) -> None:
    anna, line = server.house.guest(), await server.connect()
    for hold_id in (anna.id, new_id(), new_id()):
        await line.ask(posted(replace(anna, id=hold_id)))
    ben = replace(anna, **changes)

    quick = await line.ask(posted(ben, body))
    assert (quick.status, server.ordinary) == (status, 0)
    usual = await line.ask(posted(ben, body, CHUNKED))
    assert server.ordinary == 1
    assert (quick.headers, quick.body) == (usual.headers, usual.body)


@pytest.mark.parametrize(("site", "status"), [("..", 404), ("x" * 65, 404), ("%73tudio", 201)])
async def test_an_address_that_is_written_in_another_way_goes_the_ordinary_way(
    server: Server, site: str, status: int
) -> None:
    answer = await (await server.connect()).ask(posted(server.house.guest(), site=site))
    assert (answer.status, server.ordinary) == (status, 1)


async def test_a_fault_of_ours_is_told_as_such_and_the_connection_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(*_: Any) -> Any:
        raise RuntimeError("nobody thought of this")

    anna, line, other_line = server.house.guest(), await server.connect(), await server.connect()
    with monkeypatch.context() as patch:
        patch.setattr(server.house.parts.use_cases.bookings, "hold", stumble)
        quick, usual = await line.ask(posted(anna)), await other_line.ask(posted(anna, more=CHUNKED))

    assert (quick.status, quick.body["error"]["code"]) == (500, "failed")
    assert (quick.headers, quick.body, server.ordinary) == (usual.headers, usual.body, 1)
    assert (await line.ask(posted(anna))).status == 201


async def test_what_comes_in_parts_is_one_request(server: Server) -> None:
    anna, line = server.house.guest(), await server.connect()
    request = posted(anna)
    for part in (request[:30], request[30:-20], request[-20:-1]):
        line.writer.write(part)
        await asyncio.sleep(0.01)

    assert (await line.ask(request[-1:])).status == 201
    assert server.ordinary == 0


async def test_requests_sent_before_the_answer_are_answered_in_their_order(server: Server) -> None:
    guests, line = [server.house.guest() for _ in range(4)], await server.connect()
    line.writer.write(b"".join(posted(guest) for guest in guests))

    answers = [await line.answer() for _ in guests]
    assert [answer.body["hold"]["id"] for answer in answers] == [guest.id for guest in guests]
    assert server.ordinary == 3, "only the first of them found nobody before it"


async def test_who_waits_for_a_word_before_the_body_gets_it(server: Server) -> None:
    anna, line = server.house.guest(), await server.connect()
    head, end, body = posted(anna, more="expect: 100-continue\r\n").partition(b"\r\n\r\n")
    line.writer.write(head + end)

    assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await line.ask(body)).status == 201


@pytest.mark.parametrize("length", [BODY_BYTES_MAX + 1, 10**12])
async def test_a_body_that_is_too_large_is_not_even_awaited(server: Server, length: int) -> None:
    anna, line = server.house.guest(), await server.connect()
    head = posted(anna, b"").replace(b"content-length: 0", b"content-length: %d" % length)

    assert (await line.ask(head + b" " * (BODY_BYTES_MAX + 1))).status == 413


@pytest.mark.parametrize(("version", "more"), [("1.1", CLOSING), ("1.0", "")])
async def test_who_wants_one_answer_only_is_closed_after_it(server: Server, version: str, more: str) -> None:
    anna, line = server.house.guest(), await server.connect()

    answer = await line.ask(posted(anna, more=more, version=version))
    assert (answer.status, answer.headers["connection"]) == (201, "close")
    assert await line.rest() == b""
    assert server.ordinary == 0


async def test_who_sends_no_whole_body_is_told_so(house: House) -> None:
    async with served(house, watch=(watch := Watch())) as server:
        anna, line = server.house.guest(), await server.connect()
        line.writer.write(posted(anna)[:-1])
        await house.eventually(server.is_asked)
        watch.passes(1)

        answer = await line.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert await line.rest() == b""
        assert (await server.house.seats()).held == 0


async def test_beyond_the_limit_of_connections_it_is_told_so(house: House) -> None:
    async with served(house, connections_max=1) as server:
        line = await server.connect()
        line.writer.write(posted(house.guest()))

        assert (await line.rest()).startswith(b"HTTP/1.1 503 ")


async def test_who_goes_away_meanwhile_keeps_the_hold_and_gets_the_same_answer_when_they_ask_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(server.house)
    monkeypatch.setattr(server.house.parts.use_cases.bookings, "hold", slow.hold)
    anna, line = server.house.guest(), await server.connect()
    line.writer.write(posted(anna))
    await slow.asked.wait()
    line.writer.transport.abort()
    await server.house.eventually(lambda: not server.state.connections)
    slow.may_answer.set()

    again = await (await server.connect()).ask(posted(anna))
    assert again.status == 201
    assert (await server.house.seats()).held == 1


async def asked_slowly(server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple["Slow", Line]:
    """A hold is asked for, and nobody answers yet."""
    slow = Slow(server.house)
    monkeypatch.setattr(server.house.parts.use_cases.bookings, "hold", slow.hold)
    line = await server.connect()
    line.writer.write(posted(server.house.guest()))
    await slow.asked.wait()
    return slow, line


async def test_a_server_that_ends_answers_what_it_was_asked_before(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, line = await asked_slowly(server, monkeypatch)
    (connection,) = server.state.connections
    connection.shutdown()
    assert server.state.tasks, "the server waits for these"
    slow.may_answer.set()

    answer = await line.answer()
    assert (answer.status, answer.headers["connection"]) == (201, "close")
    assert await line.rest() == b""


async def test_a_server_that_waits_no_longer_closes_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, line = await asked_slowly(server, monkeypatch)
    (task,) = server.state.tasks
    task.cancel()

    assert await line.rest() == b""


class Slow:
    """Bookings that take their time for a hold."""

    def __init__(self, house: House) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self._hold = house.parts.use_cases.bookings.hold

    async def hold(self, *wanted: Any) -> Any:
        self.asked.set()
        await self.may_answer.wait()
        return await self._hold(*wanted)
