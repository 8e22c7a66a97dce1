"""Lines between two processes, with faults on demand: answers lost, cut or late, and traps at a chosen moment."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

_CHUNK_BYTES = 65536
_NAMED = re.compile(rb"P.{4}(_pg3_\d+)\0([^\0]*)\0", re.DOTALL)
_SAID_BY_NAME = re.compile(rb"B.{4}[^\0]*\0(_pg3_\d+)\0", re.DOTALL)
"""PostgreSQL's Parse and Bind. What psycopg has often said on one connection it gives a name, and says only that."""

Address = Path | int
"""A unix socket, or a port of this machine."""


class Trap:
    """Springs once, when these words have come by on one connection, one after the other.

    `after` False: the last of them has not been passed on yet. True: it has, and its answer waits here.
    """

    def __init__(self, *words: bytes, after: bool) -> None:
        self.words, self.after = words, after
        self.sprung = asyncio.Event()
        self._passes: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def spring(self) -> bool:
        """Whether what waits here is to be passed on after all."""
        self.sprung.set()
        return await self._passes

    def pass_on(self) -> None:
        if not self._passes.done():
            self._passes.set_result(True)

    def drop(self) -> None:
        if not self._passes.done():
            self._passes.set_result(False)


class Line:
    """Until told otherwise it passes everything on."""

    def __init__(self, own: Address, server: Address) -> None:
        self.replies_to_lose = 0
        """So many times the server does what it was asked, and the line breaks instead of answering."""
        self.replies_to_cut = 0
        """So many times the line breaks in the middle of an answer."""
        self.delay_max_s = 0.0
        self.is_down = False
        """Nobody gets through."""
        self.trap: Trap | None = None
        self.own = own
        self._server = server
        self._random = random.Random(str(own))  # noqa: S311
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Line"]:
        if isinstance(self.own, Path):
            server = await asyncio.start_unix_server(self._talk, self.own)
        else:
            server = await asyncio.start_server(self._talk, "127.0.0.1", self.own)
        try:
            yield self
        finally:
            server.close()
            await self.hang_up()

    async def hang_up(self) -> None:
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def heal(self) -> None:
        self.replies_to_lose = self.replies_to_cut = 0
        self.delay_max_s = 0.0
        self.is_down = False

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            if self.is_down:
                return
            there, back = await _connect(self._server)
            try:
                talk = _Talk(self, reader, writer, there, back)
                await _first_to_end(talk.ask(), talk.answer())
            finally:
                back.transport.abort()
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            writer.transport.abort()
            self._talks.discard(task)

    def delay_s(self) -> float:
        return self._random.uniform(0, self.delay_max_s)


class _Talk:
    """One connection through a line."""

    def __init__(
        self,
        line: Line,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        self._line = line
        self._reader, self._writer = reader, writer
        self._there, self._back = there, back
        self._listens_for: Trap | None = None
        self._words_heard = 0
        self._statements: dict[bytes, bytes] = {}
        """By the names that they have on this connection."""
        self._answer_waits_for: Trap | None = None

    async def ask(self) -> None:
        while words := await self._reader.read(_CHUNK_BYTES):
            trap, in_full = self._line.trap, self._in_full(words)
            if trap is not None and not trap.sprung.is_set() and self._completes(trap, in_full):
                if trap.after:
                    self._answer_waits_for = trap
                elif not await trap.spring():
                    return
            self._back.write(words)
            await self._back.drain()

    async def answer(self) -> None:
        while words := await self._there.read(_CHUNK_BYTES):
            trap, self._answer_waits_for = self._answer_waits_for, None
            if trap is not None and not await trap.spring():
                return
            if self._line.delay_max_s:
                await asyncio.sleep(self._line.delay_s())
            if self._line.replies_to_lose > 0:
                self._line.replies_to_lose -= 1
                return
            if self._line.replies_to_cut > 0:
                self._line.replies_to_cut -= 1
                self._writer.write(words[: len(words) // 2])
                return
            self._writer.write(words)
            await self._writer.drain()

    def _in_full(self, words: bytes) -> bytes:
        """With the text of each statement that is said by its name."""
        if b"_pg3_" not in words:
            return words
        self._statements |= _NAMED.findall(words)
        return _SAID_BY_NAME.sub(lambda said: said[0] + self._statements.get(said[1], b""), words)

    def _completes(self, trap: Trap, words: bytes) -> bool:
        """Whether the last of the trap's words comes by just now, the others having come before."""
        if self._listens_for is not trap:
            self._listens_for, self._words_heard = trap, 0
        while self._words_heard < len(trap.words) and (at := words.find(trap.words[self._words_heard])) >= 0:
            words = words[at + len(trap.words[self._words_heard]) :]
            self._words_heard += 1
        return self._words_heard == len(trap.words)


async def _connect(server: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(server, Path):
        return await asyncio.open_unix_connection(server)
    return await asyncio.open_connection("127.0.0.1", server)


async def _first_to_end(*ways: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
