"""The one way in which operators change what is offered, without harm to what is taken.

Every edit works out a new schedule from the present one, under a gate that is up already: so what it finds taken is all
that will be, until it is written. Nothing that is taken vanishes: it is kept by a rule of its own.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import Clock
from widget_server.domain.audit_log import Entry
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
from widget_server.domain.services import HORIZON_DAYS_MAX
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.inspection import Inspection
from widget_server.errors import Unavailable
from widget_server.store.audit_log import put_entry, read_made
from widget_server.store.bookings import Bookings
from widget_server.store.clearings import decide, read_leaving
from widget_server.store.edits import put_difference
from widget_server.store.impact import BookedBy, read_booked, read_booked_by, read_serving
from widget_server.store.schedule import Schedules, read_schedule
from widget_server.store.slot_rules import prune_slot_rules
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.scheduling import Scheduling, Write

_RULES_KEPT = timedelta(days=7)
_READ_AT_ONCE = 1_000

Make = Callable[[Schedule], Schedule]
"""What is wanted, from what there is. May refuse by raising, if there is not any more what somebody saw."""


Log = Callable[[datetime], Entry]
"""What the audit log is to say of an edit, once it is written."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What an edit does to slots that are taken."""

    too_full: tuple[Affected, ...] = ()
    """More of their seats are taken than they would have, or taken with nobody to serve them: nothing helps but to
    leave them as they are."""
    affected: tuple[Affected, ...] = ()
    """The operator says what becomes of those who have them."""
    overlaps: tuple[Overlap, ...] = ()
    """New slots that are in the way of these, and would not be offered."""

    @property
    def slots(self) -> list[Slot]:
        return sorted({one.taken.slot for one in (*self.too_full, *self.affected)}, key=lambda slot: slot.starts_at)

    @property
    def need_a_choice(self) -> bool:
        return bool(self.affected or self.overlaps)


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of an edit."""

    is_saved: bool
    consequences: Consequences
    schedule: Schedule
    """As it is by now: with the edit, or unchanged."""
    bookings: tuple[BookedBy, ...] = ()
    """Those of the slots concerned, where nothing is saved yet: whoever chooses, chooses for these."""
    cancelled: tuple[BookedBy, ...] = ()
    asked: tuple[BookedBy, ...] = ()
    """Their customers are asked for another time."""
    clearing_id: int | None = None
    """Where these are many: it is decided, and happens to some at a time from now on."""
    made: str | None = None
    """What the very same form has added before."""
    have_changed: bool = False
    """Somebody chose to cancel or move others than these."""


@dataclass
class _Try:
    """The last try of several, as somebody else may be faster."""

    edited: Edited | None = field(default=None)


class Edits:
    def __init__(
        self,
        *,
        scheduling: Scheduling,
        schedules: Schedules,
        inspection: Inspection,
        store: Bookings,
        reconciliation: Reconciliation,
        clock: Clock,
    ) -> None:
        self._store = store
        self._reconciliation = reconciliation
        self._scheduling = scheduling
        self._schedules = schedules
        self._inspection = inspection
        self._clock = clock

    async def save(
        self,
        site: Site,
        make: Make,
        *,
        log: Log,
        services: Iterable[str],
        choice: Chosen | None = None,
    ) -> Edited:
        """Write what `make` wants, unless it takes away what is taken, or there is a choice to make first.

        `services` are all that the edit may touch. With a choice, those affected stay as they are, are asked for
        another time, or are cancelled, together with the change: all of it happens or nothing. It is a choice only for
        the bookings that were shown. Raises what `make` raises, NotFound, Loading and Unavailable.
        """
        touched, last = sorted(set(services)), _Try()

        async def look(present: Site) -> Write:
            held = await self._inspection.held_on(present, touched, self._days())

            async def write(session: AsyncSession) -> None:
                last.edited = await self._write(session, present, make, log, touched, held, choice)

            return write

        await self._scheduling.change_after(site, look)
        assert last.edited is not None, "what was written was looked at before"
        if last.edited.cancelled and last.edited.clearing_id is None:
            await self._tell_freed(site, sorted({booked.slot for booked in last.edited.cancelled}, key=lambda s: s.id))
        return last.edited

    async def move_openings(self, site: Site, write: Write) -> int:
        """Write what moves openings without changing them, as another zone does; return the version.

        What is taken stays at its instant. Raises what `write` raises, NotFound, Loading and Unavailable.
        """

        async def look(present: Site) -> Write:
            touched = sorted((await self._schedules.load(present.id)).services)
            held = await self._inspection.held_on(present, touched, self._days())

            async def write_and_keep(session: AsyncSession) -> None:
                await write(session)
                _, moved = await read_schedule(session, present.id)
                taken = await self._taken(session, present, touched, held)
                kept = _with_rules(moved, touched, taken)
                await put_difference(session, present.id, moved, kept, at=self._clock.now())

            return write_and_keep

        return await self._scheduling.change_after(site, look)

    async def taken(self, site: Site, services: Iterable[str]) -> dict[Slot, Taken]:
        """All slots of these services that are taken just now, by their start."""
        touched = sorted(set(services))
        held = await self._inspection.held_on(site, touched, self._days())
        async with self._schedules.snapshot() as session:
            return {one.slot: one for one in await self._taken(session, site, touched, held)}

    async def booked_by(self, site: Site, slots: Sequence[Slot]) -> list[BookedBy]:
        """Who has booked these slots, by their start."""
        async with self._schedules.snapshot() as session:
            return list(await _bookings_of(session, site, slots))

    async def _tell_freed(self, site: Site, slots: Sequence[Slot]) -> None:
        """So that others can have the seats at once. Where this fails, the worker tells, by the outbox."""
        with suppress(Unavailable):
            for first in range(0, len(slots), _READ_AT_ONCE):
                freed = await self._store.booked_in(site.id, slots[first : first + _READ_AT_ONCE])
                await self._reconciliation.tell_freed(site, freed)

    async def _write(
        self,
        session: AsyncSession,
        site: Site,
        make: Make,
        log: Log,
        touched: Sequence[str],
        held: dict[Slot, int],
        choice: Chosen | None,
    ) -> Edited:
        _, old = await read_schedule(session, site.id)
        new = make(old)
        made = await read_made(session, log(self._clock.now()))
        if made is not None:
            return Edited(True, Consequences(), old, made=made)
        taken = await self._taken(session, site, touched, held)
        found = _consequences(old, new, taken)
        leaving = await read_leaving(session, site.id)
        bookings = tuple(
            booked for booked in await _bookings_of(session, site, found.slots) if booked.booking_id not in leaving
        )
        have_changed = choice is not None and _is_for_others(choice, bookings)
        if found.too_full or (found.need_a_choice and choice is None) or have_changed:
            return Edited(False, found, old, bookings, have_changed=have_changed)
        chosen = choice or Chosen(Choice.KEEP)
        cancelled, asked = (
            tuple(booked for booked in bookings if chosen.of(booked.booking_id) is wanted)
            for wanted in (Choice.CANCEL, Choice.MOVE)
        )
        new = _with_rules(new, touched, _staying(taken, found, cancelled, chosen))
        now = self._clock.now()
        await put_difference(session, site.id, old, new, at=now)
        await prune_slot_rules(session, site.id, now - _RULES_KEPT)
        put_entry(session, entry := log(now))
        entry = replace(entry, form_key=None)  # the form adds one thing, whatever else is said of it
        decided = {Choice.CANCEL: cancelled, Choice.MOVE: asked}
        clearing_id = await decide(session, entry, decided, chosen.message)
        return Edited(True, found, new, cancelled=cancelled, asked=asked, clearing_id=clearing_id)

    async def _taken(
        self, session: AsyncSession, site: Site, services: Sequence[str], held: dict[Slot, int]
    ) -> list[Taken]:
        booked = Counter(await read_booked(session, site.id, services, from_at=self._clock.now()))
        for slot, seats in (await read_leaving(session, site.id)).values():
            booked[slot] -= seats
        booked = +booked
        begun = [slot for slot in held if slot.starts_at <= self._clock.now()]
        slots = sorted({*booked, *held}.difference(begun), key=lambda slot: (slot.starts_at, slot.id))
        serving = await read_serving(session, site.id, from_at=self._clock.now())
        return [Taken(slot, booked.get(slot, 0), held.get(slot, 0), serving.get(slot, frozenset())) for slot in slots]

    def _days(self) -> list[date]:
        """All UTC days of which seats can be held: the farthest a service may be booked ahead, and what zones add."""
        today: datetime = self._clock.now()
        return [(today + timedelta(days=n)).date() for n in range(HORIZON_DAYS_MAX + 2)]


def by_shift(schedule: Schedule) -> set[str]:
    """The services of which a change of shifts or staff may touch slots."""
    return {key for key, service in schedule.services.items() if service.capacity_rule is CapacityRule.BY_SHIFT}


def _is_for_others(choice: Chosen, bookings: Sequence[BookedBy]) -> bool:
    """Nothing happens to a booking that was not shown. Whoever is kept need not have been."""
    if choice.keeps_everybody or not (bookings or choice.bookings_seen):
        return False
    return choice.bookings_seen != fingerprint_of(bookings)


def _staying(
    taken: Sequence[Taken], found: Consequences, cancelled: Sequence[BookedBy], choice: Chosen
) -> Iterator[Taken]:
    """What is taken once these are cancelled. Where nobody is left, those who only hold seats go as all others do."""
    given_back = Counter[Slot]()
    for booked in cancelled:
        given_back[booked.slot] += booked.seats
    concerned = {one.taken.slot for one in found.affected}
    for one in taken:
        left = replace(one, booked=one.booked - given_back[one.slot])
        held_goes = choice.all is Choice.CANCEL and one.slot in concerned and left.booked == 0
        if left.seats and not held_goes:
            yield left


async def _bookings_of(session: AsyncSession, site: Site, slots: Sequence[Slot]) -> tuple[BookedBy, ...]:
    """By their start, as are the slots. In parts: a database takes only so many values at once."""
    parts = (slots[first : first + _READ_AT_ONCE] for first in range(0, len(slots), _READ_AT_ONCE))
    return tuple([booked for part in parts for booked in await read_booked_by(session, site.id, part)])


def fingerprint_of(bookings: Iterable[BookedBy]) -> str:
    """Of what a choice is about. Not of holds: they come and go, and nobody is told who has them."""
    return fingerprint([(booked.booking_id, booked.slot.id, booked.seats) for booked in bookings])


def _consequences(old: Schedule, new: Schedule, taken: Sequence[Taken]) -> Consequences:
    """What is closed, or not made by openings any more, stays by itself: nothing changes for those who have it."""
    silent = (Trouble.NOT_OFFERED, Trouble.CLOSED)
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


def _with_rules(new: Schedule, services: Sequence[str], staying: Iterable[Taken]) -> Schedule:
    """With rules that keep what is taken; and without those of slots that were kept for somebody who is not there."""
    taken = list(staying)
    slots = {one.slot for one in taken}
    rules = {rule.slot: rule for rule in new.slot_rules}
    for rule in new.slot_rules:
        if rule.is_kept and rule.slot.service in services and rule.slot not in slots:
            rules[rule.slot] = _not_kept(new, rule)
    rules |= {rule.slot: rule for rule in kept_rules(replace(new, slot_rules=tuple(rules.values())), taken)}
    return replace(new, slot_rules=tuple(rule for rule in rules.values() if rule != SlotRule(rule.slot)))


def _not_kept(schedule: Schedule, rule: SlotRule) -> SlotRule:
    """What the operator has said of this slot stays; by shift they say no seats: those were only of who had them."""
    is_by_shift = schedule.services[rule.slot.service].capacity_rule is CapacityRule.BY_SHIFT
    return replace(rule, is_kept=False, capacity=None if is_by_shift else rule.capacity)


def key_of_form(form_id: str, *typed: object) -> str | None:
    """The same for a form that is sent twice, and another one where something else was typed; none without an id."""
    return fingerprint(form_id, *typed) if form_id else None


def fingerprint(*shown: object) -> str:
    """The same for the same values: tells whether somebody else saved others while a form was open."""
    return hashlib.sha256(repr([_spelled(each) for each in shown]).encode()).hexdigest()[:16]


def _spelled(value: object) -> object:
    """In one order always, and without the ids that rows get anew whenever they are written."""
    if is_dataclass(value) and not isinstance(value, type):
        return [(f.name, _spelled(getattr(value, f.name))) for f in fields(value) if f.name != "id"]
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    return [_spelled(each) for each in value] if isinstance(value, tuple | list) else value
