"""The only place that writes server-sent events to a connection: raw ASGI, because thousands are open at once.

A stream takes one task, which waits for its client to go. Nothing is woken to write: whoever has news runs the server's
`send` on the spot, and only where the client is too slow to take more does the rest of it become a task.
See docs/decisions/0002-raw-asgi-for-the-feed.md.
"""

import asyncio
from collections.abc import Generator
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EVENT_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class Reader(Protocol):
    def open(self, pen: "Pen", /) -> None:
        """Begin to write with this pen."""
        ...

    def ready(self) -> None:
        """The pen can write again after it has said that it could not."""
        ...

    def close(self) -> None:
        """The connection has gone."""
        ...


class EventStream(Response):
    """Writes what its reader has to tell until the client goes or the reader writes its last."""

    def __init__(self, reader: Reader) -> None:
        self.status_code = 200
        self.background = None
        self._reader = reader
        self.init_headers(EVENT_STREAM_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pen = Pen(send, self._reader)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            self._reader.open(pen)
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not pen.is_broken:
                raise
            pen.raise_its_problem()
        finally:
            pen.put_down()
            self._reader.close()


class Pen:
    """Writes to one connection; made in the task that serves it."""

    __slots__ = ("_problem", "_reader", "_rest", "_send", "_task", "is_broken")

    def __init__(self, send: Send, reader: Reader) -> None:
        self._send = send
        self._reader = reader
        self._task = asyncio.current_task()
        self._rest: asyncio.Task[None] | None = None
        self._problem: Exception | None = None
        self.is_broken = False

    def write(self, chunk: bytes, *, last: bool = False) -> bool:
        """False if the connection cannot take more for now: the reader is told when it can."""
        assert self._rest is None, "one chunk at a time"
        sending = self._send({"type": "http.response.body", "body": chunk, "more_body": not last}).__await__()
        try:
            waits_for = next(sending)
        except StopIteration:
            return True
        except Exception as problem:  # it belongs to this connection's task, not to whoever told the news
            self._break(problem)
            return True
        self._rest = asyncio.ensure_future(self._write_rest(_Rest(sending, waits_for)))
        return False

    def cut(self, problem: Exception | None = None) -> None:
        self._break(problem)

    def put_down(self) -> None:
        if self._rest is not None:
            self._rest.cancel()

    def raise_its_problem(self) -> None:
        """What went wrong, if it is anybody's fault. That the client has gone is nobody's."""
        assert self._task is not None
        self._task.uncancel()
        if self._problem is not None and not isinstance(self._problem, OSError):
            raise self._problem

    async def _write_rest(self, rest: "_Rest") -> None:
        try:
            await rest
        except Exception as problem:  # as above
            self._break(problem)
            return
        self._rest = None
        self._reader.ready()

    def _break(self, problem: Exception | None) -> None:
        assert self._task is not None, "made within a task"
        if not self.is_broken:
            self.is_broken, self._problem = True, problem
            self._task.cancel()


class _Rest:
    """What remains of a `send` that was begun on the spot and has to wait."""

    __slots__ = ("_sending", "_waits_for")

    def __init__(self, sending: Generator[Any, None, None], waits_for: Any) -> None:
        self._sending = sending
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield self._waits_for
            yield from self._sending
        finally:
            self._sending.close()
