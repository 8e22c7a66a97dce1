"""The readers of one site: how they are told what is new, and what each of them is."""

import asyncio
from collections import deque
from typing import Protocol

from widget_server.domain.events import Update
from widget_server.live import wire
from widget_server.live.board import Board, Heard, Position

_READERS_A_TURN = 256
"""So many are written to before other work of this process gets its turn."""


class Pen(Protocol):
    """What writes to one connection."""

    def write(self, chunk: bytes, *, last: bool = False) -> bool:
        """False if the connection cannot take more for now: it says `ready` to its reader as soon as it can."""
        ...

    def cut(self, problem: Exception | None = None) -> None:
        """Close the connection although it has not taken all that was written; a problem is raised in its task."""
        ...


class House(Protocol):
    """What readers need of the hub."""

    def greeting(self) -> bytes: ...
    def opened(self, reader: "Reader") -> None: ...
    def closed(self, reader: "Reader") -> None: ...


class Channel:
    def __init__(self, partition: str, board: Board, heard: Heard | None = None) -> None:
        """`heard`: where in the feed of the partition this process has been."""
        self.partition = partition
        self.board = board
        self.heard = heard
        self.readers: set[Reader] = set()
        self._to_tell: deque[Reader] = deque()
        self._told_until: Position = board.head

    def publish(self, update: Update, *, is_believed: bool) -> None:
        self.board.record(update, is_believed=is_believed)
        self._tell()

    def begin_anew(self, since_feed_id: str) -> None:
        self.board.begin_anew(self.board.epoch, since_feed_id)
        self._tell()

    def doubt(self, since_feed_id: str) -> None:
        self.board.doubt(since_feed_id)
        self._tell()

    def _tell(self) -> None:
        """Begin a round through all readers, unless one is under way: that one looks again at its end."""
        if self.readers and not self._to_tell and self._told_until != self.board.head:
            self._told_until = self.board.head
            self._to_tell.extend(self.readers)
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        for _ in range(min(_READERS_A_TURN, len(self._to_tell))):
            reader = self._to_tell.popleft()
            try:
                reader.catch_up()
            except Exception as problem:  # it belongs to this reader's connection; the others are told all the same
                reader.cut(problem)
        if self._to_tell:
            asyncio.get_running_loop().call_soon(self._next_turn)
        else:
            self._tell()


class Reader:
    """One open widget. It is kept small: there are thousands."""

    __slots__ = ("_busy_since_s", "_channel", "_house", "_last_event_id", "_pen", "_position", "network")

    def __init__(self, house: House, channel: Channel, *, network: str, last_event_id: str | None) -> None:
        self.network = network
        self._house = house
        self._channel = channel
        self._last_event_id = last_event_id
        self._pen: Pen | None = None
        self._position = channel.board.head
        self._busy_since_s: float | None = None
        channel.readers.add(self)  # from now on, or the channel could be forgotten before the head has been written

    def open(self, pen: Pen) -> None:
        """Begin to write: a greeting, then what this reader has missed, then every change as it comes."""
        board = self._channel.board
        came_from = self._last_event_id
        missed = board.since(board.position_of(came_from, self._channel.heard)) if came_from else b""
        self._pen, self._position = pen, board.head
        self._last_event_id = None
        self._write(self._house.greeting() + missed)
        self._house.opened(self)

    def ready(self) -> None:
        """The connection can take more again."""
        self._busy_since_s = None
        self.catch_up()

    def catch_up(self) -> None:
        board = self._channel.board
        if self._pen is None or self._busy_since_s is not None or self._position == board.head:
            return
        missed, self._position = board.since(self._position), board.head
        if missed:
            self._write(missed)

    def beat(self, chunk: bytes, *, cut_if_busy_since_s: float) -> None:
        """Show that we are there; one that has been busy for too long is cut, and may come back."""
        if self._pen is None:
            return
        if self._busy_since_s is None:
            self._write(chunk)
        elif self._busy_since_s <= cut_if_busy_since_s:
            self._pen.cut()

    def goodbye(self) -> None:
        if self._pen is None:
            return
        if self._busy_since_s is None:
            self._pen.write(wire.BYE, last=True)
        else:
            self._pen.cut()
        self._pen = None

    def cut(self, problem: Exception) -> None:
        if self._pen is not None:
            self._pen.cut(problem)

    def close(self) -> None:
        """The connection has gone; nothing is written any more, and somebody else may have its place."""
        self._pen = None
        self._channel.readers.discard(self)
        self._house.closed(self)

    def _write(self, chunk: bytes) -> None:
        assert self._pen is not None
        if not self._pen.write(chunk):
            self._busy_since_s = asyncio.get_running_loop().time()
