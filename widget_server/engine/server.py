"""The only place that keeps connections open for calls: each server has one, on which all calls to it leave."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import hiredis

from widget_server.engine.wire import Reply, Wire, Word, pack


class Way(Protocol):
    """How to get to a server: wire.Address, or sentinel.SentinelAddress, which has to ask where it is."""

    async def open(self, *first: Sequence[Word], silence_max_s: float) -> Wire: ...

    async def close(self) -> None: ...


class Servers(Protocol):
    """Where calls go: to one server (below), or to one of many (cluster.py), which the first key of a call tells."""

    def wire_for(self, key: str) -> Wire | None:
        """An open connection, where there is one to send on at once."""

    async def exchange(self, packed: Sequence[bytes], words: Sequence[Sequence[Word]]) -> list[Reply]:
        """The answers to some calls, which each server gets in their order. `words` has the keys of each call.

        Raises OSError, hiredis.ReplyError when a server cannot be reached; a call may have been made all the same.
        """

    async def each(self) -> list[tuple[str, "Server"]]:
        """All servers, by name, whether they are there or not. Raises as `exchange`."""

    async def open_own(self, key: str, *, silence_max_s: float) -> Wire:
        """A connection of one's own to the server of this key. Raises as `exchange`."""

    def hear(self, problem: Exception) -> None:
        """What went wrong on a connection of one's own."""

    async def close(self) -> None: ...


class Server:
    """One Redis. Its connection is opened when it is needed, and again when it was lost."""

    def __init__(self, way: Way, *first: Sequence[Word], silence_max_s: float) -> None:
        """`first` are the calls made on each new connection."""
        self._way = way
        self._first = first
        self._silence_max_s = silence_max_s
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None

    def wire_for(self, key: str) -> Wire | None:
        wire = self._wire
        return wire if wire is not None and wire.is_open else None

    async def exchange(self, packed: Sequence[bytes], words: Sequence[Sequence[Word]]) -> list[Reply]:
        wire = await self.reach()
        replies = [await answer for answer in [wire.send(one) for one in packed]]
        if any(is_error(reply, "READONLY") for reply in replies):
            wire.close()  # It was the primary and is a replica by now: the address leads to the new primary.
        return replies

    async def each(self) -> list[tuple[str, "Server"]]:
        return [("", self)]

    async def ask(self, *commands: Sequence[Word]) -> list[Reply]:
        return await self.exchange([pack(*command) for command in commands], commands)

    async def open_own(self, key: str, *, silence_max_s: float) -> Wire:
        return await self._way.open(silence_max_s=silence_max_s)

    def hear(self, problem: Exception) -> None:
        """It says nothing of where else to go."""

    async def reach(self) -> Wire:
        """The open connection, or a new one; all who need it meanwhile wait for the same."""
        wire = self.wire_for("")
        if wire is not None:
            return wire
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._wire is not None:
            self._wire.close()
        await self._way.close()

    async def _open(self) -> Wire:
        self._wire = await self._way.open(*self._first, silence_max_s=self._silence_max_s)
        return self._wire

    def _opened(self, opening: asyncio.Task[Wire]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # Whoever asked may be gone; then nobody else would look at it.


def is_error(reply: Reply, *codes: str) -> bool:
    return isinstance(reply, hiredis.ReplyError) and str(reply).split(" ", 1)[0] in codes
