"""The only place that says what is offered: the slots of openings, with who serves them, and without what is barred."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from widget_server.domain.blackouts import Blackout, spans_near
from widget_server.domain.cutting import Cutting
from widget_server.domain.openings import Opening, SlotRule
from widget_server.domain.services import CapacityRule, Place, Service, ServiceKind
from widget_server.domain.slots import Need, OfferedSlot, Slot
from widget_server.domain.spans import Span, Spans
from widget_server.domain.staffing import DayOff, Roster, Rosters, Shift, StaffMember, candidates
from widget_server.domain.wall_times import MIDNIGHT, ONE_DAY, day_at, first_instant, last_instant

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
"""So many days of services does a schedule keep in each of its memories: a month of sixteen services."""
SLOTS_KEPT = 4_096
"""And so many slots that were asked for one by one: most holds are for what others wanted just before."""


class Bar(StrEnum):
    """Why a slot that openings make is not offered."""

    WITHDRAWN = "withdrawn"
    BLACKOUT = "blackout"
    NO_SHIFTS = "no_shifts"


@dataclass(frozen=True, slots=True)
class CutSlot:
    """A slot as openings make it, and what stands in the way of offering it."""

    slot: Slot
    roster: Roster
    bar: Bar | None


@dataclass(frozen=True)
class Schedule:
    """What a site offers, as of one version. Immutable, so one process may share it; looked-at days are kept inside.

    A slot is offered if openings make it, its service is not withdrawn, no blackout of site or service overlaps it,
    and, BY_SHIFT, somebody is on its roster. A kept slot that is not offered is there all the same, closed.
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
    takes_payments: bool = False
    """Whether the site has an account at Stripe for the mode it is in, so that what has a price can be booked."""

    @property
    def remind_hours(self) -> dict[str, int]:
        """So long before their start customers of these services are reminded; of others they are not."""
        return {key: service.remind_hours for key, service in self.services.items() if service.remind_hours}

    @property
    def asks_something(self) -> bool:
        return any(service.questions for service in self.services.values())

    def slots_on(self, service: str, day: date) -> tuple[OfferedSlot, ...]:
        """The slots of a service that start on this day of the site's zone, in order, none overlapping."""
        return self._starting_on(service, day)

    def slots_between(self, service: str, first: date, last: date) -> list[OfferedSlot]:
        """The slots that start on any day from `first` to `last`, both included, in order."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [offered for day in days for offered in self._starting_on(service, day)]

    def find(self, slot: Slot) -> OfferedSlot | None:
        """This very slot if it is offered, or kept, with its capacity."""
        return self._found(slot)

    def cut_on(self, service: str, day: date) -> Iterator[CutSlot]:
        """All that openings make of this day, offered or not, in order. Worked out anew each time."""
        return self._look_at(service, day, self._cutting.starting_on(service, day))

    def makes(self, slot: Slot) -> bool:
        """Whether its openings make this very slot, offered or not."""
        if slot.service not in self.services:
            return False
        return slot in self._made_on(slot.service, self.day_of(slot.starts_at))

    def rule_of(self, slot: Slot) -> SlotRule:
        """What is said of this single slot; a rule that says nothing, if nothing is."""
        return self._rules.get(slot) or SlotRule(slot)

    def look_at(self, slot: Slot) -> CutSlot:
        """Who is on its roster, and what stands in its way, whether openings make it or not."""
        (looked_at,) = self._look_at(slot.service, self.day_of(slot.starts_at), [slot])
        return looked_at

    def openings_on(self, service: str, day: date) -> Iterator[tuple[datetime, datetime, Opening]]:
        """The openings of a service that begin on this day of the site's zone, with their instants."""
        return self._cutting.openings_on(service, day)

    def shifts_on(self, day: date) -> dict[str, list[tuple[Span, Shift]]]:
        """The shifts of each staff member that begin on this day, without those of days off."""
        return self._rosters.shifts_on(day)

    def day_of(self, at: datetime) -> date:
        """On which day of the site's zone an instant lies."""
        return day_at(at, self.zone)

    @cached_property
    def _starting_on(self) -> Callable[[str, date], tuple[OfferedSlot, ...]]:
        return lru_cache(DAYS_KEPT)(lambda service, day: tuple(self._offer_on(service, day)))

    @cached_property
    def _by_slot(self) -> Callable[[str, date], dict[Slot, OfferedSlot]]:
        return lru_cache(DAYS_KEPT)(
            lambda service, day: {offered.slot: offered for offered in self._starting_on(service, day)}
        )

    @cached_property
    def _found(self) -> Callable[[Slot], OfferedSlot | None]:
        return lru_cache(SLOTS_KEPT)(self._look_for)

    @cached_property
    def _made_on(self) -> Callable[[str, date], frozenset[Slot]]:
        return lru_cache(DAYS_KEPT)(lambda service, day: frozenset(self._cutting.starting_on(service, day)))

    @cached_property
    def _dark_near(self) -> Callable[[str, date], Spans]:
        return lru_cache(DAYS_KEPT)(
            lambda service, day: spans_near(
                (one for one in self.blackouts if one.is_of_site or one.service == service), day, self.zone
            )
        )

    @cached_property
    def _cutting(self) -> Cutting:
        return Cutting(self.zone, self.services, self.openings, (rule.slot for rule in self.slot_rules if rule.is_kept))

    @cached_property
    def _rosters(self) -> Rosters:
        return Rosters(self.zone, self.staff, self.shifts, self.days_off, self.blackouts)

    @cached_property
    def _rules(self) -> dict[Slot, SlotRule]:
        return {rule.slot: rule for rule in self.slot_rules}

    def _look_for(self, slot: Slot) -> OfferedSlot | None:
        if slot.service not in self.services:
            return None
        return self._by_slot(slot.service, self.day_of(slot.starts_at)).get(slot)

    def _look_at(self, key: str, day: date, slots: Sequence[Slot]) -> Iterator[CutSlot]:
        service, dark = self.services[key], self._dark_near(key, day)
        is_by_shift = service.capacity_rule is CapacityRule.BY_SHIFT
        rosters = self._rosters.of(key, day, slots) if is_by_shift else [()] * len(slots)
        for slot, roster in zip(slots, rosters, strict=True):
            bar = None
            if not service.is_offered:
                bar = Bar.WITHDRAWN
            elif dark.meet(slot.starts_at, slot.ends_at):
                bar = Bar.BLACKOUT
            elif is_by_shift and not roster:
                bar = Bar.NO_SHIFTS
            yield CutSlot(slot, roster, bar)

    def _offer_on(self, key: str, day: date) -> Iterator[OfferedSlot]:
        cut = self._cutting.starting_on(key, day)
        kept = self._cutting.kept_on(key, day)
        slots = sorted({*cut, *kept}) if kept else cut
        uncut = set(kept).difference(cut)
        page = _Page(self.services[key], self.zone, day)
        for looked_at in self._look_at(key, day, slots):
            rule = self._rules.get(looked_at.slot)
            if looked_at.bar is None and looked_at.slot not in uncut:
                yield page.offer(looked_at, rule)
            elif rule is not None and rule.is_kept:
                yield page.keep(looked_at, rule)


class _Page:
    """What all slots of one service on one day have in common."""

    def __init__(self, service: Service, zone: ZoneInfo, day: date) -> None:
        self._service = service
        self._notice = timedelta(minutes=service.notice_min)
        self._before, self._after = (
            timedelta(minutes=m) for m in (service.buffer_before_min, service.buffer_after_min)
        )
        self._bookable_from = first_instant(day - timedelta(days=service.horizon_days), MIDNIGHT, zone)
        self._day_from, self._day_until = (first_instant(d, MIDNIGHT, zone) for d in (day, day + ONE_DAY))

    def offer(self, cut: CutSlot, rule: SlotRule | None) -> OfferedSlot:
        return self._put(cut, self._capacity(cut, rule), is_closed=rule is not None and rule.is_closed)

    def keep(self, cut: CutSlot, rule: SlotRule) -> OfferedSlot:
        return self._put(cut, max(self._capacity(cut, rule), rule.capacity or 0), is_closed=True)

    def _put(self, cut: CutSlot, capacity: int, *, is_closed: bool) -> OfferedSlot:
        slot = cut.slot
        needs = (self._need(slot, cut.roster),) if cut.roster else ()
        return OfferedSlot(slot, capacity, needs, is_closed, self._bookable_from, slot.starts_at - self._notice)

    def _capacity(self, cut: CutSlot, rule: SlotRule | None) -> int:
        if self._service.capacity_rule is CapacityRule.BY_SHIFT:
            return len(cut.roster) * self._service.capacity
        return self._service.capacity if rule is None or rule.capacity is None else rule.capacity

    def _need(self, slot: Slot, roster: Roster) -> Need:
        return Need(
            candidates=candidates(roster),
            seats_each=self._service.capacity,
            busy_from=slot.starts_at - self._before,
            busy_until=slot.ends_at + self._after,
            day_from=self._day_from,
            day_until=self._day_until,
        )
