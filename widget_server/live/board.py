"""The only place that remembers what readers of one site may have missed: the newest state of each slot.

There is no queue for each reader. A reader has a position, and from any position the board says what is newer, every
slot once. So a slow reader costs no memory, is told only what still counts, and all who stand at the same position
share the same bytes.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.slots import Seats
from widget_server.live import wire

SLOTS_MAX = 512
"""Whoever missed more slots than this reads the month again."""

_SHARED_MAX = 16
_EVENT_ID = re.compile(r"(\d{1,18})\.(\d{1,20}-\d{1,20})", re.ASCII)

Position = tuple[int, int, int]
"""Run, and the two numbers of the feed id. Feed ids are only comparable within one run: each reset begins another."""


class Heard(Protocol):
    """Where in the feed a process has been, also where other sites moved."""

    def knows(self, feed_id: str) -> bool | None: ...


class Board:
    def __init__(self, epoch: int, since_feed_id: str) -> None:
        """`since_feed_id`: everything of this site that the feed tells after it will be recorded here."""
        self.epoch = epoch
        self._states: OrderedDict[str, tuple[Position, Seats]] = OrderedDict()
        self._schedule: tuple[Position, int] | None = None
        self._complete_since: Position = (0, *feed_position(since_feed_id))
        self.head = self._complete_since
        self._believed_to: Position = self.head
        """What events bear as their id: whoever comes back with it is told all that is not to be believed once more."""
        self._listens_since: Position = self.head
        self._first_heard: Position | None = None
        self._past: frozenset[str] | None = None
        self._shared: dict[Position, bytes] = {}

    @property
    def head_feed_id(self) -> str:
        return f"{self.head[1]}-{self.head[2]}"

    def begin_anew(self, epoch: int, since_feed_id: str) -> None:
        """Whatever was told before counts no more: every reader is told to read again."""
        self.epoch = epoch
        self._states.clear()
        self._schedule = None
        self._complete_since = self.head = self._believed_to = (self.head[0] + 1, *feed_position(since_feed_id))
        self.listen()
        self._shared.clear()

    def doubt(self, since_feed_id: str) -> None:
        """Every reader is told to read again, and that the schedule has moved, if it has since this board began."""
        schedule = self._schedule
        self.begin_anew(self.epoch, since_feed_id)
        if schedule is not None:
            self._schedule = (self.head, schedule[1])

    def listen(self, past: frozenset[str] | None = None) -> None:
        """From here on every update is heard as it comes: what is recorded already was read out of the past.

        `past`: the ids of all that could be read there, also of other sites.
        """
        self._listens_since, self._first_heard, self._past = self.head, None, past

    def record(self, update: Update, *, is_believed: bool = True) -> None:
        """Take in one update; one that has been recorded before, or is of an epoch that has ended, changes nothing.

        Unless `is_believed`, it may not say all that has changed, and `doubt` will follow.
        """
        position = feed_position(update.feed_id)
        if isinstance(update, SiteReset) or update.epoch > self.epoch:
            self.begin_anew(update.epoch, update.feed_id)
        elif update.epoch < self.epoch or (self.head[0], *position) <= self.head:
            return
        before, self.head = self.head, (self.head[0], *position)
        if is_believed if isinstance(update, SeatsMoved) else self._believed_to == before:
            self._believed_to = self.head
        self._first_heard = self._first_heard or self.head
        self._shared.clear()
        match update:
            case SeatsMoved(seats=states):
                self._record_seats(states)
            case ScheduleMoved(version=version):
                self._schedule = (self.head, version)

    def position_of(self, event_id: str, heard: Heard | None = None) -> Position | None:
        """Where the reader of this event stands; None where that is not on this board, or not an event id of ours.

        `heard`: a month bears the id of what was told last, of whichever site.

        So it is also for what came before we listened and is not in the feed any more, as when Redis has lost its end
        and all who had heard it are gone: the reader believes what nobody else does. Others may have told more since.
        """
        match = _EVENT_ID.fullmatch(event_id)
        if match is None or int(match[1]) != self.epoch:
            return None
        position = (self.head[0], *feed_position(match[2]))
        is_known = heard.knows(match[2]) if heard else None
        if is_known is not None:
            return min(position, self.head) if is_known else None
        return None if position > self.head or self._is_unheard_of(position, match[2]) else position

    def _is_unheard_of(self, position: Position, feed_id: str) -> bool:
        if position > self._listens_since:
            return position < (self._first_heard or position)
        return self._past is not None and position > self._complete_since and feed_id not in self._past

    def since(self, position: Position | None) -> bytes:
        """All that somebody who stands there has not been told, as events whose last brings them to `head`."""
        if position is None or position < self._complete_since:
            position, reset = self._complete_since, wire.reset(self.epoch, id=self._id(self._complete_since))
            if self._schedule is not None and self._schedule[0] <= position:
                reset += wire.schedule(self._schedule[1], id=None)
        else:
            reset = b""
        shared = self._shared.get(position)
        if shared is None:
            shared = self._encode(position)
            if len(self._shared) < _SHARED_MAX:
                self._shared[position] = shared
        return reset + shared

    def _record_seats(self, states: tuple[tuple[str, Seats], ...]) -> None:
        for slot_id, seats in states:
            self._states[slot_id] = (self.head, seats)
            self._states.move_to_end(slot_id)
        while len(self._states) > SLOTS_MAX:
            _, (forgotten, _) = self._states.popitem(last=False)
            self._complete_since = forgotten

    def _encode(self, position: Position) -> bytes:
        """Only the last event bears an id: whoever is cut off before it is told all of it again."""
        states, told_to = list(self._newer_than(position))[::-1], self._id(self._believed_to)
        events = b""
        if self._schedule is not None and self._schedule[0] > position:
            events = wire.schedule(self._schedule[1], id=None if states else told_to)
        return events + (wire.seats(states, id=told_to) if states else b"")

    def _newer_than(self, position: Position) -> Iterator[tuple[str, Seats]]:
        for slot_id, (at, seats) in reversed(self._states.items()):
            if at <= position:
                return
            yield slot_id, seats

    def _id(self, position: Position) -> str:
        return f"{self.epoch}.{position[1]}-{position[2]}"


def feed_position(feed_id: str) -> tuple[int, int]:
    milliseconds, _, number = feed_id.partition("-")
    return int(milliseconds), int(number or 0)
