"""The only place that writes to the connection of an open widget: what is left of its request once the head is sent.

The web server has let go of it, with its parser, its task and the layers of the app. What remains is one small object
that frames what it is told to write, and hears when the connection is full, free again, or gone.
"""

import asyncio
import socket
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol, cast

from widget_server.live.channel import Pen

_UNREAD_MAX_BYTES = 32_768
"""Asked of the kernel for each connection; it takes twice as much, and by itself would keep megabytes for the deaf."""
_FRAMES_KEPT = 16
_END = b"0\r\n\r\n"


class Reader(Protocol):
    def open(self, pen: Pen, /) -> None: ...
    def ready(self) -> None: ...
    def close(self) -> None: ...


class FeedConnection(asyncio.Protocol):
    """A pen for one reader. Its transport has been a request's before, whose head has been answered as `chunked`."""

    __slots__ = ("_counted_in", "_is_full", "_reader", "_transport")

    def __init__(self, transport: asyncio.Transport, reader: Reader, *, is_full: bool, counted_in: set[Any]) -> None:
        """`counted_in`: all connections of the server, which tells those that are open to `shutdown` before it ends."""
        self._transport = transport
        self._reader = reader
        self._is_full = is_full
        self._counted_in = counted_in

    def begin(self) -> None:
        """Never raises: what goes wrong ends this connection, and its reader hears that it is gone."""
        self._counted_in.add(self)
        self._transport.set_protocol(self)
        try:
            _keep_little(self._transport)
            self._reader.open(self)
        except Exception as problem:
            self.cut(problem)

    def write(self, chunk: bytes, *, last: bool = False) -> bool:
        if self._transport.is_closing():
            return True
        self._transport.write(_framed(chunk))
        if last:
            self._transport.write(_END)
            self._transport.close()
        return not self._is_full

    def cut(self, problem: Exception | None = None) -> None:
        if problem is not None:
            asyncio.get_running_loop().call_exception_handler({"message": "A feed ended", "exception": problem})
        self._transport.abort()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._reader.ready()

    def connection_lost(self, exc: Exception | None) -> None:
        self._counted_in.discard(self)
        self._reader.close()

    def shutdown(self) -> None:
        """The server ends, and has said goodbye before; whoever has not taken that by now comes back elsewhere."""
        self._transport.abort()


def _keep_little(transport: asyncio.Transport) -> None:
    """Whoever does not read is full at once: it shall be told what is newest then, not what has piled up for it."""
    transport.set_write_buffer_limits(high=0)
    with suppress(OSError):  # it may have gone just now
        cast(socket.socket, transport.get_extra_info("socket")).setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_MAX_BYTES
        )


@lru_cache(_FRAMES_KEPT)
def _framed(chunk: bytes) -> bytes:
    """As HTTP/1.1 sends it. All readers are told the same bytes, so they are framed once."""
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)
