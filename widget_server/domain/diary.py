"""The only place for what a staff member's diary says of a day: shifts, what keeps them away, and whom they serve."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from unicodedata import normalize

from widget_server.domain.blackouts import Blackout
from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import BookingLine
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.domain.spans import Span
from widget_server.domain.timetable import Timetable

WEEK_DAYS = 7
_LINKED = re.compile(r"[/:@\\]|\.(?=.)")
"""In what mail programs make a link of."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """A slot that they serve, with the bookings of it that are theirs."""

    slot: Slot
    service_name: str
    bookings: tuple[BookingLine, ...]


@dataclass(frozen=True, slots=True)
class Away:
    """A blackout that is on: `span` None for all day."""

    blackout: Blackout
    span: Span | None


@dataclass(frozen=True, slots=True)
class DiaryDay:
    day: date
    shifts: tuple[Span, ...]
    """Those that count."""
    is_off: bool
    away: tuple[Away, ...]
    appointments: tuple[Appointment, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.shifts or self.is_off or self.away or self.appointments)


def days_of(schedule: Schedule, staff: str, first: date, served: Iterable[BookingLine]) -> list[DiaryDay]:
    """Seven days from this one on, on the clocks of the site. `served` are bookings of which they serve some seats."""
    shifts = Timetable(schedule.zone, (shift for shift in schedule.shifts if shift.staff == staff))
    off = {one.day for one in schedule.days_off if one.staff == staff}
    standing = [line for line in served if line.state is not BookingState.CANCELLED]
    return [
        DiaryDay(
            day,
            tuple((starts, ends) for starts, ends, shift in shifts.on(day) if shift.day is not None or day not in off),
            day in off,
            tuple(_away_on(schedule, staff, day)),
            tuple(_appointments([line for line in standing if schedule.day_of(line.slot.starts_at) == day])),
        )
        for day in (first + timedelta(days=n) for n in range(WEEK_DAYS))
    ]


def first_name(name: str) -> str:
    return name.split()[0] if name.split() else ""


def name_for_strangers(name: str) -> str:
    """The first name, for mails to whoever has never asked for any; none where programs would make it a link."""
    first = first_name(name)
    return "" if _LINKED.search(normalize("NFKC", first)) else first


def _away_on(schedule: Schedule, staff: str, day: date) -> Iterable[Away]:
    """Of the whole site, of what they serve, and their own."""
    services = schedule.staff[staff].services
    for one in schedule.blackouts:
        if one.is_on(day) and (one.is_of_site or one.staff == staff or one.service in services):
            yield Away(one, None if one.starts is None else one.span(day, schedule.zone))


def _appointments(lines: Sequence[BookingLine]) -> Iterable[Appointment]:
    """In the order in which they begin."""
    for slot in sorted({line.slot for line in lines}, key=lambda slot: (slot.starts_at, slot.service)):
        bookings = tuple(line for line in lines if line.slot == slot)
        yield Appointment(slot, bookings[0].service_name, bookings)
