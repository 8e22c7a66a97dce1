"""The only place for what a slot is: its id, its seats and its state."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

_SLOT_ID = re.compile(
    r"([a-z0-9-]{1,64})\.((?:20|21)\d\d)(\d\d)(\d\d)T([01]\d|2[0-3])([0-5]\d)Z\.([1-9]\d{0,4})", re.ASCII
)
MINUTES_MAX = 7 * 24 * 60
SLOTS_KEPT = 10_000
"""So many slots does a process remember by their ids: most holds are for slots that others wanted just before."""
YEAR_MIN, YEAR_MAX = 2000, 2199
"""Slots lie within these years, so that no day counted from a slot falls off the calendar."""


class Slot(NamedTuple):
    """One bookable start and end of one service. Computed, never stored; both instants are UTC and whole minutes."""

    service: str
    starts_at: datetime
    ends_at: datetime

    @property
    def id(self) -> str:
        """`yoga.20261121T0930Z.60`: service, start in UTC, length in minutes. Safe in URLs and in Redis."""
        return _written(self)

    @staticmethod
    @lru_cache(SLOTS_KEPT)
    def parse(slot_id: str) -> "Slot":
        """Raises ValueError for anything that `id` would not have written. The same id is the same slot, for all."""
        match = _SLOT_ID.fullmatch(slot_id)
        if match is None:
            raise ValueError("not a slot id")
        service, *start, minutes = match.groups()
        if int(minutes) > MINUTES_MAX:
            raise ValueError("not a slot id")
        year, month, day, hour, minute = map(int, start)
        starts_at = datetime(year, month, day, hour, minute, tzinfo=UTC)
        return Slot(service, starts_at, starts_at + timedelta(minutes=int(minutes)))


@lru_cache(SLOTS_KEPT)
def _written(slot: Slot) -> str:
    minutes, at = (slot.ends_at - slot.starts_at) // timedelta(minutes=1), slot.starts_at
    return f"{slot.service}.{at.year:04}{at.month:02}{at.day:02}T{at.hour:02}{at.minute:02}Z.{minutes}"


class SlotState(StrEnum):
    OPEN = "open"
    HELD = "held"
    FULL = "full"
    CLOSED = "closed"


class Seats(NamedTuple):
    """What is taken of one slot. `version` rises with every change within an epoch."""

    held: int = 0
    booked: int = 0
    version: int = 0
    frees_at: datetime | None = None
    """The earliest deadline among its holds that are not being paid; None where no hold is running."""

    @property
    def taken(self) -> int:
        return self.held + self.booked


UNTOUCHED = Seats()


@dataclass(frozen=True, slots=True)
class Need:
    """What a slot needs beside seats: some of these people, or rooms, or whatever cannot be in two places at once."""

    candidates: tuple[str, ...]
    """Their names, of letters, digits and `/_-` only: the engine does not know what they are."""
    seats_each: int
    """So many seats does one of them serve. For more seats, more of them are claimed."""
    busy_from: datetime
    busy_until: datetime
    """Who is claimed is taken for so long, buffers included; whole milliseconds of UTC."""
    day_from: datetime
    day_until: datetime
    """The site's day: whoever has the fewest claims that begin in it comes first."""


@dataclass(frozen=True, slots=True)
class OfferedSlot:
    """A slot that the schedule offers, with the capacity it has in that version of the schedule."""

    slot: Slot
    capacity: int
    needs: tuple[Need, ...] = ()
    is_closed: bool = False
    """Closed by the operator, or kept only for those who have seats of it: nobody else can hold any."""
    bookable_from: datetime | None = None
    """Before, it is beyond the horizon of its service; None: at any time."""
    bookable_until: datetime | None = None
    """From here on it is too soon, by the notice of its service; None: until it starts."""

    def left(self, seats: Seats) -> int:
        """Never below zero: capacity may have been lowered, or a confirming hold counted twice for a moment."""
        return max(0, self.capacity - seats.taken)

    def is_bookable(self, now: datetime) -> bool:
        """Whether it takes new holds at this moment, as far as seats are left."""
        return not self.is_closed and not self.is_too_soon(now) and not self.is_too_far(now)

    def is_too_soon(self, now: datetime) -> bool:
        """Also when it has begun."""
        return now >= (self.bookable_until or self.slot.starts_at)

    def is_too_far(self, now: datetime) -> bool:
        return self.bookable_from is not None and now < self.bookable_from

    def state(self, seats: Seats, now: datetime) -> SlotState:
        if not self.is_bookable(now):
            return SlotState.CLOSED
        if self.left(seats) > 0:
            return SlotState.OPEN
        return SlotState.HELD if seats.held > 0 else SlotState.FULL
