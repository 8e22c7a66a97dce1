"""A way to Redis with faults on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Proxy:
    """Passes everything on, except what it was told to lose."""

    def __init__(self, server: Path, own: Path) -> None:
        self.url = f"unix://{own}"
        self.replies_to_lose = 0
        """So many times the server does what it was asked, and hangs up instead of answering."""
        self.speaks = asyncio.Event()
        """While it is not set, it takes everything and answers nothing."""
        self.speaks.set()
        self.accepted = 0
        self._server, self._own = server, own
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_unix_server(self._pass_on, self._own)
        try:
            yield self
        finally:
            server.close()
            self.hang_up()

    def hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _pass_on(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        server_reader, server = await asyncio.open_unix_connection(self._server)
        self._writers |= {client, server}
        back = asyncio.create_task(self._answer(server_reader, client))
        try:
            while words := await client_reader.read(65536):
                server.write(words)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            back.cancel()
            for writer in (client, server):
                writer.transport.abort()
                self._writers.discard(writer)

    async def _answer(self, server_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while words := await server_reader.read(65536):
            await self.speaks.wait()
            if self.replies_to_lose:
                self.replies_to_lose -= 1
                client.transport.abort()
                return
            client.write(words)
