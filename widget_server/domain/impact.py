"""The only place that says what a change of the schedule does to slots that are taken."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from widget_server.domain.schedule import CapacityRule, Schedule, SlotRule
from widget_server.domain.slots import Slot


class Choice(StrEnum):
    """What an operator wants of those who are affected."""

    KEEP = "keep"
    MOVE = "move"
    """They keep their seats until they have chosen another time: they are asked to."""
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an operator wants of everybody who is affected, and otherwise of single bookings, by their ids."""

    all: Choice
    otherwise: Mapping[int, Choice] = field(default_factory=dict)
    message: str = ""
    """To the customers of those that are to move or are cancelled."""
    bookings_seen: str = ""
    """The fingerprint of the bookings that were shown: nothing happens to any others."""

    def of(self, booking_id: int) -> Choice:
        return self.otherwise.get(booking_id, self.all)

    @property
    def keeps_everybody(self) -> bool:
        return all(choice is Choice.KEEP for choice in (self.all, *self.otherwise.values()))


class Trouble(StrEnum):
    """What is the matter with a taken slot; of several, the first in this order."""

    NOT_OFFERED = "not_offered"
    """No opening makes it."""
    WITHDRAWN = "withdrawn"
    """Its service is not offered any more."""
    BLACKOUT = "blackout"
    NO_SHIFTS = "no_shifts"
    """BY_SHIFT, and nobody is on its roster."""
    CLOSED = "closed"
    """By the operator, this one slot."""
    TOO_FEW_SEATS = "too_few_seats"
    """More of its seats are taken than it has."""
    STAFF_AWAY = "staff_away"
    """Who is to serve it is not on its roster; others are."""
    UNSERVED = "unserved"
    """Its service is to go by shift, and its seats were taken when they needed nobody."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What customers and visitors have of one slot."""

    slot: Slot
    booked: int = 0
    held: int = 0
    staff: frozenset[str] = frozenset()
    """Keys of those who are claimed for it."""

    @property
    def seats(self) -> int:
        return self.booked + self.held


@dataclass(frozen=True, slots=True)
class Affected:
    taken: Taken
    trouble: Trouble
    capacity: int
    """That it has in this schedule, to whomever; 0 where nothing offers it."""
    away: frozenset[str] = frozenset()
    """Who is claimed for it and not on its roster."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A slot that openings make and that is not offered, because it overlaps a taken one that they do not make."""

    slot: Slot
    taken: Taken


def affected(old: Schedule, new: Schedule, taken: Iterable[Taken]) -> list[Affected]:
    """The taken slots that a change brings into trouble, or into more than they were in, in the order given.

    TOO_FEW_SEATS and UNSERVED are to be refused, naming them; of the others the operator says whether to keep, move or
    cancel.
    """
    changed = ((trouble_of(old, one), trouble_of(new, one)) for one in taken if one.seats > 0)
    return [after for before, after in changed if after is not None and _is_worse(before, after)]


def trouble_of(schedule: Schedule, taken: Taken) -> Affected | None:
    """What is the matter with a taken slot in this schedule, if anything is."""
    slot = taken.slot
    if not schedule.makes(slot):
        return Affected(taken, Trouble.NOT_OFFERED, 0)
    looked_at = schedule.look_at(slot)
    if looked_at.bar is not None:
        return Affected(taken, Trouble(looked_at.bar.value), 0)
    offered = schedule.find(slot)
    assert offered is not None, "it is made, and nothing bars it"
    if offered.is_closed:
        return Affected(taken, Trouble.CLOSED, offered.capacity)
    if offered.capacity < taken.seats:
        return Affected(taken, Trouble.TOO_FEW_SEATS, offered.capacity)
    away = taken.staff - set(looked_at.roster)
    return Affected(taken, Trouble.STAFF_AWAY, offered.capacity, away) if away else None


def kept_rules(new: Schedule, taken: Iterable[Taken]) -> list[SlotRule]:
    """What to say of single slots besides, so that nothing that is taken vanishes from this schedule."""
    return [_kept_rule(new, one) for one in taken if one.seats > 0 and new.find(one.slot) is None]


def overlaps(new: Schedule, taken: Sequence[Taken]) -> list[Overlap]:
    """Which slots of this schedule are in the way of taken ones, in order; these stay, and those are not offered."""
    bare = replace(new, slot_rules=())
    return [
        Overlap(slot, one)
        for one in taken
        if one.seats > 0 and one.slot.service in new.services and not bare.makes(one.slot)
        for slot in _made_across(bare, one.slot)
    ]


def _is_worse(before: Affected | None, after: Affected) -> bool:
    if before is None or before.trouble is not after.trouble:
        return True
    return after.capacity < before.capacity or bool(after.away - before.away)


def _kept_rule(schedule: Schedule, taken: Taken) -> SlotRule:
    rule = schedule.rule_of(taken.slot)
    service = schedule.services.get(taken.slot.service)
    if service is None or service.capacity_rule is CapacityRule.BY_SHIFT:
        return replace(rule, is_kept=True, capacity=taken.seats)
    has_room = taken.seats <= (service.capacity if rule.capacity is None else rule.capacity)
    return replace(rule, is_kept=True, capacity=rule.capacity if has_room else taken.seats)


def _made_across(schedule: Schedule, slot: Slot) -> Iterator[Slot]:
    first, last = (schedule.day_of(at) for at in (slot.starts_at, slot.ends_at))
    day = first - timedelta(days=1)
    while day <= last:
        for made in schedule.cut_on(slot.service, day):
            if made.slot.starts_at < slot.ends_at and slot.starts_at < made.slot.ends_at:
                yield made.slot
        day += timedelta(days=1)
