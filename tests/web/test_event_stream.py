import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from tests.live.serving import PATIENCE_S, Server, Stream, served
from tests.live.updates import StoppedClock, events, seats_moved, slot_id, versions
from widget_server.connections import PunctualProtocol
from widget_server.live.hub import Hub
from widget_server.web.event_stream import EventStream, Pen

pytestmark = pytest.mark.anyio
whoever_serves = pytest.mark.parametrize("http", [PunctualProtocol, "httptools", "h11"])


class Served:
    """A hub behind a real server, with a route that reads it."""

    def __init__(self, hub: Hub, server: Server, port: int) -> None:
        self.hub = hub
        self.server = server
        self.port = port
        self.streams: list[Stream] = []

    async def open(self, path: str = "/feed/studio", **more: Any) -> Stream:
        stream = await Stream.open(self.port, path, **more)
        self.streams.append(stream)
        return stream

    def publish(self, number: int, *slots: int, site: str = "studio") -> None:
        self.hub.publish("tenuto", seats_moved(number, *slots, site=site))


@asynccontextmanager
async def served_hub(*, http: Any = PunctualProtocol, **options: Any) -> AsyncIterator[Served]:
    hub = Hub(clock=StoppedClock(), **options)
    hub.follow_from("tenuto", "0-0")

    async def feed(request: Request) -> Response:
        last_id = request.headers.get("last-event-id")
        return EventStream(
            hub.subscribe(request.path_params["site"], last_id, partition="tenuto", epoch=1, network="anna")
        )

    async def ping(request: Request) -> Response:
        return PlainTextResponse("pong")

    app = Starlette(routes=[Route("/feed/{site}", feed), Route("/ping", ping)])
    async with served(app, hub.goodbye, http=http) as (server, port):
        it = Served(hub, server, port)
        try:
            yield it
        finally:
            await asyncio.gather(*(stream.close() for stream in it.streams))


async def until_readers(hub: Hub, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if hub.readers == count:
                return
            await asyncio.sleep(0.01)


async def test_a_stream_is_never_stored_nor_buffered_on_its_way() -> None:
    async with served_hub() as it:
        stream = await it.open()

        head = stream.head.lower()

    assert head.startswith(b"http/1.1 200")
    for line in (b"content-type: text/event-stream", b"cache-control: no-store", b"x-accel-buffering: no"):
        assert b"\r\n" + line in head
    assert b"content-length" not in head


@whoever_serves
async def test_a_widget_sees_every_seat_move_and_none_of_another_site(http: Any) -> None:
    async with served_hub(http=http) as it:
        stream = await it.open()
        await stream.until(b"hello")

        it.publish(1, 0, site="other")
        it.publish(2, 0, 1)
        it.publish(3, 1, site="other")
        it.publish(4, 1)
        text = await stream.until(b"id: 1.4-0")

    assert versions(text) == {slot_id(0): 2, slot_id(1): 4}
    assert {event.id for event in events(text)} <= {None, "1.2-0", "1.4-0"}


async def test_a_widget_that_was_away_goes_on_where_it_stopped() -> None:
    async with served_hub() as it:
        first = await it.open()
        await first.until(b"hello")
        it.publish(1, 0)
        await first.until(b"id: 1.1-0")
        await first.close()
        await until_readers(it.hub, 0)
        it.publish(2, 1)
        it.publish(3, 2)

        again = await it.open(last_event_id="1.1-0")
        it.publish(4, 3)
        text = await again.until(slot_id(3).encode())

    assert b"event: reset" not in text
    assert versions(text) == {slot_id(1): 2, slot_id(2): 3, slot_id(3): 4}


@whoever_serves
async def test_a_gap_is_answered_with_reset_before_anything_else(http: Any) -> None:
    async with served_hub(http=http) as it:
        it.hub.follow_from("tenuto", "100-0")
        stream = await it.open(last_event_id="1.99-0")

        it.publish(101, 0)
        text = await stream.until(b"id: 1.101-0")

    assert [event.name for event in events(text)] == ["hello", "reset", "seats"]


@whoever_serves
async def test_a_widget_that_closes_leaves_no_trace(http: Any) -> None:
    async with served_hub(http=http) as it:
        streams = [await it.open() for _ in range(20)]
        assert it.hub.readers == 20

        for stream in streams:
            await stream.close()
        await until_readers(it.hub, 0)

        it.publish(1, 0)
        assert not it.hub._channels["studio"].readers


async def test_500_widgets_hear_goodbye_at_once() -> None:
    async with served_hub() as it:
        streams = await asyncio.gather(*(it.open() for _ in range(500)))
        await asyncio.gather(*(stream.until(b"hello") for stream in streams))
        readers = [*it.hub._channels["studio"].readers]
        began_s = time.thread_time()

        it.hub.goodbye()

        took_s = time.thread_time() - began_s
        assert {reader._pen for reader in readers} == {None}, "nobody waits for anybody"
        texts = await asyncio.gather(*(stream.to_the_end() for stream in streams))
    assert all(text.endswith(b"event: bye\ndata: {}\n\n") for text in texts)
    assert took_s < 1


@whoever_serves
async def test_a_widget_that_was_told_goodbye_is_closed(http: Any) -> None:
    async with served_hub(http=http) as it:
        stream = await it.open()
        await stream.until(b"hello")

        it.server.handle_exit(15, None)

        assert (await stream.to_the_end()).endswith(b"event: bye\ndata: {}\n\n")
        await until_readers(it.hub, 0)


async def test_a_stalled_widget_costs_nobody_else_and_is_told_the_newest_when_it_wakes() -> None:
    async with served_hub(busy_max_s=10 * PATIENCE_S) as it:
        stalled = await it.open(buffer_bytes=4096)
        quick = await it.open()
        last = 0

        for number in range(1, 201):
            it.publish(number, *range(100))
            last = number
            await quick.until(f"id: 1.{number}-0\n".encode())
            quick.text = b""
        busy = [reader for reader in it.hub._channels["studio"].readers if reader._busy_since_s is not None]
        text = await stalled.until(f"id: 1.{last}-0\n".encode())

    assert len(busy) == 1, "it really was stalled"
    assert b"event: reset" not in text
    assert versions(text) == {slot_id(slot): last for slot in range(100)}
    assert text.count(b"event: seats") < 100, "what it has slept through is told once"


async def test_a_widget_that_never_reads_is_cut() -> None:
    async with served_hub(beat_every_s=0.05, busy_max_s=0.1) as it:
        await it.open(buffer_bytes=4096)
        quick = await it.open()

        for number in range(1, 101):
            it.publish(number, *range(100))
            await quick.until(f"id: 1.{number}-0\n".encode())
        await until_readers(it.hub, 1)
        it.publish(101, 0)

        assert b"event: bye" not in await quick.until(b"id: 1.101-0")


async def test_everything_else_is_answered_while_updates_go_out() -> None:
    async with served_hub() as it:
        streams = await asyncio.gather(*(it.open() for _ in range(300)))
        slowest_s = 0.0
        for number in range(1, 40):
            it.publish(number, number % 10)
            began_s = time.thread_time()  # of our own: whatever else this machine does is not our fault
            await it.open("/ping")
            slowest_s = max(slowest_s, time.thread_time() - began_s)
        texts = await asyncio.gather(*(stream.until(b"id: 1.39-0") for stream in streams))

    assert slowest_s < 0.5
    assert len({tuple(sorted(versions(text).items())) for text in texts}) == 1


class Told:
    """A reader that writes what it is told to, once."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.was_ready = asyncio.Event()
        self.was_closed = False

    def open(self, pen: Pen) -> None:
        for chunk in self.chunks:
            pen.write(chunk)

    def ready(self) -> None:
        self.was_ready.set()

    def close(self) -> None:
        self.was_closed = True


class Connection:
    """The server's side of one request: it can be slow, broken, or gone."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.may_go_on = asyncio.Event()
        self.has_gone = asyncio.Event()
        self.may_go_on.set()
        self.problem: Exception | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            for _ in range(2):
                if not self.may_go_on.is_set():
                    await self.may_go_on.wait()
            if self.problem is not None:
                raise self.problem
            self.sent.append(message["body"])

    async def receive(self) -> Message:
        await self.has_gone.wait()
        return {"type": "http.disconnect"}


async def run(reader: Told, connection: Connection) -> None:
    await EventStream(reader)({"type": "http"}, connection.receive, connection.send)


async def test_what_must_wait_is_written_later_and_the_reader_hears_of_it() -> None:
    reader, connection = Told(b"one"), Connection()
    connection.may_go_on.clear()
    stream = asyncio.create_task(run(reader, connection))
    await asyncio.sleep(0.01)
    assert connection.sent == []
    assert not reader.was_ready.is_set()

    connection.may_go_on.set()
    await asyncio.wait_for(reader.was_ready.wait(), PATIENCE_S)

    assert connection.sent == [b"one"]
    connection.has_gone.set()
    await stream
    assert reader.was_closed


async def test_a_client_that_goes_while_it_is_written_to_is_no_problem() -> None:
    reader, connection = Told(b"one"), Connection()
    connection.may_go_on.clear()
    stream = asyncio.create_task(run(reader, connection))
    await asyncio.sleep(0.01)

    connection.has_gone.set()
    await stream

    assert reader.was_closed
    assert connection.sent == []


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_broken_connection_ends_its_own_stream_quietly(is_slow: bool) -> None:
    reader, connection = Told(b"one"), Connection()
    connection.problem = BrokenPipeError()
    if is_slow:
        connection.may_go_on.clear()
    stream = asyncio.create_task(run(reader, connection))
    await asyncio.sleep(0.01)
    connection.may_go_on.set()

    await asyncio.wait_for(stream, PATIENCE_S)

    assert reader.was_closed


async def test_a_mistake_surfaces_in_the_task_of_its_own_stream() -> None:
    reader, connection = Told(b"one"), Connection()
    connection.problem = RuntimeError("the server was misused")

    with pytest.raises(RuntimeError, match="misused"):
        await run(reader, connection)

    assert reader.was_closed


async def test_a_stream_that_is_cancelled_stays_cancelled() -> None:
    reader, connection = Told(b"one"), Connection()
    stream = asyncio.create_task(run(reader, connection))
    await asyncio.sleep(0.01)

    stream.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stream
    assert reader.was_closed
