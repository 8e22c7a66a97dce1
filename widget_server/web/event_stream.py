"""The only place that answers with server-sent events: raw ASGI, because thousands are open at once.

Our own server takes the connection over as soon as the head is sent: no task, no layer of the app and no request stays
in memory for it. Under any other server the stream is one task, which waits for its client to go.
See docs/decisions/0002-raw-asgi-for-the-feed.md.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EVENT_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}
TAKE_OVER = "tenuto.take_over"
"""An extension of ASGI: its value is a TakeOver."""
_LAST_ANSWER = (b"connection", b"close")
"""Nothing else is answered on a connection that has been taken over."""


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


TakeOver = Callable[[Reader], bool]
"""What our server offers: to serve the connection of this request from now on. False where it cannot."""


class EventStream(Response):
    """Writes what its reader has to tell until the client goes or the reader writes its last."""

    def __init__(self, reader: Reader) -> None:
        self.status_code = 200
        self.background = None
        self._reader = reader
        self.init_headers(EVENT_STREAM_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        take_over: TakeOver | None = scope.get("extensions", {}).get(TAKE_OVER)
        headers = self.raw_headers if take_over is None else [*self.raw_headers, _LAST_ANSWER]
        is_taken_over = False
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
            is_taken_over = take_over is not None and take_over(self._reader)
            if not is_taken_over:
                await _write_here(self._reader, receive, send)
        finally:
            if not is_taken_over:
                self._reader.close()


async def _write_here(reader: Reader, receive: Receive, send: Send) -> None:
    pen = Pen(send, reader)
    try:
        reader.open(pen)
        while (await receive())["type"] != "http.disconnect":
            pass
    except asyncio.CancelledError:
        if not pen.is_broken:
            raise
        pen.raise_its_problem()
    finally:
        pen.put_down()


class Pen:
    """Writes to one connection, each chunk in a task of its own; made in the task that serves the request."""

    __slots__ = ("_problem", "_reader", "_send", "_task", "_writing", "is_broken")

    def __init__(self, send: Send, reader: Reader) -> None:
        self._send = send
        self._reader = reader
        self._task = asyncio.current_task()
        self._writing: asyncio.Task[None] | None = None
        self._problem: Exception | None = None
        self.is_broken = False

    def write(self, chunk: bytes, *, last: bool = False) -> bool:
        """False: the reader is told when the chunk has been taken."""
        assert self._writing is None, "one chunk at a time"
        self._writing = asyncio.ensure_future(self._write(chunk, last=last))
        return False

    def cut(self, problem: Exception | None = None) -> None:
        assert self._task is not None, "made within a task"
        if not self.is_broken:
            self.is_broken, self._problem = True, problem
            self._task.cancel()

    def put_down(self) -> None:
        if self._writing is not None:
            self._writing.cancel()

    def raise_its_problem(self) -> None:
        """What went wrong, if it is anybody's fault. That the client has gone is nobody's."""
        assert self._task is not None
        self._task.uncancel()
        if self._problem is not None and not isinstance(self._problem, OSError):
            raise self._problem

    async def _write(self, chunk: bytes, *, last: bool) -> None:
        try:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})
        except Exception as problem:  # it belongs to the task that serves the request
            self.cut(problem)
            return
        self._writing = None
        self._reader.ready()
