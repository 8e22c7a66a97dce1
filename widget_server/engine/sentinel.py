"""The only place that speaks to Redis Sentinel: which server is the master now, and when it is another one."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from weakref import WeakSet

import hiredis

from widget_server.engine.server import Server
from widget_server.engine.wire import Address, Wire, Word, good
from widget_server.errors import Fault

ASK_MAX_S = 0.5
HEARS_WITHIN_S = 5.0
"""So soon each sentinel knows of a failover: they tell each other every two seconds."""
LOOK_EVERY_S = 1.0
"""A master that still answers us while its sentinels have another one is left within so long."""
PORT = 26379
SENTINELS_MAX = 16


class Told(NamedTuple):
    """What a sentinel says. Every failover has a greater epoch than the one before."""

    epoch: int
    host: str
    port: int


class SentinelAddress:
    """Where a master is: redis+sentinel://[user:password@]host:port,host:port/<name of the master>[/<database>].

    User and password are the servers'; the sentinels' own are the options sentinel_username and sentinel_password.
    With rediss+sentinel:// both are spoken to over TLS.
    """

    def __init__(self, url: str) -> None:
        """Raises Fault for anything that is no such URL."""
        parts = urlsplit(url)
        login, hosts = parts.netloc.rpartition("@")[::2]
        self._name, _, db = parts.path.strip("/").partition("/")
        if not self._name or not hosts:
            raise Fault("TENUTO_REDIS_URL makes no sense: use redis+sentinel://host:port,host:port/name-of-the-master.")
        options = dict(parse_qsl(parts.query))
        own = [quote(options.pop(f"sentinel_{word}", ""), safe="") for word in ("username", "password")]
        scheme, query = parts.scheme.partition("+")[0], urlencode(options)
        self._any_server = Address(f"{scheme}://{login}{'@' if login else ''}server/{db}?{query}")
        self._sentinels = [
            Server(
                Address(f"{scheme}://{':'.join(own) + '@' if any(own) else ''}{host}?{query}"), silence_max_s=ASK_MAX_S
            )
            for host in hosts_of(hosts, PORT)[:SENTINELS_MAX]
        ]
        self._master: Address | None = None
        self._epoch = -1
        self._at_one_since_s = inf
        self._wires: WeakSet[Wire] = WeakSet()
        self._watching: asyncio.Task[None] | None = None

    async def open(self, *first: Sequence[Word], silence_max_s: float) -> Wire:
        """A connection to a server that says itself that it is the master.

        Raises OSError while there is none, hiredis.ReplyError when it or the sentinels let nobody in.
        """
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        master = self._master or await self._ask()
        try:
            wire = await self._open_master(master, first, silence_max_s)
        except OSError:
            self._forget(master)
            raise
        self._wires.add(wire)
        return wire

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        for sentinel in self._sentinels:
            await sentinel.close()

    async def _open_master(self, master: Address, first: Sequence[Sequence[Word]], silence_max_s: float) -> Wire:
        wire = await master.open(*first, silence_max_s=silence_max_s)
        try:
            role, *_ = await wire.ask("ROLE")
            if role != "master":
                raise ConnectionRefusedError(f"The Redis at {master.name} is no master.")
        except BaseException:
            wire.close()
            raise
        return wire

    async def _ask(self) -> Address:
        """Where the sentinel that knows of the newest failover says that the master is.

        One that tells of an older failover than another did before is behind, and is not believed; unless most of them
        go on to say the same, and none of them anything else: then they were set up anew, and count failovers from the
        start.
        """
        answers = await asyncio.gather(*map(self._ask_one, self._sentinels), return_exceptions=True)
        told = self._believed([answer for answer in answers if isinstance(answer, Told)])
        if not told:
            raise next(
                (answer for answer in answers if isinstance(answer, hiredis.ReplyError)),
                ConnectionRefusedError("No sentinel says where the master is."),
            )
        self._epoch, host, port = max(told)
        self._master = self._any_server.at(host, port)
        return self._master

    def _believed(self, told: Sequence[Told]) -> Sequence[Told]:
        now_s = asyncio.get_running_loop().time()
        up_to_date = [one for one in told if one.epoch >= self._epoch]
        if up_to_date or not self._are_at_one(told):
            self._at_one_since_s = inf
            return up_to_date
        self._at_one_since_s = min(self._at_one_since_s, now_s)
        return told if now_s - self._at_one_since_s >= HEARS_WITHIN_S else []

    def _are_at_one(self, told: Sequence[Told]) -> bool:
        """Whether most of all sentinels have told where the master is, all of them the same."""
        return len(told) * 2 > len(self._sentinels) and len({(one.host, one.port) for one in told}) == 1

    async def _ask_one(self, sentinel: Server) -> Told:
        async with asyncio.timeout(ASK_MAX_S):
            wire = await sentinel.reach()
            asked = wire.send_all(
                ("SENTINEL", "MASTER", self._name), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
            )
            fields, place = [good(await answer) for answer in asked]
        known = dict(zip(fields[::2], fields[1::2], strict=True))
        return Told(int(known["config-epoch"]), place[0], int(place[1]))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(OSError, hiredis.ReplyError):
                master = await self._ask()
                for wire in [wire for wire in self._wires if wire.peer != master.name]:
                    wire.close()

    def _forget(self, master: Address) -> None:
        if self._master is not None and self._master.name == master.name:
            self._master = None


def hosts_of(listed: str, port: int) -> list[str]:
    """The hosts of a list with commas, each with its port. Raises Fault for an empty one."""
    hosts = [host.strip() for host in listed.split(",")]
    if not all(hosts):
        raise Fault("TENUTO_REDIS_URL makes no sense: there is an empty place in its list of hosts.")
    return [host if host.rpartition("]")[2].count(":") else f"{host}:{port}" for host in hosts]
