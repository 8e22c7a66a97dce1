"""The only place that says what a week of a site is made of: openings, shifts, blackouts and slots with their seats."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from widget_server.domain.blackouts import Blackout
from widget_server.domain.schedule import Schedule
from widget_server.domain.services import Service
from widget_server.domain.slots import OfferedSlot, Slot, SlotState
from widget_server.domain.spans import Span
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.domain.timetable import REACH
from widget_server.domain.wall_times import MIDNIGHT, ONE_DAY, first_instant

WEEK_DAYS = 7
SHIFTS_APART_MAX, OPENINGS_APART_MAX = 6, 3
"""So many shifts or openings of a day are shown each by themselves; beyond, those with the same hours together."""

_Whose = TypeVar("_Whose", Service, StaffMember)


@dataclass(frozen=True, slots=True)
class Only:
    """What a week is narrowed down to; whatever is empty wants all."""

    service: str = ""
    staff: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    starts_at: datetime
    ends_at: datetime
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class OnShift:
    starts_at: datetime
    ends_at: datetime
    members: tuple[StaffMember, ...]


@dataclass(frozen=True, slots=True)
class Dark:
    starts_at: datetime
    ends_at: datetime
    blackout: Blackout


@dataclass(frozen=True, slots=True)
class SeenSlot:
    """A slot with its seats, as far as they are known."""

    slot: Slot
    service_name: str
    capacity: int
    booked: int
    held: int | None
    """None: not known just now."""
    left: int | None
    state: SlotState | None
    frees_at: datetime | None = None
    """When the first of the seats held may be free again."""
    is_frozen: bool = False
    """Closed for everybody by a rule of its own."""
    is_offered: bool = True
    """False: somebody has booked it, and the schedule does not have it any more."""
    is_served: bool = False
    """The staff member whose week it is serves a booking of it."""

    @property
    def starts_at(self) -> datetime:
        return self.slot.starts_at

    @property
    def ends_at(self) -> datetime:
        return self.slot.ends_at


Block = Open | OnShift | Dark | SeenSlot


@dataclass(frozen=True, slots=True)
class Days:
    """Some days in a row of a site's zone, from the first instant of the first to that after the last."""

    all: tuple[date, ...]
    starts_at: datetime
    ends_at: datetime

    @staticmethod
    def of(schedule: Schedule, first: date, count: int = WEEK_DAYS) -> "Days":
        days = tuple(first + timedelta(days=n) for n in range(count))
        ends = first_instant(days[-1] + ONE_DAY, MIDNIGHT, schedule.zone)
        return Days(days, first_instant(first, MIDNIGHT, schedule.zone), ends)

    def have(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether any of this is in them."""
        return starts_at < self.ends_at and self.starts_at < ends_at and starts_at < ends_at

    @property
    def reaching(self) -> Iterator[date]:
        """All days on which anything may begin that reaches into these."""
        return (self.all[0] + timedelta(days=n) for n in range(-REACH, len(self.all)))


def services_in(schedule: Schedule, only: Only) -> list[Service]:
    """The services that this is about, by their names."""
    member = schedule.staff.get(only.staff)
    found = [
        service
        for service in schedule.services.values()
        if only.service in ("", service.key) and (not only.staff or (member and service.key in member.services))
    ]
    return sorted(found, key=lambda service: (service.name.casefold(), service.key))


def openings_in(schedule: Schedule, days: Days, only: Only) -> list[Open]:
    services = [service for service in services_in(schedule, only) if service.is_offered]
    found: list[Open] = []
    for day in days.reaching:
        of_day = [
            ((starts_at, ends_at), service)
            for service in services
            for starts_at, ends_at, _ in schedule.openings_on(service.key, day)
            if days.have(starts_at, ends_at)
        ]
        found += [Open(*span, those) for span, those in _together(of_day, apart_max=OPENINGS_APART_MAX)]
    return sorted(found, key=lambda one: (one.starts_at, one.ends_at))


def shifts_in(schedule: Schedule, days: Days, only: Only) -> list[OnShift]:
    """Of whoever is still there, by their names."""
    found: list[OnShift] = []
    for day in days.reaching:
        of_day = [
            (span, schedule.staff[key])
            for key, shifts in schedule.shifts_on(day).items()
            if key in schedule.staff and schedule.staff[key].is_active and only.staff in ("", key)
            for span, shift in shifts
            if days.have(*span) and _serves(shift, schedule.staff[key], only)
        ]
        of_day.sort(key=lambda one: one[1].name.casefold())
        found += [OnShift(*span, those) for span, those in _together(of_day, apart_max=SHIFTS_APART_MAX)]
    return sorted(found, key=lambda one: (one.starts_at, one.ends_at))


def blackouts_in(schedule: Schedule, days: Days, only: Only) -> list[Dark]:
    services = {service.key for service in services_in(schedule, only)}
    found = [
        Dark(*span, blackout)
        for blackout in schedule.blackouts
        if _concerns(blackout, services, schedule, only)
        for day in days.reaching
        if blackout.is_on(day) and days.have(*(span := blackout.span(day, schedule.zone)))
    ]
    return sorted(found, key=lambda one: (one.starts_at, one.ends_at, one.blackout.id or 0))


def slots_in(schedule: Schedule, days: Days, service: Service, only: Only) -> list[OfferedSlot]:
    """The slots that reach into these days, in order; of a staff member those that they may be asked to serve."""
    first, last = days.all[0] - ONE_DAY, days.all[-1]
    return [
        offered
        for offered in schedule.slots_between(service.key, first, last)
        if days.have(offered.slot.starts_at, offered.slot.ends_at)
        and (not only.staff or _may_serve(offered, only.staff))
    ]


def _may_serve(offered: OfferedSlot, staff: str) -> bool:
    """A slot that needs nobody in particular is for all who serve its service."""
    return not offered.needs or any(f"staff/{staff}" in need.candidates for need in offered.needs)


def _serves(shift: Shift, member: StaffMember, only: Only) -> bool:
    if not only.service:
        return True
    return only.service in member.services and (not shift.services or only.service in shift.services)


def _together(of_day: Sequence[tuple[Span, _Whose]], *, apart_max: int) -> list[tuple[Span, tuple[_Whose, ...]]]:
    if len(of_day) <= apart_max:
        return [(span, (whose,)) for span, whose in of_day]
    by_hours: defaultdict[Span, list[_Whose]] = defaultdict(list)
    for span, whose in of_day:
        by_hours[span].append(whose)
    return [(span, tuple(those)) for span, those in by_hours.items()]


def _concerns(blackout: Blackout, services: set[str], schedule: Schedule, only: Only) -> bool:
    if blackout.service is not None:
        return blackout.service in services
    if blackout.staff is None:
        return True
    if only.staff:
        return blackout.staff == only.staff
    return not only.service or only.service in schedule.staff[blackout.staff].services
