"""The only place that keeps seats in memory: of one site, day by day, kept true by the updates of the feed."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import count

from widget_server.domain.events import SeatsMoved
from widget_server.domain.slots import UNTOUCHED, Seats
from widget_server.use_cases.known_diaries import KnownDiaries

DAYS_MAX = 400
"""Days of services a site keeps; those longest unread are forgotten first."""

DayKey = tuple[str, date]
"""A service and a UTC day."""


ExpectedDays = dict[DayKey, "Day"]

_stamps = count()


class KnownSeats:
    """Of a slot that is told twice, the newest version counts, whether a read or an update brought it."""

    def __init__(self, partition: str, epoch: int) -> None:
        self.partition = partition
        self.epoch = epoch
        self.schedule_version = 0
        """The newest we have heard of. What is older must not be answered from."""
        self.read_at = "0-0"
        """The feed's last id when days were last read."""
        self.stamp = next(_stamps)
        """Another one, of all there are, after everything that may change an answer."""
        self.reading = asyncio.Lock()
        """Of Redis only: the feed waits for it, too."""
        self.catching_up = asyncio.Lock()
        """Of SQL with the gate."""
        self.diaries = KnownDiaries()
        self._days: OrderedDict[DayKey, Day] = OrderedDict()

    def begin_anew(self, epoch: int) -> None:
        """Versions are only comparable within an epoch, and an update that was missed never comes again."""
        self.epoch = epoch
        self.stamp = next(_stamps)
        self._days.clear()
        self.diaries.begin_anew()

    def apply(self, update: SeatsMoved) -> None:
        if update.epoch < self.epoch:
            return
        if update.epoch > self.epoch:
            self.begin_anew(update.epoch)
        for slot_id, seats in update.seats:
            day = self._days.get(_day_of(slot_id))
            if day is not None:
                day.merge(slot_id, seats)
        self.diaries.apply(update.claims)
        self.stamp = next(_stamps)

    def hear_of_schedule(self, version: int) -> None:
        self.schedule_version = max(self.schedule_version, version)

    def keep_up_with(self, schedule_version: int) -> None:
        """What was read under an older schedule is read again: no update may be missing that came before a newer one.

        For slots that need somebody, whose versions begin again with every schedule.
        """
        if 0 < self.schedule_version < schedule_version:
            self.begin_anew(self.epoch)
        self.hear_of_schedule(schedule_version)

    def expect(self, days: Sequence[DayKey]) -> ExpectedDays:
        """The days of these that must be read. Updates that come while they are being read are merged with them."""
        missing = [key for key in days if (day := self._days.get(key)) is None or not day.is_read]
        for key in days:
            self._days.setdefault(key, Day())
            self._days.move_to_end(key)
        while len(self._days) > max(DAYS_MAX, len(days)):
            self._days.popitem(last=False)
        return {key: self._days[key] for key in missing}

    def take_in(self, expected: ExpectedDays, read: Mapping[str, Seats], *, read_at: str) -> None:
        """What was read of the expected days. A day forgotten meanwhile stays forgotten."""
        self.read_at = read_at
        for slot_id, seats in read.items():
            day = expected.get(_day_of(slot_id))
            if day is not None:
                day.merge(slot_id, seats)
        for day in expected.values():
            day.is_read = True
        self.stamp = next(_stamps)

    def knows(self, days: Sequence[DayKey]) -> bool:
        return all((day := self._days.get(key)) is not None and day.is_read for key in days)

    def seats(self, day: DayKey, slot_id: str) -> Seats:
        return self._days[day].seats.get(slot_id, UNTOUCHED)


class Day:
    __slots__ = ("is_read", "seats")

    def __init__(self) -> None:
        self.seats: dict[str, Seats] = {}
        self.is_read = False

    def merge(self, slot_id: str, seats: Seats) -> None:
        if seats.version >= self.seats.get(slot_id, UNTOUCHED).version:
            self.seats[slot_id] = seats


def _day_of(slot_id: str) -> DayKey:
    """Read off the id: `yoga.20261121T0930Z.60`. Ids come from the engine and are right."""
    service, start, _ = slot_id.split(".")
    return service, date(int(start[:4]), int(start[4:6]), int(start[6:8]))
