"""The only place that writes what is free: the slots of some days of one service with their seats, as JSON."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from hashlib import blake2b

from widget_server.clock import iso
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import OfferedSlot, Seats, Slot, SlotState
from widget_server.domain.why_not import Reason
from widget_server.use_cases.known_seats import DayKey
from widget_server.use_cases.reasons import Reasons

SeatsOf = Callable[[DayKey, str], Seats]


@dataclass(frozen=True)
class Month:
    """An answer, the same bytes for everyone. Two answers with the same `etag` say the same about every slot."""

    body: bytes
    etag: str
    free_on: Mapping[date, Slot]
    """The first slot that can be booked on each day that has one, in order."""

    @cached_property
    def compressed(self) -> bytes:
        """For gzip; done once for all who ask until something changes. A month shrinks to a tenth."""
        return gzip.compress(self.body, compresslevel=4, mtime=0)


class Sheet:
    """What of an answer only changes with the schedule, made once: filling in the seats must be quick."""

    def __init__(self, schedule: Schedule, service: str, first: date, last: date) -> None:
        self.schedule = schedule
        self._head: dict[str, object] = {
            "service": service,
            "zone": schedule.zone.key,
            "from": first.isoformat(),
            "to": last.isoformat(),
        }
        self._head["notice_minutes"] = schedule.services[service].notice_min
        self._reasons = Reasons(schedule, service)
        self._lines_on = {
            day: [_Line(offered) for offered in schedule.slots_on(service, day)] for day in _days(first, last)
        }
        self._lines = [line for of_day in self._lines_on.values() for line in of_day]
        self.days: tuple[DayKey, ...] = tuple(dict.fromkeys(line.day for line in self._lines)) or ((service, first),)
        """The UTC days its slots start on. Never none: reading a day also tells whether the schedule is still true."""

    def fill_in(self, seats_of: SeatsOf, *, epoch: int, feed_id: str, now: datetime) -> Month:
        slots = b",".join([line.fill_in(seats_of(line.day, line.slot_id), now) for line in self._lines])
        version = self.schedule.version
        head = _json(self._head | {"epoch": epoch, "schedule_version": version, "feed_id": f"{epoch}.{feed_id}"})
        free_on, why_not = self._look_at_days(now)
        reasons = _json(why_not)
        # Not over the feed id: another process may have read further and yet have nothing else to say.
        digest = blake2b(slots, digest_size=12)
        digest.update(reasons)
        body = b"".join((head[:-1], b',"slots":[', slots, b'],"why_not":', reasons, b"}"))
        return Month(body, f'W/"{epoch}.{version}.{digest.hexdigest()}"', free_on)

    def _look_at_days(self, now: datetime) -> tuple[dict[date, Slot], dict[str, object]]:
        """What can be booked first on each day, and why nothing can on the others."""
        free_on: dict[date, Slot] = {}
        why_not: dict[str, object] = {}
        for day, lines in self._lines_on.items():
            if lines and lines[0].state is SlotState.OPEN:  # mostly
                free_on[day] = lines[0].slot
            elif SlotState.OPEN in (states := {line.state for line in lines}):
                free_on[day] = next(line.slot for line in lines if line.state is SlotState.OPEN)
            else:
                why_not[day.isoformat()] = self._why_not(day, states, now)
        return free_on, why_not

    def _why_not(self, day: date, states: set[SlotState], now: datetime) -> str:
        if SlotState.HELD in states:
            return Reason.ALL_HELD
        return Reason.ALL_FULL if SlotState.FULL in states else self._reasons.of(day, now)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


class _Line:
    __slots__ = ("_given", "_is_closed", "_offered", "_seats", "_text", "day", "slot", "slot_id", "state")

    def __init__(self, offered: OfferedSlot) -> None:
        slot = offered.slot
        self._offered = offered
        self.slot = slot
        self.slot_id = slot.id
        self.state = SlotState.CLOSED
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
            self.state = self._offered.state(seats, now)
            self._text = self._given + b"," + _json(self._taken(seats, now))[1:]
        return self._text

    def _taken(self, seats: Seats, now: datetime) -> dict[str, object]:
        return {
            "held": seats.held,
            "booked": seats.booked,
            "left": self._offered.left(seats),
            "state": self.state,
            "version": seats.version,
            "frees_at": iso(seats.frees_at) if seats.frees_at else None,
        }


def _json(body: dict[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
