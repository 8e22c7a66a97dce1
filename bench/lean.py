"""The only place for load: clients that cost as little as a client in Python can, so that what is measured is not they.

Every connection has one request under way; the next leaves as soon as its answer is there. Requests are packed before
the clock starts, unless who asks in the same moment leaves together, and answers are looked at after it has stopped.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import hiredis

SILENCE_MAX_S = 10.0
_CHUNK_BYTES = 1 << 16
_NOTHING_YET = object()

_Wanted = TypeVar("_Wanted")

Address = str | tuple[str, int]
"""A path of a Unix socket, or host and port."""


class Answers(Protocol):
    """What reads the answers of one connection."""

    def feed(self, chunk: bytes) -> Any:
        """The answer once it is complete, None before."""
        ...


class RedisAnswers:
    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_NOTHING_YET)

    def feed(self, chunk: bytes) -> Any:
        self._reader.feed(chunk)
        answer = self._reader.gets()
        return None if answer is _NOTHING_YET else (answer,)


class HttpAnswers:
    """Only what has a content-length, or ends with its head."""

    def __init__(self) -> None:
        self._before = b""

    def feed(self, chunk: bytes) -> bytes | None:
        answer = self._before + chunk if self._before else chunk
        head, end_of_head, body = answer.partition(b"\r\n\r\n")
        _, _, length = head.partition(b"\r\ncontent-length: ")
        if end_of_head and len(body) >= int(length.split(b"\r\n", 1)[0] or 0):
            self._before = b""
            return answer
        self._before = answer
        return None


@dataclass(frozen=True, slots=True)
class Driven:
    seconds: float
    answers: list[Any]
    took_s: list[float]

    @property
    def rate(self) -> float:
        return len(self.answers) / self.seconds


def connect(address: Address) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(SILENCE_MAX_S)
    connection.connect(address)
    if family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def drive(
    address: Address, requests: Sequence[bytes], answers: Callable[[], Answers], *, connections: int = 1
) -> Driven:
    """Make all requests, in their order, over so many connections. Raises OSError where one is dropped."""
    remaining = iter(requests)
    answered: list[Any] = []
    took_s: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            selector.register(connect(address), selectors.EVENT_READ, _Seat(answers()))
        began_at_s = time.perf_counter()
        under_way = sum(_send_next(key.fileobj, key.data, remaining) for key in list(selector.get_map().values()))
        while under_way:
            ready = selector.select(SILENCE_MAX_S)
            if not ready:
                raise TimeoutError("no answer")
            for key, _ in ready:
                answer = key.data.answers.feed(_received(key.fileobj))
                if answer is not None:
                    answered.append(answer)
                    took_s.append(time.perf_counter() - key.data.sent_at_s)
                    under_way -= not _send_next(key.fileobj, key.data, remaining)
        seconds = time.perf_counter() - began_at_s
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return Driven(seconds, answered, took_s)


def drive_gathered(
    path: str, wanted: Sequence[_Wanted], packed: Callable[[Sequence[_Wanted]], list[bytes]], *, callers: int
) -> Driven:
    """Ask for all of it over one connection, as a web process does: what its callers want in the same moment leaves in
    one go, and each of them asks again once they have their answer. Redis answers several of them at a time. Raises
    OSError where it is dropped."""
    connection, reader = connect(path), hiredis.Reader(notEnoughData=_NOTHING_YET)
    answered: list[Any] = []
    took_s: list[float] = []
    began_at_s = time.perf_counter()
    sent_at_s = deque([began_at_s] * min(callers, len(wanted)))
    sent = len(sent_at_s)
    connection.sendall(b"".join(packed(wanted[:sent])))
    while sent_at_s:
        reader.feed(_received(connection))
        now_s, had = time.perf_counter(), len(answered)
        while (answers := reader.gets()) is not _NOTHING_YET:
            answered += answers
            took_s += [now_s - sent_at_s.popleft() for _ in answers]
        following = wanted[sent : sent + len(answered) - had]
        if following:
            connection.sendall(b"".join(packed(following)))
            sent_at_s.extend([now_s] * len(following))
            sent += len(following)
    seconds = time.perf_counter() - began_at_s
    connection.close()
    return Driven(seconds, answered, took_s)


class RedisLine:
    """One connection to Redis that waits for its answers."""

    def __init__(self, path: str) -> None:
        self._connection = connect(path)
        self._reader = hiredis.Reader(encoding="utf-8", notEnoughData=_NOTHING_YET)

    def ask(self, *words: str | int) -> Any:
        self.send(hiredis.pack_command(words))  # type: ignore[arg-type]
        return self.answer()

    def send(self, packed: bytes) -> None:
        self._connection.sendall(packed)

    def answer(self) -> Any:
        answer = self._reader.gets()
        while answer is _NOTHING_YET:
            self._reader.feed(_received(self._connection))
            answer = self._reader.gets()
        return answer

    def used(self) -> dict[str, tuple[int, float]]:
        """How often each command was called since `forget_used`, and how long it took the server on average, in µs."""
        told = (line.partition(":") for line in self.ask("INFO", "commandstats").splitlines())
        fields = {
            name.removeprefix("cmdstat_"): dict(field.split("=") for field in rest.split(","))
            for name, _, rest in told
            if name.startswith("cmdstat_")
        }
        return {name: (int(of["calls"]), float(of["usec_per_call"])) for name, of in fields.items()}

    def forget_used(self) -> None:
        self.ask("CONFIG", "RESETSTAT")

    def close(self) -> None:
        self._connection.close()


class _Seat:
    __slots__ = ("answers", "sent_at_s")

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.sent_at_s = 0.0


def _send_next(connection: Any, seat: _Seat, remaining: Any) -> bool:
    request = next(remaining, None)
    if request is None:
        return False
    seat.sent_at_s = time.perf_counter()
    connection.sendall(request)
    return True


def _received(connection: Any) -> bytes:
    chunk: bytes = connection.recv(_CHUNK_BYTES)
    if not chunk:
        raise ConnectionResetError("hung up")
    return chunk
