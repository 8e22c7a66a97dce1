"""The only place where openings become slots, and where a wall time becomes an instant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from widget_server.domain.money import Money
from widget_server.domain.slots import OfferedSlot, Slot


class ServiceKind(StrEnum):
    CONSULTATION = "consultation"
    CLASS = "class"
    EVENT = "event"


class Place(StrEnum):
    ONLINE = "online"
    IN_PERSON = "in_person"


@dataclass(frozen=True, slots=True)
class Service:
    """What can be booked. `key` never changes: it stands in snippets and in slot ids."""

    key: str
    name: str
    kind: ServiceKind
    place: Place
    description: str
    length_min: int
    capacity: int
    seats_per_booking_max: int
    price: Money
    access: str
    """Video link or venue: only for customers with a booking."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of wall time in which a service is offered: weekly (`weekday`, Monday is 0) or on one `day`.

    It lasts until the wall clock shows `ends` for the last time; `ends` at or before `starts` is on the next day.
    """

    service: str
    starts: time
    ends: time
    weekday: int | None = None
    day: date | None = None

    def __post_init__(self) -> None:
        assert (self.weekday is None) != (self.day is None), "weekly or dated, not both"

    def is_on(self, day: date) -> bool:
        return self.day == day if self.day is not None else self.weekday == day.weekday()


@dataclass(frozen=True)
class Schedule:
    """What a site offers, as of one version. Immutable, so one process may share it."""

    version: int
    zone: ZoneInfo
    services: dict[str, Service]
    openings: tuple[Opening, ...]

    @cached_property
    def _openings_of(self) -> dict[str, tuple[Opening, ...]]:
        return {key: tuple(o for o in self.openings if o.service == key) for key in self.services}

    def slots_on(self, service: str, day: date) -> list[OfferedSlot]:
        """The slots of a service that start in openings of this day of the site's zone, in order, none overlapping.

        Openings that overlap one another never cut the same moment twice: a slot that would start before the one
        before it has ended is left out.
        """
        offered: list[OfferedSlot] = []
        capacity, length = self.services[service].capacity, timedelta(minutes=self.services[service].length_min)
        spans = sorted(self._span(opening, day) for opening in self._openings_of[service] if opening.is_on(day))
        for starts_at, ends_at in spans:
            for start in _cut(starts_at, ends_at, length):
                if not offered or offered[-1].slot.ends_at <= start:
                    offered.append(OfferedSlot(Slot(service, start, start + length), capacity))
        return offered

    def slots_between(self, service: str, first: date, last: date) -> list[OfferedSlot]:
        """The slots of all days from `first` to `last`, both included, in order."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [offered for day in days for offered in self.slots_on(service, day)]

    def find(self, slot: Slot) -> OfferedSlot | None:
        """This very slot if it is offered, with its capacity. An opening may run over midnight, so two days count."""
        if slot.service not in self.services:
            return None
        day = slot.starts_at.astimezone(self.zone).date()
        near = self.slots_on(slot.service, day) + self.slots_on(slot.service, day - timedelta(days=1))
        return next((offered for offered in near if offered.slot == slot), None)

    def _span(self, opening: Opening, day: date) -> tuple[datetime, datetime]:
        end_day = day if opening.ends > opening.starts else day + timedelta(days=1)
        return first_instant(day, opening.starts, self.zone), last_instant(end_day, opening.ends, self.zone)


def first_instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The first instant at which the wall clock shows this time; one skipped by DST is as much later as was skipped."""
    return datetime.combine(day, wall, zone).replace(fold=0).astimezone(UTC)


def last_instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The last instant at which the wall clock shows this time; one skipped by DST is as much later as was skipped.

    PEP 495: for a skipped time fold=0 gives the later instant and fold=1 the earlier, for a repeated time the reverse.
    """
    first, second = (datetime.combine(day, wall, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(first, second)


def _cut(starts_at: datetime, ends_at: datetime, length: timedelta) -> Iterator[datetime]:
    start = starts_at
    while start + length <= ends_at:
        yield start
        start += length
