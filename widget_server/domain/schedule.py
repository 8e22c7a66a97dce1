"""The only place where openings become slots."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from widget_server.domain.blackouts import Blackout
from widget_server.domain.openings import Opening, SlotRule
from widget_server.domain.services import CapacityRule, Place, Service, ServiceKind
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.domain.staffing import DayOff, Shift, StaffMember
from widget_server.domain.wall_times import MIDNIGHT, ONE_DAY, first_instant, last_instant

__all__ = [
    "Blackout",
    "CapacityRule",
    "DayOff",
    "Opening",
    "Place",
    "Schedule",
    "Service",
    "ServiceKind",
    "Shift",
    "SlotRule",
    "StaffMember",
    "first_instant",
    "last_instant",
]
"""A schedule and all it is made of."""

DAYS_KEPT = 512
"""So many days of cut slots does a schedule keep, over all its services: a month of sixteen services."""

_TWO_DAYS = timedelta(days=2)
_Cut = Callable[[str, date], tuple[OfferedSlot, ...]]


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
    staff: dict[str, StaffMember] = field(default_factory=dict)
    shifts: tuple[Shift, ...] = ()
    days_off: tuple[DayOff, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    slot_rules: tuple[SlotRule, ...] = ()

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
        midnight, next_midnight = (first_instant(d, MIDNIGHT, self.zone) for d in (day, day + ONE_DAY))
        return tuple(
            offered
            for opened_on in (day - _TWO_DAYS, day - ONE_DAY, day)
            for offered in self._granted(service, opened_on)
            if midnight <= offered.slot.starts_at < next_midnight
        )

    def _granted(self, service: str, day: date) -> Iterator[OfferedSlot]:
        """The slots of openings that begin on this day, without those in the way of openings of earlier days.

        An opening ends on the next day at the latest; two days are looked back on because a zone may skip a whole
        day, as Apia did on 30 December 2011. A slot yields to an earlier opening even where that one's slot yields
        in turn: so each day is known from its neighbours, without going back for ever.
        """
        before = (self._opened_on(service, day - ONE_DAY), self._opened_on(service, day - _TWO_DAYS))
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


def _cut(starts_at: datetime, ends_at: datetime, length: timedelta) -> Iterator[datetime]:
    start = starts_at
    while start + length <= ends_at:
        yield start
        start += length
