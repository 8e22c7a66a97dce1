"""A real server for streams that never end: an in-process client would wait for their last byte."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from widget_server.connections import PunctualProtocol

PATIENCE_S = 60.0


class Server(uvicorn.Server):
    """Says goodbye before it stops, and leaves the signals of the test run alone."""

    def __init__(self, app: ASGIApp, goodbye: Callable[[], None], *, http: Any) -> None:
        super().__init__(uvicorn.Config(app, http=http, log_level="error", access_log=False, lifespan="off"))
        self._goodbye = goodbye

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._goodbye()
        await super().shutdown(sockets)


@asynccontextmanager
async def served(
    app: ASGIApp, goodbye: Callable[[], None], *, http: Any = PunctualProtocol
) -> AsyncIterator[tuple[Server, int]]:
    """The server, with our own way of treating connections or another one, and the port it listens on."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listening.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768
    )  # or a slow client would only show after megabytes
    server = Server(app, goodbye, http=http)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield server, listening.getsockname()[1]
    finally:
        server.handle_exit(15, None)
        await asyncio.wait_for(serving, timeout=PATIENCE_S)


class Stream:
    """One connection that asked for a feed, as a browser would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.head = b""
        self.text = b""

    @staticmethod
    async def open(port: int, path: str = "/", *, buffer_bytes: int | None = None, **headers: str) -> "Stream":
        sock = socket.socket()
        if buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        stream = Stream(*await asyncio.open_connection(sock=sock, limit=buffer_bytes or 2**16))
        lines = [
            f"GET {path} HTTP/1.1",
            "host: localhost",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        stream._writer.write("\r\n".join([*lines, "", ""]).encode())
        stream.head = await asyncio.wait_for(stream._reader.readuntil(b"\r\n\r\n"), timeout=PATIENCE_S)
        return stream

    async def until(self, *texts: bytes, timeout_s: float = PATIENCE_S) -> bytes:
        """All that was read, once each of these texts is among it."""
        async with asyncio.timeout(timeout_s):
            while not all(text in self.text for text in texts):
                await self._read_chunk()
        return self.text

    async def more(self, timeout_s: float = PATIENCE_S) -> None:
        """Read whatever comes next."""
        async with asyncio.timeout(timeout_s):
            await self._read_chunk()

    async def to_the_end(self, timeout_s: float = PATIENCE_S) -> bytes:
        async with asyncio.timeout(timeout_s):
            while await self._read_chunk():
                pass
        return self.text

    async def _read_chunk(self) -> int:
        length = int(await self._reader.readuntil(b"\r\n"), 16)
        self.text += (await self._reader.readexactly(length + 2))[:-2]
        return length

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
