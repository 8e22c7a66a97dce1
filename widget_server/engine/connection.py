"""The only place that runs scripts, and that decides what to do when Redis does not answer or says no.

Every script may be run twice with the same arguments and answers the same, so a call whose answer was lost is simply
made again, for about a second. A group of calls is made again as a whole, in its order.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import hiredis

from widget_server.engine.calls import Call
from widget_server.engine.scripts import load_all
from widget_server.engine.wire import Address, Reply, Wire, Word, pack
from widget_server.errors import Fault, Unavailable

PATIENCE_S = 1.0
"""So long is a call made again and again, and so long may Redis be silent while it owes an answer."""
PAUSE_FIRST_S = 0.01
PAUSE_MAX_S = 0.2
REDIS_MIN = (7, 0)

_NOT_NOW = (
    *("LOADING", "BUSY", "READONLY", "MISCONF", "OOM", "MASTERDOWN", "NOREPLICAS"),
    *("CLUSTERDOWN", "TRYAGAIN", "ASK", "MOVED"),
)
"""What Redis says of its own state rather than of our call."""

log = logging.getLogger(__name__)


async def connect(url: str) -> "Connection":
    """Raises Fault for a URL that cannot be one. Redis need not be there yet: until it is, calls raise Unavailable."""
    return Connection(Address(url))


class Connection:
    """All calls of a process share one connection; whoever waits for something has one of their own (`waiting`)."""

    def __init__(self, address: Address, *, patience_s: float = PATIENCE_S) -> None:
        self._address = address
        self._patience_s = patience_s
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None

    async def run(self, call: Call) -> list[Reply]:
        """What the script returned. Raises Unavailable."""
        wire = self._wire
        if wire is not None and wire.is_open:
            reply = await wire.send(call.by_sha())
            if reply.__class__ is list:
                return reply
        return (await self.run_all([call]))[0]

    async def run_all(self, calls: Sequence[Call]) -> list[list[Reply]]:
        """Several scripts in one pipeline, in their order. Raises Unavailable."""
        packed, known = [call.by_sha() for call in calls], True
        replies = await self._repeat(packed)
        while known and any(_is_error(reply, "NOSCRIPT") for reply in replies):
            # One of them may have run before another that Redis did not know: all again, in their order.
            packed, known = [call.by_text() for call in calls], False
            replies = await self._repeat(packed)
        return _all_good(replies)

    async def read(self, *commands: Sequence[Word]) -> list[Reply]:
        """Plain commands in one pipeline, in their order; only what may be done twice. Raises Unavailable."""
        return _all_good(await self._repeat([pack(*command) for command in commands]))

    @asynccontextmanager
    async def waiting(self, *, silence_max_s: float) -> AsyncIterator[Wire]:
        """A connection of one's own, for commands that wait. Raises Unavailable; a lost one is not replaced."""
        try:
            wire = await self._address.open(silence_max_s=silence_max_s)
        except (OSError, hiredis.ReplyError) as problem:
            raise Unavailable("Seats cannot be reached; try again in a moment.") from problem
        try:
            yield wire
        finally:
            wire.close()

    async def check(self) -> None:
        """Whether this Redis will do. Raises Unavailable when it is not there, Fault when it never will."""
        server, memory = await self.read(("INFO", "server"), ("INFO", "memory"))
        version = _field(server, "redis_version")
        if tuple(int(part) for part in version.split(".")[:2]) < REDIS_MIN:
            raise Fault(f"Redis {version} is too old: use Redis 7.0 or Valkey 8, or newer.")
        policy = _field(memory, "maxmemory_policy")
        if policy != "noeviction":
            raise Fault(
                f"Redis would throw seats away when it is full: set maxmemory-policy from {policy} to noeviction."
            )

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._wire is not None:
            self._wire.close()

    async def _repeat(self, packed: Sequence[bytes]) -> list[Reply]:
        """The answers, errors of the calls themselves among them, once Redis gives any. Raises Unavailable."""
        trouble: Exception | None = None
        pause_s = PAUSE_FIRST_S
        try:
            async with asyncio.timeout(self._patience_s):
                while True:
                    try:
                        wire = await self._reach()
                        replies = [await answer for answer in [wire.send(one) for one in packed]]
                    except (OSError, hiredis.ReplyError) as problem:
                        trouble = problem
                    else:
                        trouble = next((reply for reply in replies if _is_trouble(reply)), None)
                        if trouble is None:
                            return replies
                        _leave_if_readonly(wire, trouble)
                    # Apart from one another, so that a Redis that comes back is not met by all at once.
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311
                    pause_s = min(pause_s * 2, PAUSE_MAX_S)
        except TimeoutError:
            log.warning("redis_unavailable: %s", trouble or "it does not answer")
            raise Unavailable("Seats cannot be reached; try again in a moment.") from trouble

    async def _reach(self) -> Wire:
        """The open connection, or a new one; all who need it meanwhile wait for the same."""
        if self._wire is not None and self._wire.is_open:
            return self._wire
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def _open(self) -> Wire:
        loads = [("SCRIPT", "LOAD", script.text) for script in load_all()]
        self._wire = await self._address.open(*loads, silence_max_s=self._patience_s)
        return self._wire

    def _opened(self, opening: asyncio.Task[Wire]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # Whoever asked may be gone; then nobody else would look at it.


def _is_error(reply: Reply, *codes: str) -> bool:
    return isinstance(reply, hiredis.ReplyError) and str(reply).split(" ", 1)[0] in codes


def _is_trouble(reply: Reply) -> bool:
    return isinstance(reply, OSError) or _is_error(reply, *_NOT_NOW)


def _leave_if_readonly(wire: Wire, trouble: Exception) -> None:
    # It was the primary and is a replica by now: the address leads to the new primary.
    if _is_error(trouble, "READONLY"):
        wire.close()


def _all_good(replies: list[Reply]) -> list[Reply]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise Fault(f"Redis does not take our commands: {reply}") from reply
    return replies


def _field(info: str, name: str) -> str:
    return next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith(f"{name}:")), "0.0")
