"""Several real servers at once: a master with its replica and three Sentinels, and a Cluster of three masters."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from tests.engine.servers import OnPort, free_port, valkey
from widget_server.engine.hash_slots import SLOTS, slot_of

PATIENCE_S = 60.0
_STEP_S = 0.05
NAME = "seats"
"""Of the master, to its Sentinels."""
_AT_ONCE = ("--repl-diskless-sync-delay", "0")
"""A master waits five seconds for more replicas before it begins with the first, unless told otherwise."""
_GREETING_MS, _GREETED_MS = 100, 2_000
"""How often Sentinels tell each other that they are there: until they know each other, and then as ever."""


class Fleet:
    """Servers that start and end together. Use it as a context."""

    def __init__(self) -> None:
        self._running = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, _type: type[BaseException] | None, _of: BaseException | None, _at: TracebackType | None) -> None:
        self._running.close()

    def start(self) -> None:
        raise NotImplementedError

    def _run(self, *servers: OnPort) -> None:
        for server in servers:
            self._running.callback(server.kill)
            server.start()


class Watched(Fleet):
    """`one` is the master at first and `other` its replica; then whichever their three Sentinels choose."""

    def __init__(self, folder: Path, *options: str, server: str | None = None) -> None:
        super().__init__()
        binary = server or valkey()
        self.one = OnPort(_made(folder / "one"), *_AT_ONCE, *options, server=binary)
        self.other = OnPort(_made(folder / "other"), *_AT_ONCE, *options, server=binary)
        self.sentinels = [self._sentinel(_made(folder / name), binary) for name in ("x", "y", "z")]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(sentinel.place for sentinel in self.sentinels)}/{NAME}"

    def start(self) -> None:
        self._run(self.one, self.other)
        self.other.ask("REPLICAOF", "127.0.0.1", self.one.port)
        until(lambda: _is_attached(self.other))
        self._run(*self.sentinels)
        self._greet_every(_GREETING_MS)
        until(lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels))
        self._greet_every(_GREETED_MS)

    def master(self) -> OnPort:
        """As most Sentinels see it."""
        ports = [int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1]) for sentinel in self.sentinels]
        return self.one if ports.count(self.one.port) > 1 else self.other

    def be_patient_for(self, *, ms: int) -> None:
        """So long may a server be silent until another one takes its place."""
        for sentinel in self.sentinels:
            sentinel.ask("SENTINEL", "SET", NAME, "down-after-milliseconds", ms)

    def _greet_every(self, pause_ms: int) -> None:
        for sentinel in self.sentinels:
            sentinel.ask("SENTINEL", "DEBUG", "PUBLISH-PERIOD", pause_ms)

    def _knows_all(self, sentinel: OnPort) -> bool:
        known = sentinel.ask("SENTINEL", "MASTER", NAME)
        return (known["num-slaves"], known["num-other-sentinels"]) == ("1", "2")

    def _sentinel(self, folder: Path, server: str) -> OnPort:
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor {NAME} 127.0.0.1 {self.one.port} 2\n"
            f"sentinel down-after-milliseconds {NAME} 500\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )
        return OnPort(folder, "--sentinel", server=server, settings=settings)


class Sharded(Fleet):
    """Three masters that share the slots; `replicas` more, each of one of them."""

    def __init__(self, folder: Path, *options: str, server: str | None = None, replicas: int = 0) -> None:
        super().__init__()
        of_cluster = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--appendonly", "no", *_AT_ONCE)
        self._buses = [free_port() for _ in range(3 + replicas)]
        self.nodes = [
            OnPort(_made(folder / f"node{bus}"), *of_cluster, "--cluster-port", str(bus), *options, server=server)
            for bus in self._buses
        ]
        self.masters, self.replicas = self.nodes[:3], self.nodes[3:]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(node.place for node in self.nodes)}"

    def start(self) -> None:
        self._run(*self.nodes)
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(self.masters):
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._buses[0])
        until(lambda: all(self._is_whole(node) for node in self.nodes))
        for replica, master in zip(self.replicas, self.masters, strict=False):
            replica.ask("CLUSTER", "REPLICATE", _id(master))
        for replica in self.replicas:
            until(partial(_is_attached, replica))

    def owner(self, tag: str) -> OnPort:
        """The master that has the slot of this tag, as it sees it itself."""
        return next(node for node in self.nodes if _has(node, slot_of(tag)))

    def begin_to_move(self, tag: str, to: OnPort) -> None:
        slot, source = slot_of(tag), self.owner(tag)
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", _id(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", _id(to))

    def move_keys(self, tag: str, source: OnPort, to: OnPort, count: int) -> int:
        """So many keys at most; how many there were."""
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot_of(tag), count)
        if keys:
            source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
        return len(keys)

    def end_move(self, tag: str, source: OnPort, to: OnPort) -> None:
        for node in (to, source, *(node for node in self.masters if node not in (to, source))):
            node.ask("CLUSTER", "SETSLOT", slot_of(tag), "NODE", _id(to))

    def pass_on(self, tag: str, *, keys_at_once: int = 20, pause: Callable[[], None] | None = None) -> None:
        """All of its slot goes to the next master, and between two steps, its keys here and there, comes a pause."""
        source = self.owner(tag)
        to = self.masters[(self.masters.index(source) + 1) % 3]
        self.begin_to_move(tag, to)
        while self.move_keys(tag, source, to, keys_at_once):
            (pause or partial(time.sleep, _STEP_S))()
        self.end_move(tag, source, to)

    def _is_whole(self, node: OnPort) -> bool:
        told = node.ask("CLUSTER", "INFO")
        return "cluster_state:ok" in told and f"cluster_known_nodes:{len(self.nodes)}" in told


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it; a server that is not there (yet) says no."""
    end_s = time.monotonic() + PATIENCE_S
    while not _holds(is_so):
        assert time.monotonic() < end_s, "it never came to be so"
        time.sleep(0.02)


def _holds(is_so: Callable[[], bool]) -> bool:
    try:
        return is_so()
    except RedisError:
        return False


def _is_attached(replica: OnPort) -> bool:
    return bool(replica.ask("INFO", "replication").get("master_link_status") == "up")


def _id(node: OnPort) -> str:
    return str(node.ask("CLUSTER", "MYID"))


def _has(node: OnPort, slot: int) -> bool:
    own = next(line for line in node.ask("CLUSTER", "NODES").splitlines() if "myself" in line).split(" ")[8:]
    ranges = [part.split("-") for part in own if not part.startswith("[")]
    return any(int(part[0]) <= slot <= int(part[-1]) for part in ranges)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
