"""The only place that says what an edit does to what is taken: what is to be told before, and what is kept by rules."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from widget_server.domain.impact import (
    Affected,
    Choice,
    Chosen,
    Overlap,
    Taken,
    Trouble,
    affected,
    kept_rules,
    overlaps,
)
from widget_server.domain.schedule import CapacityRule, Schedule, SlotRule
from widget_server.domain.slots import Slot
from widget_server.store.impact import BookedBy


@dataclass(frozen=True, slots=True)
class Consequences:
    """What an edit does to slots that are taken."""

    too_full: tuple[Affected, ...] = ()
    """More of their seats are taken than they would have, or taken with nobody to serve them: nothing helps but to
    leave them as they are."""
    affected: tuple[Affected, ...] = ()
    """The operator says what becomes of those who have them."""
    overlaps: tuple[Overlap, ...] = ()
    """New slots that are in the way of taken ones, and would not be offered as long as these stay."""

    @property
    def slots(self) -> list[Slot]:
        """The taken ones that are concerned, by their start."""
        troubled = [one.taken.slot for one in (*self.too_full, *self.affected)]
        found = {*troubled, *(overlap.taken.slot for overlap in self.overlaps)}
        return sorted(found, key=lambda slot: (slot.starts_at, slot.id))

    @property
    def need_a_choice(self) -> bool:
        return bool(self.affected or self.overlaps)


def consequences_of(old: Schedule, new: Schedule, taken: Sequence[Taken], *, may_close_silently: bool) -> Consequences:
    """Silently what is closed, or not made by openings any more, stays: nothing changes for those who have it."""
    silent = (Trouble.NOT_OFFERED, Trouble.CLOSED) if may_close_silently else ()
    found = [one for one in affected(old, new, taken) if one.trouble not in silent]
    before = {overlap.slot for overlap in overlaps(old, taken)}
    unserved = [one for one in taken if _is_fixed(old, one) and not _is_fixed(new, one)]
    return Consequences(
        too_full=(*_too_full(old, new, taken), *(Affected(one, Trouble.UNSERVED, 0) for one in unserved)),
        affected=tuple(
            one
            for one in found
            if one.taken not in unserved and (one.trouble is not Trouble.TOO_FEW_SEATS or not _is_fixed(new, one.taken))
        ),
        overlaps=tuple(overlap for overlap in overlaps(new, taken) if overlap.slot not in before),
    )


def _too_full(old: Schedule, new: Schedule, taken: Sequence[Taken]) -> Iterator[Affected]:
    """Also of slots that are closed: whoever holds seats of one can book them, so they must be there."""
    for one in taken:
        before, after = old.find(one.slot), new.find(one.slot)
        if after is None or after.capacity >= one.seats or not _is_fixed(new, one):
            continue
        if before is None or before.capacity > after.capacity:
            yield Affected(one, Trouble.TOO_FEW_SEATS, after.capacity)


def _is_fixed(schedule: Schedule, one: Taken) -> bool:
    return schedule.services[one.slot.service].capacity_rule is CapacityRule.FIXED


def with_rules(new: Schedule, services: Sequence[str], staying: Iterable[Taken]) -> Schedule:
    """With rules that keep what is taken; and without those of slots that were kept for somebody who is not there."""
    taken = list(staying)
    slots = {one.slot for one in taken}
    rules, bare = {rule.slot: rule for rule in new.slot_rules}, replace(new, slot_rules=())
    for rule in new.slot_rules:
        if rule.is_kept and rule.slot.service in services and rule.slot not in slots:
            rules[rule.slot] = _not_kept(bare, rule)
    rules |= {rule.slot: rule for rule in kept_rules(replace(new, slot_rules=tuple(rules.values())), taken)}
    return replace(new, slot_rules=tuple(rule for rule in rules.values() if rule != SlotRule(rule.slot)))


def _not_kept(schedule: Schedule, rule: SlotRule) -> SlotRule:
    """What the operator has said of a slot that openings make stays. Of others, and by shift, its seats were those of
    whoever had it.
    """
    is_fixed = schedule.services[rule.slot.service].capacity_rule is CapacityRule.FIXED
    return replace(rule, is_kept=False, capacity=rule.capacity if is_fixed and schedule.makes(rule.slot) else None)


def staying(
    taken: Sequence[Taken], found: Consequences, cancelled: Iterable[BookedBy], choice: Chosen
) -> Iterator[Taken]:
    """What is taken once these are cancelled. Where nobody is left, those who only hold seats go as all others do."""
    given_back = Counter[Slot]()
    for booked in cancelled:
        given_back[booked.slot] += booked.seats
    concerned = {*(one.taken.slot for one in found.affected), *(overlap.taken.slot for overlap in found.overlaps)}
    for one in taken:
        left = replace(one, booked=one.booked - given_back[one.slot])
        held_goes = choice.all is Choice.CANCEL and one.slot in concerned and left.booked == 0
        if left.seats and not held_goes:
            yield left
