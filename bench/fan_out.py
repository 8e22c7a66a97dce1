"""Telling thousands of open widgets that a seat has moved, against a bare broadcaster."""

import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import Any

from bench.broadcaster import GREETING
from bench.lean import Address, HttpAnswers, connect, drive
from bench.machine import memory_of
from bench.studio import SITE, Studio, free_port, started
from bench.table import ROUNDS, Bound, Row, Section, percentile, ratio, trust
from widget_server.domain.slots import OfferedSlot, Seats
from widget_server.engine import keys
from widget_server.live import wire
from widget_server.live.board import SLOTS_MAX
from widget_server.live.hub import READERS_MAX

_FILES_OF_OUR_OWN = 200
_FILES_MAX = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
STALLED = READERS_MAX // 100
READERS = READERS_MAX - STALLED
if _FILES_MAX != resource.RLIM_INFINITY:
    READERS = min(READERS, (_FILES_MAX - _FILES_OF_OUR_OWN) // 2)
"""With those that stall as many as one process serves, or as this machine lets one process open, twice."""
TURNS_A_ROUND = 3
TOLD_A_TURN = 4
_COMING_AT_ONCE = 500
_OF_ONE_NETWORK = 2_000
_PAUSE_S = 0.02
_SETTLING_S = 1.0
_LATE_S = 10.0
_STALLED_BUFFER_BYTES = 2_048
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
            closing(_Holder(studio)) as holder,
            closing(_Speaker(port, like=holder)) as speaker,
            _audience(studio.address, ours.pid, b"event: hello") as readers,
            _audience(("127.0.0.1", port), bare.pid, GREETING) as listeners,
        ):
            disturbed = replace(readers, heard_s=[], p50_ms=[], p99_ms=[])
            for _ in range(ROUNDS):
                for _ in range(TURNS_A_ROUND):
                    _tell((holder, readers), (speaker, listeners))
                    with _some_stalled(studio, holder):
                        _tell((holder, disturbed))
                for audience in (readers, listeners, disturbed):
                    audience.end_round()
    return Section(_rows(readers, listeners, disturbed), _MEANING)


def _rows(readers: Audience, listeners: Audience, disturbed: Audience) -> list[Row]:
    return [
        Row(
            f"A change told to {READERS:,} readers, p99",
            f"{median(readers.p99_ms):.1f} ms",
            f"{median(listeners.p99_ms):.1f} ms, bare broadcaster",
            ratio(readers.p99_ms, listeners.p99_ms),
            must=Bound(2.5),
            aim=Bound(1.3),
        ),
        Row(
            "the same, p50",
            f"{median(readers.p50_ms):.1f} ms",
            f"{median(listeners.p50_ms):.1f} ms, bare broadcaster",
            ratio(readers.p50_ms, listeners.p50_ms),
        ),
        Row(
            f"the same with {STALLED} more who do not read, p99",
            f"{median(disturbed.p99_ms):.1f} ms",
            f"{median(readers.p99_ms):.1f} ms, without them",
            ratio(disturbed.p99_ms, readers.p99_ms),
            must=Bound(1.2),
        ),
        Row(
            "Memory of a reader",
            f"{readers.bytes_each / 1024:.1f} KB",
            f"{listeners.bytes_each / 1024:.1f} KB, bare broadcaster",
            readers.bytes_each / 1024,
            unit="KB",
            must=Bound(12),
            aim=Bound(3),
        ),
    ]


def _tell(*told: tuple["_Holder | _Speaker", Audience]) -> None:
    """One after the other: what slows the machine down for a moment shall slow down all of them."""
    for _ in range(TOLD_A_TURN):
        for teller, audience in told:
            audience.hear(teller.tell)
            time.sleep(_PAUSE_S)


@contextmanager
def _some_stalled(studio: Studio, holder: "_Holder") -> Iterator[None]:
    """Some more come, ask for all that is known, and read none of it; what they read in the end shows that they did."""
    with ExitStack() as stack:
        stalled = [stack.enter_context(closing(_deaf(studio.address, n))) for n in range(STALLED)]
        yield
        told = [_all_that_came(connection, b'"version":%d,' % holder.version) for connection in stalled]
    all_of_it = 1 + TOLD_A_TURN
    trust(max(text.count(b"event: seats") for text in told) < all_of_it, "Those who should stall did not.")


def _deaf(address: Address, n: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER_BYTES)
    connection.settimeout(_LATE_S)
    connection.connect(address)
    connection.sendall(_feed(n, b"last-event-id: 0.0-0\r\n"))
    connection.recv(1)  # it is being answered
    return connection


def _all_that_came(connection: socket.socket, words: bytes) -> bytes:
    read = b""
    while words not in read:
        read += _read(connection)
    return read


def _feed(n: int, more: bytes = b"") -> bytes:
    """A request for the feed by the n-th reader: no network may have too many."""
    network = n // _OF_ONE_NETWORK
    head = f"GET /v1/sites/{SITE}/feed HTTP/1.1\r\nhost: bench\r\nx-forwarded-for: 10.0.{network}.1\r\n"
    return head.encode() + more + b"\r\n"


class _Holder:
    """Takes one hold after the other on one slot, and first one on many others: so there is much to tell newcomers."""

    def __init__(self, studio: Studio) -> None:
        self.slot = studio.slots[0]
        self._studio = studio
        self._line = studio.line()
        day, _ = keys.of_site(studio.site.partition, SITE).seats(self.slot.slot.id)
        counted = self._line.ask("HGET", day, self.slot.slot.id.partition("T")[2])
        self.version = int(counted.split(":")[2]) if counted else 0
        for other in studio.slots[1 : SLOTS_MAX + 1]:
            self._hold(other)

    def tell(self) -> bytes:
        self._hold(self.slot)
        self.version += 1
        return b'"version":%d,' % self.version

    def _hold(self, slot: OfferedSlot) -> None:
        self._line.send(self._studio.hold_call(slot).by_sha())
        trust(self._line.answer()[0][0] == "HELD", "The hold that was to be told was refused.")

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
        try:
            coming = (_coming(address, n) for n in range(READERS))
            while some := list(islice(coming, _COMING_AT_ONCE)):
                for connection in some:
                    _all_that_came(connection, greeting)
                    selector.register(connection, selectors.EVENT_READ)
            time.sleep(_SETTLING_S)
            yield Audience((memory_of(pid) - before) / READERS, selector)
        finally:
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]


def _coming(address: Address, n: int) -> socket.socket:
    connection = connect(address)
    connection.sendall(_feed(n))
    return connection


def _read(connection: Any) -> bytes:
    chunk: bytes = connection.recv(1 << 16)
    trust(chunk != b"", "A reader was cut off.")
    return chunk


_MEANING = f"""**Fan-out.** {READERS:,} connections are open to one `tenuto serve`, and as many to a bare asyncio \
broadcaster on the same event loop that knows neither HTTP nor limits (`bench/broadcaster.py`). In turns, \
{TURNS_A_ROUND * TOLD_A_TURN} times each a round: one hold is taken in Valkey, or the same bytes are given to the \
broadcaster, and one process that holds all connections notes when each has read it. Ours is counted from before the \
hold is taken, so the script, the feed and the encoding are in it. *Who do not read*: {STALLED} more connect, are \
told of {SLOTS_MAX} slots at once and leave that in their buffers, while the others are told of changes as before; \
what they find when they read in the end shows that the server has passed them over. *Memory* is what the process \
grew by when they came, for each of them; the readers' side and the kernel's buffers are not in it."""
