"""Telling thousands of open widgets that a seat has moved, against a bare broadcaster."""

import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.broadcaster import GREETING
from bench.lean import Address, HttpAnswers, connect, drive
from bench.machine import memory_of
from bench.studio import SITE, Studio, free_port, started
from bench.table import ROUNDS, Bound, Row, Section, percentile, ratio, trust
from widget_server.domain.slots import Seats
from widget_server.engine import keys
from widget_server.live import wire

READERS = 2_000
TOLD_A_ROUND = 30
_PAUSE_S = 0.02
_SETTLING_S = 1.0
_LATE_S = 10.0
_FEED = f"GET /v1/sites/{SITE}/feed HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
_NO_OP = b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n"


@dataclass
class Audience:
    """All who listen to one process, and how long after it was told each of them heard."""

    bytes_each: float
    selector: selectors.DefaultSelector
    heard_s: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def hear(self, publish: Callable[[], bytes]) -> None:
        """Publish something, and wait until all have heard the words that it is known by."""
        self._catch_up()
        missing = {key.fd: b"" for key in self.selector.get_map().values()}
        told_at_s = time.perf_counter()
        words = publish()
        while missing:
            is_late = time.perf_counter() > told_at_s + _LATE_S
            trust(not is_late, f"{len(missing)} of {READERS} readers were not told {words!r}.")
            for key, _ in self.selector.select(_LATE_S):
                chunk = _read(key.fileobj)
                before = missing.get(key.fd)
                if before is None:
                    continue  # a sign of life to one who has heard already
                if words in before + chunk:
                    del missing[key.fd]
                    self.heard_s.append(time.perf_counter() - told_at_s)
                else:
                    missing[key.fd] = before + chunk

    def end_round(self) -> None:
        self.p50_ms.append(percentile(self.heard_s, 50) * 1000)
        self.p99_ms.append(percentile(self.heard_s, 99) * 1000)
        self.heard_s.clear()

    def _catch_up(self) -> None:
        """Whatever came meanwhile, as signs of life."""
        while ready := self.selector.select(0):
            for key, _ in ready:
                _read(key.fileobj)


def measured(studio: Studio) -> Section:
    port = free_port()
    with studio.serving() as ours, started(["-m", "bench.broadcaster", str(port)], says="Serving") as bare:
        drive(studio.address, [_NO_OP] * 64, HttpAnswers, connections=32)
        with (
            _audience(studio.address, ours.pid, b"event: hello") as readers,
            _audience(("127.0.0.1", port), bare.pid, GREETING) as listeners,
        ):
            _tell_in_turns(studio, port, readers, listeners)
    return Section(_rows(readers, listeners), _MEANING)


def _rows(readers: Audience, listeners: Audience) -> list[Row]:
    name = f"A change told to {READERS:,} readers, p99"
    return [
        Row(
            name,
            f"{median(readers.p99_ms):.1f} ms",
            f"{median(listeners.p99_ms):.1f} ms, bare broadcaster",
            ratio(readers.p99_ms, listeners.p99_ms),
            aim=Bound(1.3),
        ),
        Row(
            "the same, p50",
            f"{median(readers.p50_ms):.1f} ms",
            f"{median(listeners.p50_ms):.1f} ms, bare broadcaster",
            ratio(readers.p50_ms, listeners.p50_ms),
        ),
        Row(
            "Memory of a reader",
            f"{readers.bytes_each / 1024:.1f} KB",
            f"{listeners.bytes_each / 1024:.1f} KB, bare broadcaster",
            readers.bytes_each / 1024,
            unit="KB",
            aim=Bound(3),
        ),
    ]


def _tell_in_turns(studio: Studio, port: int, readers: Audience, listeners: Audience) -> None:
    with closing(_Holder(studio)) as holder, closing(_Speaker(port, like=holder)) as speaker:
        for _ in range(ROUNDS):
            for teller, audience in ((holder, readers), (speaker, listeners)):
                for _ in range(TOLD_A_ROUND):
                    audience.hear(teller.tell)
                    time.sleep(_PAUSE_S)
                audience.end_round()


class _Holder:
    """Takes one hold after the other on one slot."""

    def __init__(self, studio: Studio) -> None:
        self.slot = studio.slots[0]
        self._studio = studio
        self._line = studio.line()
        day, _ = keys.of_site(studio.site.partition, SITE).seats(self.slot.slot.id)
        counted = self._line.ask("HGET", day, self.slot.slot.id.partition("T")[2])
        self.version = int(counted.split(":")[2]) if counted else 0

    def tell(self) -> bytes:
        self._line.send(self._studio.hold_call(self.slot).by_sha())
        trust(self._line.answer()[0] == "HELD", "The hold that was to be told was refused.")
        self.version += 1
        return b'"version":%d,' % self.version

    def close(self) -> None:
        self._line.close()


class _Speaker:
    """Says to the broadcaster what our process would say of such a hold, byte for byte."""

    def __init__(self, port: int, *, like: _Holder) -> None:
        self._connection = connect(("127.0.0.1", port))
        self._slot_id = like.slot.slot.id
        self._version = 0

    def tell(self) -> bytes:
        self._version += 1
        seats = Seats(held=self._version, version=self._version, frees_at=datetime.now(UTC))
        self._connection.sendall(wire.seats([(self._slot_id, seats)], id="2.1795000000000-0"))
        return b'"version":%d,' % self._version

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _audience(address: Address, pid: int, greeting: bytes) -> Iterator[Audience]:
    """So many readers, once each has been greeted."""
    before = memory_of(pid)
    with selectors.DefaultSelector() as selector:
        for _ in range(READERS):
            connection = connect(address)
            connection.sendall(_FEED)
            selector.register(connection, selectors.EVENT_READ)
        try:
            for key in list(selector.get_map().values()):
                _read_until(key.fileobj, greeting)
            time.sleep(_SETTLING_S)
            yield Audience((memory_of(pid) - before) / READERS, selector)
        finally:
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]


def _read_until(connection: Any, words: bytes) -> None:
    read = b""
    while words not in read:
        read += _read(connection)


def _read(connection: Any) -> bytes:
    chunk: bytes = connection.recv(1 << 16)
    trust(chunk != b"", "A reader was cut off.")
    return chunk


_MEANING = f"""**Fan-out.** {READERS:,} connections are open to one `tenuto serve`, and as many to a bare asyncio \
broadcaster on the same event loop that knows neither HTTP nor limits (`bench/broadcaster.py`). In turns, \
{TOLD_A_ROUND} times each: one hold is taken in Valkey, or the same bytes are given to the broadcaster, and one \
process that holds all connections notes when each has read it. Ours is counted from before the hold is taken, so \
the script, the feed and the encoding are in it. *Memory* is what the process grew by when they came, for each of \
them; the readers' side and the kernel's buffers are not in it."""
