"""The only place where calls reach the simulated Redis: on their way they wait, are watched, or get lost."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple, Protocol

import hiredis

from widget_server.engine import kept, keys
from widget_server.engine.wire import LOST, Reply, Wire, Word, good, pack
from widget_server.simulator import scripts
from widget_server.simulator.faults import Fault, Faults
from widget_server.simulator.server import Line
from widget_server.simulator.turns import Turns, VirtualClock
from widget_server.simulator.witness import Witness

SNAPSHOT_DB = 1
LISTENS_AGAIN_MS = 1_000
_LAG_MS = (0, 0, 20, 200, 900)
"""How long after a change a process hears of it."""

_ENDS_CONNECTIONS = (Fault.REQUEST_LOST, Fault.REDIS_AWAY, Fault.EMPTIED, Fault.TAKEN_OVER)

_COPY_ALL = f"""
for _, key in ipairs(redis.call('KEYS', '*')) do
  redis.call('COPY', key, key, 'DB', {SNAPSHOT_DB}, 'REPLACE')
end
"""


class Asked(NamedTuple):
    packed: bytes
    words: list[str]
    answer: asyncio.Future[Reply]


class Process(Protocol):
    """Whose calls these are."""

    name: str
    is_alive: bool

    def crash(self) -> None: ...


class Redis:
    """The one server that all processes share."""

    def __init__(self, line: Line, clock: VirtualClock, faults: Faults, witness: Witness, partition: str) -> None:
        self.line = line
        self.losses = 0
        """How often it has forgotten something."""
        self.changes = 0
        """How many scripts it has run; the ids of the feed are counted by it."""
        self.starts = 0
        """How often it has started anew, which ends all connections."""
        self.servers = 0
        """How often another server has taken over."""
        self.skew_ms = 0
        """How far the clock of its machine is from the true time."""
        self._clock = clock
        self._faults = faults
        self._witness = witness
        self._scripts = scripts.by_sha()
        self._name = partition
        self._partition = keys.of_partition(partition)
        self._clock_then: Reply = (None, None)
        """The clock's fields as the last script left them."""

    @property
    def machine_ms(self) -> int:
        return self._clock.now_ms + self.skew_ms

    def now_ms(self) -> int:
        """The partition's clock."""
        return kept.now_ms(self._clock_then, self._time())

    def seen_ms(self) -> int:
        """The latest instant of a script, before which the partition's clock never goes back. What was only read is not
        kept, and may come once more after the machine's clock went back.
        """
        return kept.now_ms(self._clock_then, ("0", "0"))

    def state_of(self, site: str, hold_id: str) -> str | None:
        """Of a hold, as it is kept."""
        state: str | None = self.line.ask("HGET", keys.of_site(self._name, site).hold(hold_id), "state")
        return state

    def next_due_ms(self) -> int | None:
        """When the first hold ends, or is to be resolved."""
        first = self.line.ask("ZRANGE", self._partition.due, 0, 0, "WITHSCORES")
        return int(first[1]) if first else None

    def execute(self, asked: Sequence[Asked]) -> list[Reply]:
        """The answers, and what the witness makes of each script, all in one breath of the server."""
        send: list[bytes] = []
        readers: list[Callable[[Iterator[Reply]], Reply]] = [self._prepare(one, send) for one in asked]
        replies = iter(self.line.ask_all(send))
        return [reader(replies) for reader in readers]

    def load(self, text: str) -> bytes:
        """A real script, to be loaded under virtual time."""
        return pack("SCRIPT", "LOAD", self._script_of("EVAL", text).text)

    def flush_scripts(self) -> None:
        good(self.line.ask("SCRIPT", "FLUSH"))

    def forget_all(self) -> None:
        """As if it had begun with an empty file."""
        self.losses += 1
        self.starts += 1
        good(self.line.ask("FLUSHDB"))
        self._look_at_clock()

    def remember(self) -> None:
        """What `go_back` will go back to."""
        for words in (("SELECT", SNAPSHOT_DB), ("FLUSHDB",), ("SELECT", 0), ("EVAL", _COPY_ALL, 0)):
            good(self.line.ask(*words))

    def go_back(self, *, is_another: bool) -> None:
        """As if it had lost the end of its file; or as if a replica had taken over that had not heard of it."""
        self._witness.doubt_all()
        self.losses += 1
        self.starts += 1
        self.servers += is_another
        good(self.line.ask("SWAPDB", 0, SNAPSHOT_DB))
        self.remember()
        self._look_at_clock()

    def trim_feed(self, left: int) -> None:
        good(self.line.ask("XTRIM", self._partition.feed, "MAXLEN", left))

    def end_keys(self) -> None:
        """Delete what a real server would have deleted by now."""
        ended = good(self.line.ask("ZRANGEBYSCORE", scripts.ENDS_KEY, "-inf", self.machine_ms))
        if ended:
            good(self.line.ask("UNLINK", *ended))
            good(self.line.ask("ZREM", scripts.ENDS_KEY, *ended))

    def _prepare(self, asked: Asked, send: list[bytes]) -> Callable[[Iterator[Reply]], Reply]:
        match asked.words:
            case ["TIME"]:
                return lambda _: self._time()
            case ["EVALSHA" | "EVAL", *_]:
                return self._prepare_script(asked.words, send)
            case ["XREAD", "COUNT", count, "BLOCK", _, *rest]:
                send.append(pack("XREAD", "COUNT", count, *rest))
            case ["SCAN", _, "MATCH", pattern, *_]:
                # All at once and in order: pages of a hash table are cut differently in each server.
                send.append(pack("KEYS", pattern))
                return lambda replies: ["0", sorted(good(next(replies)))]
            case _:
                send.append(asked.packed)
        return next

    def _prepare_script(self, words: list[str], send: list[bytes]) -> Callable[[Iterator[Reply]], Reply]:
        script = self._script_of(words[0], words[1])
        count = int(words[2])
        script_keys, args = words[3 : 3 + count], words[3 + count :]
        self.changes += 1
        stamp, looks = self.changes, self._witness.looks(script_keys, self.now_ms())
        send.append(pack("HSET", scripts.STATE_KEY, "now_ms", self.machine_ms, "stamp", stamp))
        send += looks
        send.append(pack(words[0], script.sha if words[0] == "EVALSHA" else script.text, count, *script_keys, *args))
        send += looks
        send.append(pack("HMGET", self._partition.clock, *kept.CLOCK_FIELDS))
        send.append(pack("XRANGE", self._partition.feed, f"{stamp}-0", "+"))
        time = self._time()

        def read(replies: Iterator[Reply]) -> Reply:
            next(replies)
            before = [next(replies) for _ in looks]
            reply = next(replies)
            after = [next(replies) for _ in looks]
            self._clock_then = next(replies)
            now_ms = kept.now_ms(self._clock_then, time)
            told = next(replies)
            self._witness.see(script.name, script_keys, args, reply, before, after, told, now_ms)
            return reply

        return read

    def _script_of(self, verb: str, word: str) -> scripts.VirtualScript:
        if verb == "EVALSHA":
            return self._scripts[word]
        return next(script for script in self._scripts.values() if script.real == word)

    def _look_at_clock(self) -> None:
        self._clock_then = self.line.ask("HMGET", self._partition.clock, *kept.CLOCK_FIELDS)

    def _time(self) -> list[str]:
        return [str(self.machine_ms // 1000), str(self.machine_ms % 1000 * 1000)]


class SimulatedAddress:
    """One process's way to Redis, in place of a URL."""

    def __init__(self, redis: Redis, process: Process, turns: Turns, faults: Faults, chance: Random) -> None:
        self.redis = redis
        self.process = process
        self.turns = turns
        self.faults = faults
        self.chance = chance

    async def open(self, *first: Sequence[Word], silence_max_s: float) -> Wire:
        await self.turns.turn()
        if self.faults.is_redis_away:
            raise ConnectionRefusedError("Redis is away.")
        if first:
            self.redis.line.ask_all([self.redis.load(str(words[-1])) for words in first])
        return SimulatedWire(self)

    async def close(self) -> None:
        """Nothing to close."""


class SimulatedWire(Wire):
    """One connection of a process. What is sent waits for its turn, with all that was sent in the same breath."""

    def __init__(self, address: SimulatedAddress) -> None:
        self.is_open = True
        self.peer = f"server {address.redis.servers}"
        self._way = address
        self._start = address.redis.starts
        self._queue: deque[Asked] = deque()
        self._parser = hiredis.Reader(encoding="utf-8")
        self._heard = -1
        self._listens_since_ms = self._lag_ms = 0

    def send(self, packed: bytes) -> asyncio.Future[Reply]:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if not self.is_open:
            answer.set_result(LOST)
            return answer
        self._parser.feed(packed)
        asked = Asked(packed, self._parser.gets(), answer)
        if not self._queue:
            self._enqueue(asked)
        self._queue.append(asked)
        return answer

    def close(self) -> None:
        self.is_open = False
        for asked in self._queue:
            if not asked.answer.done():
                asked.answer.set_result(LOST)
        self._queue.clear()
        if self in self._way.turns.listeners:
            self._way.turns.listeners.remove(self)

    def is_of(self, process: Process) -> bool:
        return self._way.process is process

    def has_sent(self, hold_id: str) -> bool:
        """Whether a call about this hold waits for its turn."""
        return any(hold_id in word for asked in self._queue for word in asked.words)

    @property
    def has_heard(self) -> bool:
        """Whether it knows of everything that the feed has told."""
        return self._heard == self._way.redis.changes

    def has_news(self) -> bool:
        now_ms = self._way.redis.machine_ms - self._way.redis.skew_ms
        if not self.has_heard:
            return now_ms >= self._listens_since_ms + self._lag_ms
        return now_ms >= self._listens_since_ms + LISTENS_AGAIN_MS

    def go_on(self) -> None:
        if not self._queue:
            return
        if self in self._way.turns.listeners:
            self._way.turns.listeners.remove(self)
            self._heard = self._way.redis.changes
        is_lost = self._start != self._way.redis.starts
        if is_lost or self._way.faults.is_redis_away or not self._way.process.is_alive:
            self.close()
            return
        self._exchange(self._way.faults.at_redis())
        if self._queue:
            self._enqueue(self._queue[0])

    def _enqueue(self, asked: Asked) -> None:
        if asked.words[0] == "XREAD":
            way = self._way
            self._listens_since_ms = way.redis.machine_ms - way.redis.skew_ms
            self._lag_ms = way.chance.choice(_LAG_MS)
            way.turns.listeners.append(self)
        else:
            self._way.turns.wait(self)

    def _exchange(self, fault: Fault | None) -> None:
        way = self._way
        if fault in _ENDS_CONNECTIONS:
            self._lose(fault)
            return
        if fault is Fault.NOT_NOW:
            self._answer([hiredis.ReplyError("LOADING Redis is loading the dataset in memory")] * len(self._queue))
            return
        if fault is Fault.SCRIPTS_FLUSHED:
            way.redis.flush_scripts()
        if fault is Fault.CRASH_BEFORE:
            way.process.crash()
            return
        replies = way.redis.execute(self._some())
        if fault is Fault.CRASH_AFTER:
            way.process.crash()
        elif fault is Fault.REPLY_LOST:
            self.close()
        else:
            self._answer(replies)

    def _lose(self, fault: Fault | None) -> None:
        """What was sent does not arrive."""
        if fault is Fault.EMPTIED:
            self._way.redis.forget_all()
        elif fault is Fault.TAKEN_OVER:
            self._way.redis.go_back(is_another=True)
        self.close()

    def _some(self) -> list[Asked]:
        """Mostly all that is on its way, as the server would take it; now and then somebody else comes in between."""
        count = len(self._queue)
        if count > 1 and self._queue[0].words[0] != "XREAD" and self._way.chance.random() < 0.1:
            count = self._way.chance.randrange(1, count)
        return [self._queue[n] for n in range(count)]

    def _answer(self, replies: Sequence[Any]) -> None:
        for reply in replies:
            asked = self._queue.popleft()
            if not asked.answer.done():
                asked.answer.set_result(reply)
