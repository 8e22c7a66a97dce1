"""The one way in which operators change what is offered, without harm to what is taken.

Every edit works out a new schedule from the present one, under a gate that is up already: so what it finds taken is all
that will be, until it is written. Nothing that is taken vanishes: it is kept by a rule of its own.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import Clock
from widget_server.domain import changes
from widget_server.domain.audit_log import Entry
from widget_server.domain.impact import (
    Choice,
    Chosen,
    Taken,
)
from widget_server.domain.schedule import CapacityRule, Schedule
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
from widget_server.use_cases.consequences import Consequences, consequences_of, staying, with_rules
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.scheduling import Scheduling, Write

_RULES_KEPT = timedelta(days=7)
_READ_AT_ONCE = 1_000

Make = Callable[[Schedule], Schedule]
"""What is wanted, from what there is. May refuse by raising, if there is not any more what somebody saw."""


Log = Callable[[datetime, Schedule, Schedule], Entry]
"""What the audit log is to say of an edit, once it is written: at this time, of this schedule, into this one."""


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


@dataclass(frozen=True, slots=True)
class _Wanted:
    make: Make
    log: Log
    choice: Chosen | None
    may_close_silently: bool


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
        may_close_silently: bool = True,
    ) -> Edited:
        """Write what `make` wants, unless it takes away what is taken, or there is a choice to make first.

        `services` are all that the edit may touch. If it `may_close_silently`, slots that it closes, or that openings
        do not make any more, stay for those who have them without a choice. With a choice, those affected stay as they
        are, are asked for another time, or are cancelled, together with the change: all of it happens or nothing. It is
        a choice only for the bookings that were shown. Where they are very many, it is decided, and left to a clearing.
        Raises what `make` raises, NotFound, Loading and Unavailable.
        """
        touched, last = sorted(set(services)), _Try()

        async def look(present: Site) -> Write:
            held = await self._inspection.held_on(present, touched, self._days())

            async def write(session: AsyncSession) -> None:
                wanted = _Wanted(make, log, choice, may_close_silently)
                last.edited = await self._write(session, present, wanted, touched, held)

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
                kept = with_rules(moved, touched, taken)
                await put_difference(session, present.id, moved, kept, at=self._clock.now())

            return write_and_keep

        return await self._scheduling.change_after(site, look)

    async def let_go_of_kept(self, site: Site) -> bool:
        """Offer again what slots stood in the way of that were kept for somebody who is not there any more.

        False where there are none: then nothing changes. Raises NotFound, Loading and Unavailable.
        """
        rules, now = (await self._schedules.load(site.id)).slot_rules, self._clock.now()
        kept = {rule.slot for rule in rules if rule.is_kept and rule.slot.starts_at > now}
        taken = await self.taken(site, {slot.service for slot in kept})
        if kept <= taken.keys():
            return False

        async def nothing_else(_: AsyncSession) -> None:
            pass

        await self.move_openings(site, nothing_else)
        return True

    async def taken(self, site: Site, services: Iterable[str]) -> dict[Slot, Taken]:
        """All slots of these services that are taken just now, by their start."""
        touched = sorted(set(services))
        held = await self._inspection.held_on(site, touched, self._days())
        async with self._schedules.snapshot() as session:
            return {one.slot: one for one in await self._taken(session, site, touched, held)}

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
        wanted: "_Wanted",
        touched: Sequence[str],
        held: dict[Slot, int],
    ) -> Edited:
        _, old = await read_schedule(session, site.id)
        new, choice = wanted.make(old), wanted.choice
        entry = wanted.log(self._clock.now(), old, new)
        made = await read_made(session, entry)
        if made is not None:
            return Edited(True, Consequences(), old, made=made)
        taken = await self._taken(session, site, touched, held)
        found = consequences_of(old, new, taken, may_close_silently=wanted.may_close_silently)
        leaving = await read_leaving(session, site.id)
        bookings = tuple(
            booked for booked in await _bookings_of(session, site, found.slots) if booked.booking_id not in leaving
        )
        have_changed = choice is not None and _is_for_others(choice, bookings)
        if found.too_full or (found.need_a_choice and choice is None) or have_changed:
            return Edited(False, found, old, bookings, have_changed=have_changed)
        chosen = choice or Chosen(Choice.KEEP)
        cancelled, asked = (
            tuple(booked for booked in bookings if chosen.of(booked.booking_id) is each)
            for each in (Choice.CANCEL, Choice.MOVE)
        )
        new = with_rules(new, touched, staying(taken, found, cancelled, chosen))
        now = self._clock.now()
        await put_difference(session, site.id, old, new, at=now)
        await prune_slot_rules(session, site.id, now - _RULES_KEPT)
        told = changes.of_choice(chosen, (booked.booking_id for booked in bookings)) if found.need_a_choice else {}
        entry = replace(entry, at=now, detail={**entry.detail, **told})
        put_entry(session, entry)
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


async def _bookings_of(session: AsyncSession, site: Site, slots: Sequence[Slot]) -> tuple[BookedBy, ...]:
    """By their start, as are the slots. In parts: a database takes only so many values at once."""
    parts = (slots[first : first + _READ_AT_ONCE] for first in range(0, len(slots), _READ_AT_ONCE))
    return tuple([booked for part in parts for booked in await read_booked_by(session, site.id, part)])


def fingerprint_of(bookings: Iterable[BookedBy]) -> str:
    """Of what a choice is about. Not of holds: they come and go, and nobody is told who has them."""
    return fingerprint([(booked.booking_id, booked.slot.id, booked.seats) for booked in bookings])


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
