"""The only place that knows that a Redis Cluster has many servers: which of them has the slot of a key by now.

Each server has one connection, as a Redis on its own has. What a Cluster says of slots that have moved is taken at its
word; while the keys of a slot are on their way, a script is told to try again, and so are visitors in the end.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import hiredis

from widget_server.engine.hash_slots import SLOTS, slot_of
from widget_server.engine.sentinel import hosts_of
from widget_server.engine.server import Server, is_error
from widget_server.engine.wire import PORT, Address, Reply, Wire, Word, pack
from widget_server.errors import Fault

ASK_MAX_S = 0.5
READ_AGAIN_AFTER_S = 0.1
FOLLOWED_MAX = 5
TAGS_KEPT = 10_000
_ASKING = pack("ASKING")


class ClusterAddress:
    """Where a Cluster is: redis+cluster://[user:password@]host:port,host:port; any of its servers tells the others.

    With rediss+cluster:// all of them are spoken to over TLS.
    """

    def __init__(self, url: str) -> None:
        """Raises Fault for anything that is no such URL."""
        parts = urlsplit(url)
        login, hosts = parts.netloc.rpartition("@")[::2]
        if parts.path.strip("/") not in ("", "0"):
            raise Fault("TENUTO_REDIS_URL makes no sense: a Redis Cluster has no numbered databases.")
        scheme = parts.scheme.partition("+")[0]
        before = f"{scheme}://{login}{'@' if login else ''}"
        self.seeds = [Address(f"{before}{host}?{parts.query}") for host in hosts_of(hosts, PORT)]


class Redirection(NamedTuple):
    """Where a server says that a slot is: moved there for good, or to be asked for just this once."""

    is_moved: bool
    name: str
    """Of the server."""


class Cluster:
    def __init__(self, address: ClusterAddress, *first: Sequence[Word], silence_max_s: float) -> None:
        """`first` are the calls made on each new connection."""
        self._seeds = address.seeds
        self._first = first
        self._silence_max_s = silence_max_s
        self._nodes: dict[str, Server] = {}
        """By host and port."""
        self._owners: list[str] = []
        """The name of the master of each slot; empty until it was read, and the name where there is none."""
        self._by_tag: dict[str, Server] = {}
        self._is_doubted = True
        self._read_at_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def wire_for(self, key: str) -> Wire | None:
        node = self._by_tag.get(_tag(key))
        return None if node is None else node.wire_for(key)

    async def exchange(self, packed: Sequence[bytes], words: Sequence[Sequence[Word]]) -> list[Reply]:
        tags = _tags(words)
        try:
            wires = [await (await self._node_of(tag)).reach() for tag in tags]
            answers = [wire.send(one) for wire, one in zip(wires, packed, strict=True)]
            replies = [await answer for answer in answers]
            if any(is_error(reply, "MOVED", "ASK") for reply in replies):
                # Whoever reads the feed first and then the seats relies on that order, also between two servers.
                replies = [await self._follow(one, tag) for one, tag in zip(packed, tags, strict=True)]
        except OSError:
            self._is_doubted = True
            raise
        self._is_doubted |= any(isinstance(reply, OSError) or is_error(reply, "CLUSTERDOWN") for reply in replies)
        return replies

    async def each(self) -> list[tuple[str, Server]]:
        """Those that have slots."""
        await self._know()
        names = sorted(set(self._owners) - {""})
        if not names:
            raise ConnectionRefusedError("No server of the Cluster has any slot.")
        return [(name, self._node(name)) for name in names]

    async def open_own(self, key: str, *, silence_max_s: float) -> Wire:
        try:
            return await (await self._node_of(_tag(key))).open_own(key, silence_max_s=silence_max_s)
        except OSError:
            self._is_doubted = True
            raise

    def hear(self, problem: Exception) -> None:
        self._is_doubted = True

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        for node in self._nodes.values():
            await node.close()

    async def _follow(self, packed: bytes, tag: str) -> Reply:
        """The answer of whoever has the key now, or the last redirection, if there were too many."""
        node, reply = await self._node_of(tag), None
        first: tuple[bytes, ...] = ()
        for _ in range(FOLLOWED_MAX):
            wire = await node.reach()
            *_, reply = [await answer for answer in [wire.send(one) for one in (*first, packed)]]
            redirection = _redirection(reply, wire.peer)
            if redirection is None:
                break
            node, first = self._node(redirection.name), () if redirection.is_moved else (_ASKING,)
            self._is_doubted |= redirection.is_moved
        return reply

    async def _node_of(self, tag: str) -> Server:
        """The server that has the keys of this tag, as far as we know. Raises OSError, hiredis.ReplyError."""
        await self._know()
        node = self._by_tag.get(tag)
        if node is None:
            name = self._owners[slot_of(tag)]
            if not name:
                raise ConnectionRefusedError("No server of the Cluster has this slot.")
            if len(self._by_tag) >= TAGS_KEPT:
                self._by_tag.clear()
            node = self._by_tag[tag] = self._node(name)
        return node

    def _node(self, name: str) -> Server:
        if name not in self._nodes:
            host, _, port = name.rpartition(":")
            way = self._seeds[0].at(host, int(port))
            self._nodes[name] = Server(way, *self._first, silence_max_s=self._silence_max_s)
        return self._nodes[name]

    async def _know(self) -> None:
        """The map is there; and is new, if it was doubted. All who need it meanwhile wait for the same."""
        is_young = asyncio.get_running_loop().time() - self._read_at_s < READ_AGAIN_AFTER_S
        if self._owners and (is_young or not self._is_doubted):
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._was_read)
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        trouble: Exception = ConnectionRefusedError("No server of the Cluster answers.")
        for node in self._to_ask():
            try:
                async with asyncio.timeout(ASK_MAX_S):
                    wire = await node.reach()
                    ranges = await wire.ask("CLUSTER", "SLOTS")
            except (OSError, hiredis.ReplyError) as problem:
                trouble = problem
            else:
                await self._take_in(ranges, wire.peer)
                return
        raise trouble

    def _to_ask(self) -> list[Server]:
        """Those that are connected first, and then everybody ever named; each time in another order."""
        nodes = list({**self._nodes, **{seed.name: self._node(seed.name) for seed in self._seeds}}.values())
        random.shuffle(nodes)
        return sorted(nodes, key=lambda node: node.wire_for("") is None)

    async def _take_in(self, ranges: Reply, peer: str) -> None:
        owners = [""] * SLOTS
        for first, last, (host, port, *_), *_replicas in ranges:
            owners[first : last + 1] = [_name(host, port, peer)] * (last + 1 - first)
        self._owners, self._is_doubted = owners, False
        self._read_at_s = asyncio.get_running_loop().time()
        self._by_tag.clear()
        for gone in self._nodes.keys() - set(owners):
            await self._nodes.pop(gone).close()

    def _was_read(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # Whoever asked may be gone; then nobody else would look at it.


def _redirection(reply: Reply, peer: str) -> Redirection | None:
    if not is_error(reply, "MOVED", "ASK"):
        return None
    word, _slot, place = str(reply).split(" ")[:3]
    host, _, port = place.rpartition(":")
    return Redirection(word == "MOVED", _name(host, int(port), peer))


def _name(host: str | None, port: int, peer: str) -> str:
    """A server that does not know its own address leaves it out: then it is where we have reached it."""
    return f"{host or peer.rpartition(':')[0]}:{port}"


def _tag(key: str) -> str:
    """What stands in braces, as in all our keys; else the key itself, as a Cluster has it."""
    return key.partition("{")[2].partition("}")[0] or key


def _tags(words: Sequence[Sequence[Word]]) -> list[str]:
    """The tag of the first key of each call; a call without a key goes with the one before, or else with the next."""
    found = [next((_tag(word) for word in call if isinstance(word, str) and "{" in word), "") for call in words]
    tag = next(filter(None, found), "")
    tags: list[str] = []
    for own in found:
        tag = own or tag
        tags.append(tag)
    return tags
