"""The only place for who serves when: staff, their shifts, and the roster of a slot."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from widget_server.domain.blackouts import Blackout, spans_near
from widget_server.domain.slots import Slot
from widget_server.domain.spans import NOTHING, Span, Spans, merged
from widget_server.domain.timetable import DAYS_LOOKED_UP, Timetable, days_near
from widget_server.domain.wall_times import Stretch

Roster = tuple[str, ...]
"""Keys of all staff members who can serve a slot, in their order."""
_CANDIDATES_KEPT = 512


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Somebody who serves bookings. `key` never changes: it stands in claims and diaries."""

    key: str
    name: str
    email: str | None = None
    """Where they are told of their bookings; None: they are not told."""
    services: frozenset[str] = frozenset()
    """Keys of the services they serve."""
    is_active: bool = True
    """False: has left. On no roster any more; who was assigned stays assigned."""


@dataclass(frozen=True, slots=True)
class Shift(Stretch):
    """A stretch of wall time in which a staff member serves: weekly (`weekday`, Monday is 0) or on one `day`.

    It lasts until the wall clock shows `ends` for the last time; `ends` at or before `starts` is on the next day.
    """

    staff: str
    starts: time
    ends: time
    weekday: int | None = None
    day: date | None = None
    services: frozenset[str] = frozenset()
    """Keys of the services served in it, of those the member serves at all; empty: all of them."""
    id: int | None = None
    """None until it is stored."""


@dataclass(frozen=True, slots=True)
class DayOff:
    """The weekly shifts of this member that begin on this day do not count; dated ones do."""

    staff: str
    day: date
    id: int | None = None
    """None until it is stored."""


class Rosters:
    """Who can serve when, at one site.

    On the roster of a slot is who serves its service, is on shift all the time from its start to its end, in one shift
    or in several that adjoin, and has no blackout in it. Buffers are not looked at.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        staff: Mapping[str, StaffMember],
        shifts: Iterable[Shift],
        days_off: Iterable[DayOff],
        blackouts: Iterable[Blackout],
    ) -> None:
        self._zone = zone
        self._members = [staff[key] for key in sorted(staff) if staff[key].is_active]
        self._shifts = Timetable(zone, shifts)
        self._off = {(one.staff, one.day) for one in days_off}
        self._blackouts: defaultdict[str, list[Blackout]] = defaultdict(list)
        for blackout in blackouts:
            if blackout.staff is not None:
                self._blackouts[blackout.staff].append(blackout)
        self.shifts_on = lru_cache(DAYS_LOOKED_UP)(self._find_shifts_on)
        self._away_near = lru_cache(DAYS_LOOKED_UP)(self._find_away_near)

    def of(self, service: str, day: date, slots: Sequence[Slot]) -> list[Roster]:
        """The rosters of slots that start on this day of the site's zone; the slots in order of their starts."""
        rosters: list[list[str]] = [[] for _ in slots]
        covered = lru_cache(len(self._members))(lambda spans: _covered(slots, spans))  # many have the same hours
        shifts, away = [self.shifts_on(on) for on in days_near(day)], self._away_near(day)
        for member in self._members:
            if service not in member.services:
                continue
            on_shift = (one for found in shifts for one in found.get(member.key, ()))
            present = tuple(merged(span for span, shift in on_shift if _serves_in(shift, service)))
            absent = away.get(member.key, NOTHING)
            for n in covered(present):
                if absent is NOTHING or not absent.meet(slots[n].starts_at, slots[n].ends_at):
                    rosters[n].append(member.key)
        return [tuple(roster) for roster in rosters]

    def _find_shifts_on(self, day: date) -> dict[str, list[tuple[Span, Shift]]]:
        """The shifts of each member that begin on this day, also of who has left."""
        found: defaultdict[str, list[tuple[Span, Shift]]] = defaultdict(list)
        for starts_at, ends_at, shift in self._shifts.on(day):
            if shift.day is not None or (shift.staff, day) not in self._off:
                found[shift.staff].append(((starts_at, ends_at), shift))
        return found

    def _find_away_near(self, day: date) -> dict[str, Spans]:
        return {staff: spans_near(blackouts, day, self._zone) for staff, blackouts in self._blackouts.items()}


@lru_cache(_CANDIDATES_KEPT)
def candidates(roster: Roster) -> tuple[str, ...]:
    """As the engine names them, which does not know that they are people."""
    return tuple(f"staff/{key}" for key in roster)


def _serves_in(shift: Shift, service: str) -> bool:
    return not shift.services or service in shift.services


def _covered(slots: Sequence[Slot], spans: Sequence[Span]) -> list[int]:
    """The numbers of the slots that lie within one of these spans; both are in order."""
    starts = [slot.starts_at for slot in slots]
    return [
        n
        for starts_at, ends_at in spans
        for n in range(bisect_left(starts, starts_at), bisect_left(starts, ends_at))
        if slots[n].ends_at <= ends_at
    ]
