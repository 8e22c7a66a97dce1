"""The only place that writes what is free: the slots of some days of one service with their seats, as JSON."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from hashlib import blake2b

from widget_server.clock import iso
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import OfferedSlot, Seats
from widget_server.use_cases.known_seats import DayKey

SeatsOf = Callable[[DayKey, str], Seats]


@dataclass(frozen=True)
class Month:
    """An answer, the same bytes for everyone. Two answers with the same `etag` say the same about every slot."""

    body: bytes
    etag: str

    @cached_property
    def compressed(self) -> bytes:
        """For gzip; done once for all who ask until something changes. A month shrinks to a tenth."""
        return gzip.compress(self.body, compresslevel=4, mtime=0)


class Sheet:
    """What of an answer only changes with the schedule, made once: filling in the seats must be quick."""

    def __init__(self, schedule: Schedule, service: str, first: date, last: date) -> None:
        self.schedule = schedule
        self._head = {"service": service, "zone": schedule.zone.key, "from": first.isoformat(), "to": last.isoformat()}
        self._lines = [_Line(offered) for offered in schedule.slots_between(service, first, last)]
        self.days: tuple[DayKey, ...] = tuple(dict.fromkeys(line.day for line in self._lines)) or ((service, first),)
        """The UTC days its slots start on. Never none: reading a day also tells whether the schedule is still true."""

    def fill_in(self, seats_of: SeatsOf, *, epoch: int, feed_id: str, now: datetime) -> Month:
        slots = b",".join([line.fill_in(seats_of(line.day, line.slot_id), now) for line in self._lines])
        version = self.schedule.version
        head = _json(self._head | {"epoch": epoch, "schedule_version": version, "feed_id": f"{epoch}.{feed_id}"})
        # Not over the feed id: another process may have read further and yet have nothing else to say.
        digest = blake2b(slots, digest_size=12).hexdigest()
        return Month(body=head[:-1] + b',"slots":[' + slots + b"]}", etag=f'W/"{epoch}.{version}.{digest}"')


class _Line:
    __slots__ = ("_given", "_is_closed", "_offered", "_seats", "_text", "day", "slot_id")

    def __init__(self, offered: OfferedSlot) -> None:
        slot = offered.slot
        self._offered = offered
        self.slot_id = slot.id
        self.day: DayKey = (slot.service, slot.starts_at.date())
        given = {"starts_at": iso(slot.starts_at), "ends_at": iso(slot.ends_at), "capacity": offered.capacity}
        self._given = _json({"id": self.slot_id} | given)[:-1]
        self._seats: Seats | None = None
        self._is_closed = False
        self._text = b""

    def fill_in(self, seats: Seats, now: datetime) -> bytes:
        """Written again only where something has changed: mostly one slot of a thousand has."""
        is_closed = not self._offered.is_bookable(now)
        if seats is not self._seats or is_closed != self._is_closed:
            self._seats, self._is_closed = seats, is_closed
            self._text = self._given + b"," + _json(self._taken(seats, now))[1:]
        return self._text

    def _taken(self, seats: Seats, now: datetime) -> dict[str, object]:
        return {
            "held": seats.held,
            "booked": seats.booked,
            "left": self._offered.left(seats),
            "state": self._offered.state(seats, now),
            "version": seats.version,
            "frees_at": iso(seats.frees_at) if seats.frees_at else None,
        }


def _json(body: dict[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
