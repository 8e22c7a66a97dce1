"""The only place where openings become slots, and where a wall time becomes an instant."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from widget_server.domain.money import Money
from widget_server.domain.slots import OfferedSlot, Slot

DAYS_KEPT = 512
"""So many days of cut slots does a schedule keep, over all its services: a month of sixteen services."""

_MIDNIGHT = time(0)
_ONE_DAY, _TWO_DAYS = timedelta(days=1), timedelta(days=2)
_Cut = Callable[[str, date], tuple[OfferedSlot, ...]]


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

    def span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when to when it lasts if it begins on this day. Empty where DST skips all of it."""
        end_day = day if self.ends > self.starts else day + _ONE_DAY
        return first_instant(day, self.starts, zone), last_instant(end_day, self.ends, zone)


@dataclass(frozen=True)
class Schedule:
    """What a site offers, as of one version. Immutable, so one process may share it; cut days are kept inside.

    Slots of one service never overlap, however its openings do. Of two openings on one day the earlier goes first,
    and one that began on the day before goes before all of this day's.
    """

    version: int
    zone: ZoneInfo
    services: dict[str, Service]
    openings: tuple[Opening, ...]

    def slots_on(self, service: str, day: date) -> tuple[OfferedSlot, ...]:
        """The slots of a service that start on this day of the site's zone, in order, none overlapping."""
        return self._starting_on(service, day)

    def slots_between(self, service: str, first: date, last: date) -> list[OfferedSlot]:
        """The slots that start on any day from `first` to `last`, both included, in order."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [offered for day in days for offered in self._starting_on(service, day)]

    def find(self, slot: Slot) -> OfferedSlot | None:
        """This very slot if it is offered, with its capacity."""
        if slot.service not in self.services:
            return None
        day = slot.starts_at.astimezone(self.zone).date()
        return self._by_slot(slot.service, day).get(slot)

    @cached_property
    def _openings_of(self) -> dict[str, tuple[Opening, ...]]:
        return {key: tuple(o for o in self.openings if o.service == key) for key in self.services}

    @cached_property
    def _starting_on(self) -> _Cut:
        return lru_cache(DAYS_KEPT)(self._cut_starting_on)

    @cached_property
    def _by_slot(self) -> Callable[[str, date], dict[Slot, OfferedSlot]]:
        return lru_cache(DAYS_KEPT)(
            lambda service, day: {offered.slot: offered for offered in self._starting_on(service, day)}
        )

    @cached_property
    def _opened_on(self) -> _Cut:
        return lru_cache(DAYS_KEPT)(self._cut_opened_on)

    def _cut_starting_on(self, service: str, day: date) -> tuple[OfferedSlot, ...]:
        midnight, next_midnight = (first_instant(d, _MIDNIGHT, self.zone) for d in (day, day + _ONE_DAY))
        return tuple(
            offered
            for opened_on in (day - _TWO_DAYS, day - _ONE_DAY, day)
            for offered in self._granted(service, opened_on)
            if midnight <= offered.slot.starts_at < next_midnight
        )

    def _granted(self, service: str, day: date) -> Iterator[OfferedSlot]:
        """The slots of openings that begin on this day, without those in the way of openings of earlier days.

        An opening ends on the next day at the latest; two days are looked back on because a zone may skip a whole
        day, as Apia did on 30 December 2011. A slot yields to an earlier opening even where that one's slot yields
        in turn: so each day is known from its neighbours, without going back for ever.
        """
        before = (self._opened_on(service, day - _ONE_DAY), self._opened_on(service, day - _TWO_DAYS))
        taken_until = max((slots[-1].slot.ends_at for slots in before if slots), default=None)
        for offered in self._opened_on(service, day):
            if taken_until is None or taken_until <= offered.slot.starts_at:
                yield offered

    def _cut_opened_on(self, service: str, day: date) -> tuple[OfferedSlot, ...]:
        offered: list[OfferedSlot] = []
        capacity, length = self.services[service].capacity, timedelta(minutes=self.services[service].length_min)
        openings = self._openings_of[service]
        for starts_at, ends_at in sorted(o.span(day, self.zone) for o in openings if o.is_on(day)):
            for start in _cut(starts_at, ends_at, length):
                if not offered or offered[-1].slot.ends_at <= start:
                    offered.append(OfferedSlot(Slot(service, start, start + length), capacity))
        return tuple(offered)


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
