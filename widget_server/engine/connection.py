"""The only place that runs scripts, and that decides what to do when Redis does not answer or says no.

Every script may be run twice with the same arguments and answers the same, so a call whose answer was lost is simply
made again, for about a second. A group of calls is made again as a whole, in its order.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import hiredis

from widget_server.domain.sites import DEFAULT_PARTITION
from widget_server.engine import hash_slots
from widget_server.engine.calls import Call
from widget_server.engine.cluster import Cluster, ClusterAddress
from widget_server.engine.scripts import load_all
from widget_server.engine.sentinel import SentinelAddress
from widget_server.engine.server import Server, Servers, is_error
from widget_server.engine.wire import LOOKS, Address, Reply, Wire, Word, good, pack
from widget_server.errors import Fault, Unavailable

PATIENCE_S = 1.0
"""So long is a call made again and again, and so long may Redis be silent while it owes an answer."""
LOOK_MAX_S = 0.4
"""A server of a Cluster that says nothing of itself for so long is away: a proxy that asks often waits a second."""
PAUSE_FIRST_S = 0.01
PAUSE_MAX_S = 0.2
REDIS_MIN = (7, 0)

_NOT_NOW = (
    *("LOADING", "BUSY", "READONLY", "MISCONF", "OOM", "MASTERDOWN", "NOREPLICAS"),
    *("CLUSTERDOWN", "TRYAGAIN", "ASK", "MOVED"),
)
"""What Redis says of its own state rather than of our call."""

_UNREACHED = "Seats cannot be reached; try again in a moment."

log = logging.getLogger(__name__)


async def connect(url: str) -> "Connection":
    """Raises Fault for a URL that cannot be one. Redis need not be there yet: until it is, calls raise Unavailable."""
    return Connection(address_of(url))


def address_of(url: str) -> Address | SentinelAddress | ClusterAddress:
    """What a URL of any form leads to. Raises Fault for anything that is no such URL."""
    match url.partition("://")[0].partition("+")[2]:
        case "sentinel":
            return SentinelAddress(url)
        case "cluster":
            return ClusterAddress(url)
        case _:
            return Address(url)


class Connection:
    """All calls of a process share one connection a server; whoever waits has one of their own (`waiting`)."""

    def __init__(self, address: Address | SentinelAddress | ClusterAddress, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        loads = [("SCRIPT", "LOAD", script.text) for script in load_all()]
        self._is_cluster = isinstance(address, ClusterAddress)
        self._servers: Servers
        if isinstance(address, ClusterAddress):
            self._servers = Cluster(address, *loads, silence_max_s=patience_s)
        else:
            self._servers = Server(address, *loads, silence_max_s=patience_s)

    @property
    def partitions(self) -> tuple[str, ...]:
        """Over which new sites are to be spread."""
        return hash_slots.spread_tags() if self._is_cluster else (DEFAULT_PARTITION,)

    async def run(self, call: Call) -> list[Reply]:
        """What the script returned. Raises Unavailable."""
        sent = self.send(call)
        if sent is not None and (reply := await sent).__class__ is list:
            return reply
        return (await self.run_all([call]))[0]

    def send(self, call: Call) -> asyncio.Future[Reply] | None:
        """On its way, once: whoever finds anything but a list there has to `run` it. None where no server is known."""
        if self._is_cluster:
            call = call.of_settled_slot()
        wire = self._servers.wire_for(call.keys[0])
        return None if wire is None else wire.send(call.by_sha())

    async def run_all(self, calls: Sequence[Call]) -> list[list[Reply]]:
        """Several scripts in one pipeline, in their order. Raises Unavailable."""
        return await self._run_all([call.of_settled_slot() for call in calls] if self._is_cluster else calls)

    async def _run_all(self, calls: Sequence[Call]) -> list[list[Reply]]:
        words = [call.keys for call in calls]
        replies = await self._exchange([call.by_sha() for call in calls], words)
        if any(is_error(reply, "NOSCRIPT") for reply in replies):
            # One of them may have run before another that Redis did not know: all again, in their order.
            replies = await self._exchange([call.by_text() for call in calls], words)
        return _all_good(replies)

    async def read(self, *commands: Sequence[Word]) -> list[Reply]:
        """Plain commands in one pipeline, in their order; only what may be done twice. Raises Unavailable.

        In a Cluster, the first word with a partition in braces tells where each of them goes, and one without any goes
        where its neighbours go. Of commands for several partitions, each server gets its own in their order.
        """
        return _all_good(await self._exchange([pack(*command) for command in commands], commands))

    @asynccontextmanager
    async def waiting(self, key: str, *, silence_max_s: float) -> AsyncIterator[Wire]:
        """A connection of one's own to where this key is, for commands that wait.

        Raises Unavailable; a lost one is not replaced.
        """
        try:
            wire = await self._servers.open_own(key, silence_max_s=silence_max_s)
        except (OSError, hiredis.ReplyError) as problem:
            raise Unavailable(_UNREACHED) from problem
        try:
            yield wire
        except (OSError, hiredis.ReplyError) as problem:
            self._servers.hear(problem)
            raise
        finally:
            wire.close()

    async def check(self) -> None:
        """Whether this Redis will do. Raises Unavailable when it is not there, Fault when it never will.

        Of a Cluster one server is enough: who has their seats elsewhere can be served.
        """
        try:
            looked_at = await self._repeat(self._look_at_each)
        except Unavailable as refusal:
            if isinstance(refusal.__cause__, Exception) and (never := _never(refusal.__cause__)):
                raise Fault(never) from refusal
            raise
        for _, told in looked_at:
            if not isinstance(told, Exception):
                _will_do(*_all_good(told), is_cluster=self._is_cluster)
            elif never := _never(told):
                raise Fault(never) from told

    async def miss_none(self) -> None:
        """Raises Fault where some servers are away and others are not; Unavailable where none can be found."""
        looked_at = await self._repeat(self._look_at_each)
        away = [name for name, told in looked_at if isinstance(told, Exception)]
        if away:
            raise Fault(
                f"{len(away)} of {len(looked_at)} servers of the Cluster do not answer, and the sites there are not"
                f" served: {', '.join(away)}."
            )

    async def close(self) -> None:
        await self._servers.close()

    async def _look_at_each(self) -> list[tuple[str, list[Reply] | Exception]]:
        """By name, what each server says of itself, or why it does not; those that do wait not long for the others.

        Raises OSError, hiredis.ReplyError where none does.
        """
        servers = await self._servers.each()
        within_s = LOOK_MAX_S if len(servers) > 1 else None
        told = await asyncio.gather(*(self._look_at(server, within_s) for _, server in servers))
        problems = [one for one in told if isinstance(one, Exception)]
        if len(problems) == len(told):
            raise next(filter(_never, problems), problems[0])
        return [(name, one) for (name, _), one in zip(servers, told, strict=True)]

    async def _look_at(self, server: Server, within_s: float | None) -> list[Reply] | Exception:
        try:
            async with asyncio.timeout(within_s):
                told = await server.ask(("INFO", "server"), ("INFO", "memory"))
            return [good(reply) if _is_trouble(reply) else reply for reply in told]
        except (OSError, hiredis.ReplyError) as problem:
            self._servers.hear(problem)
            return problem

    async def _exchange(self, packed: Sequence[bytes], words: Sequence[Sequence[Word]]) -> list[Reply]:
        return await self._repeat(lambda: self._servers.exchange(packed, words))

    async def _repeat(self, attempt: Callable[[], Awaitable[list[Reply]]]) -> list[Reply]:
        """The answers, errors of the calls themselves among them, once Redis gives any. Raises Unavailable."""
        trouble: Exception | None = None
        pause_s = PAUSE_FIRST_S
        try:
            async with _patience(self._patience_s):
                while True:
                    try:
                        replies = await attempt()
                    except (OSError, hiredis.ReplyError) as problem:
                        trouble = _more_telling(trouble, problem)
                    else:
                        trouble = next((reply for reply in replies if _is_trouble(reply)), None)
                        if trouble is None:
                            return replies
                    # Apart from one another, so that a Redis that comes back is not met by all at once.
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311
                    pause_s = min(pause_s * 2, PAUSE_MAX_S)
        except TimeoutError:
            log.warning("redis_unavailable: %s", _told(trouble))
            raise Unavailable(_UNREACHED) from trouble


@asynccontextmanager
async def _patience(for_s: float) -> AsyncIterator[None]:
    """Raises TimeoutError when it is over. Counted in steps: a process that stood still has not waited for so long, and
    what Redis answered meanwhile is still to be read.
    """
    loop, looks = asyncio.get_running_loop(), 0
    timer: asyncio.TimerHandle | None = None

    def wait_on() -> None:
        nonlocal looks, timer
        if looks == LOOKS:
            limit.reschedule(loop.time())
        else:
            timer = loop.call_later(for_s / LOOKS, wait_on)
        looks += 1

    try:
        async with asyncio.timeout(None) as limit:
            wait_on()
            yield
    finally:
        if timer is not None:
            timer.cancel()


def _is_trouble(reply: Reply) -> bool:
    return isinstance(reply, OSError) or is_error(reply, *_NOT_NOW)


def _told(trouble: Exception | None) -> str:
    return "it does not answer" if trouble is None else _never(trouble) or str(trouble) or type(trouble).__name__


def _more_telling(before: Exception | None, problem: Exception) -> Exception:
    """A Redis that has said what is wrong may hang up the next time, before that can be read."""
    return before if before is not None and _never(before) and not _never(problem) else problem


def _never(trouble: Exception) -> str | None:
    """What is wrong, where no patience will help: somebody has to change a setting, here or there."""
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return f"The certificate of Redis is not to be trusted ({trouble.verify_message})."
    if isinstance(trouble, ssl.SSLError):
        return "Redis does not speak TLS with us: look at rediss:// or redis:// in TENUTO_REDIS_URL."
    if is_error(trouble, "WRONGPASS", "NOAUTH") or str(trouble).startswith("ERR AUTH"):
        return "Redis refuses the password: look at user and password in TENUTO_REDIS_URL."
    if isinstance(trouble, hiredis.ReplyError) and not is_error(trouble, *_NOT_NOW):
        return f"Redis does not let us in: {str(trouble).rstrip('.')}."
    return None


def _all_good(replies: list[Reply]) -> list[Reply]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise Fault(f"Redis does not take our commands: {reply}") from reply
    return replies


def _will_do(server: str, memory: str, *, is_cluster: bool) -> None:
    version = _field(server, "redis_version")
    if tuple(int(part) for part in version.split(".")[:2]) < REDIS_MIN:
        raise Fault(f"Redis {version} is too old: use Redis 7.0 or Valkey 8, or newer.")
    for mode in {_field(server, "redis_mode"), _field(server, "server_mode")} & {"cluster", "sentinel"}:
        if not is_cluster:
            raise Fault(f"This is no Redis on its own: begin TENUTO_REDIS_URL with redis+{mode}://.")
    policy = _field(memory, "maxmemory_policy")
    if policy != "noeviction":
        raise Fault(f"Redis would throw seats away when it is full: set maxmemory-policy from {policy} to noeviction.")


def _field(info: str, name: str) -> str:
    return next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith(f"{name}:")), "0.0")
