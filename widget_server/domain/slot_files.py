"""The only place that says what a file of slots would change: which are new, there already, over, or in the way."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property

from widget_server.domain.openings import Opening, SlotRule
from widget_server.domain.schedule import Bar, Schedule
from widget_server.domain.services import CapacityRule
from widget_server.domain.slots import YEAR_MAX, YEAR_MIN, Slot
from widget_server.domain.timetable import days_near
from widget_server.domain.wall_times import first_instant, last_instant, span

BYTES_MAX = 1_000_000
ROWS_MAX = 5_000
_BARS = {
    Bar.BLACKOUT: "In a blackout: not offered while that stands.",
    Bar.NO_SHIFTS: "Nobody is on shift then: not offered until somebody is.",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A slot that a file asks for, on the clocks of the site; `ends` at or before `starts` is on the next day."""

    line: int
    day: date
    starts: time
    ends: time
    capacity: int | None = None
    """None: as many seats as all slots of the service have."""
    name: str = ""
    """What a calendar file calls it."""
    exactly: tuple[datetime, datetime] | None = None
    """Its instants, where the file has it on other clocks than those of the site."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of a line."""

    line: int
    why: str
    name: str = ""

    @property
    def where(self) -> str:
        return f"Line {self.line}, {self.name}" if self.name else f"Line {self.line}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands in a file, before anybody compares it with a schedule."""

    wishes: tuple[Wish, ...] = ()
    problems: tuple[Remark, ...] = ()
    notes: tuple[str, ...] = ()
    """About the file as a whole."""


@dataclass(frozen=True, slots=True)
class NewSlot:
    wish: Wish
    slot: Slot
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a file comes to. Only what is new would be saved; all else is left out, and told."""

    new: tuple[NewSlot, ...] = ()
    there: tuple[Remark, ...] = ()
    over: tuple[Remark, ...] = ()
    problems: tuple[Remark, ...] = ()
    notes: tuple[str, ...] = ()
    rules: tuple[SlotRule, ...] = ()
    """For the seats of single slots, and so that a slot that was closed once is open now."""

    @cached_property
    def openings(self) -> list[Opening]:
        return [_opening(one.slot.service, one.wish) for one in self.new]

    @property
    def seats(self) -> list[tuple[str, int | None]]:
        """All that would be saved, to compare with what was previewed."""
        return [(one.slot.id, one.wish.capacity) for one in self.new]

    @property
    def noted(self) -> list[NewSlot]:
        return [one for one in self.new if one.notes]

    @property
    def by_day(self) -> list[tuple[date, list[NewSlot]]]:
        days: dict[date, list[NewSlot]] = {}
        for one in sorted(self.new, key=lambda one: one.slot):
            days.setdefault(one.wish.day, []).append(one)
        return sorted(days.items())


def plan_of(schedule: Schedule, service: str, reading: Reading, now: datetime) -> Plan:
    """Nothing that is there already changes, whatever a file says; of two that overlap the first line counts."""
    sorting = _Sorting(schedule, service, now)
    for wish in reading.wishes:
        sorting.put(wish)
    new = _with_bars(schedule, service, sorting)
    return Plan(
        new=tuple(new),
        there=tuple(sorting.there),
        over=tuple(sorting.over),
        problems=tuple(sorted((*reading.problems, *sorting.problems), key=lambda remark: remark.line)),
        notes=(*reading.notes, *_notes(schedule, service, new)),
        rules=tuple(_rule(schedule, one) for one in new),
    )


@dataclass
class _Sorting:
    schedule: Schedule
    service: str
    at: datetime
    new: list[NewSlot] = field(default_factory=list)
    there: list[Remark] = field(default_factory=list)
    over: list[Remark] = field(default_factory=list)
    problems: list[Remark] = field(default_factory=list)
    _accepted: list[tuple[datetime, datetime, int]] = field(default_factory=list)
    """From when to when, and in which line; none overlaps another one."""
    _made: dict[date, list[Slot]] = field(default_factory=dict)

    def put(self, wish: Wish) -> None:
        starts_at, ends_at = span(wish.day, wish.starts, wish.ends, self.schedule.zone)
        if (why := self._why_not(wish, starts_at, ends_at)) is not None:
            self.problems.append(_remark(wish, why))
        elif starts_at <= self.at:
            self.over.append(_remark(wish, "is over, or has begun."))
        else:
            self._place(wish, Slot(self.service, starts_at, ends_at))

    def _why_not(self, wish: Wish, starts_at: datetime, ends_at: datetime) -> str | None:
        if wish.starts == wish.ends:
            return "starts and ends at the same time."
        if starts_at >= ends_at:
            return "falls into the time that clocks skip when they go forward."
        if wish.exactly is not None and wish.exactly != (starts_at, ends_at):
            return "cannot be told apart on your clocks, which change that night: type it in the calendar."
        if starts_at.year < YEAR_MIN or ends_at.year > YEAR_MAX:
            return f"is not in the years {YEAR_MIN} to {YEAR_MAX}."
        return None

    def _place(self, wish: Wish, slot: Slot) -> None:
        if self._bare.makes(slot):
            self.there.append(_remark(wish, self._said_there(wish, slot)))
        elif (other := self._in_the_way(slot)) is not None:
            self.problems.append(_remark(wish, f"overlaps {self._said(other)}, which is in the calendar."))
        elif (first := self._accepted_across(slot)) is None:
            insort(self._accepted, (slot.starts_at, slot.ends_at, wish.line))
            self.new.append(NewSlot(wish, slot, tuple(self._remarks(wish, slot))))
        elif first[:2] == (slot.starts_at, slot.ends_at):
            self.there.append(_remark(wish, f"is the same as line {first[2]}."))
        else:
            self.problems.append(_remark(wish, f"overlaps line {first[2]}."))

    def _said_there(self, wish: Wish, slot: Slot) -> str:
        there = self.schedule.find(slot)
        of_other_seats = there is not None and wish.capacity not in (None, there.capacity)
        if there is None or not of_other_seats or self._is_by_shift:
            return "is there already."
        return f"is there already, with {there.capacity} seats: it keeps them."

    def _in_the_way(self, slot: Slot) -> Slot | None:
        """What openings make across it."""
        return next(self._across(slot, self._made_on), None)

    def _across(self, slot: Slot, slots_on: Callable[[date], Iterable[Slot]]) -> Iterator[Slot]:
        near = (other for day in days_near(self.schedule.day_of(slot.starts_at)) for other in slots_on(day))
        return (one for one in near if one.starts_at < slot.ends_at and slot.starts_at < one.ends_at)

    def _made_on(self, day: date) -> list[Slot]:
        if day not in self._made:
            self._made[day] = [cut.slot for cut in self._bare.cut_on(self.service, day)]
        return self._made[day]

    def _kept_on(self, day: date) -> list[Slot]:
        return self._kept.get(day, [])

    @cached_property
    def _bare(self) -> Schedule:
        """Without what is kept for somebody: what becomes of them is chosen, as in the calendar."""
        return _without_rules(self.schedule)

    @cached_property
    def _kept(self) -> dict[date, list[Slot]]:
        kept: dict[date, list[Slot]] = {}
        for rule in self.schedule.slot_rules:
            if rule.is_kept and rule.slot.service == self.service:
                kept.setdefault(self.schedule.day_of(rule.slot.starts_at), []).append(rule.slot)
        return kept

    def _accepted_across(self, slot: Slot) -> tuple[datetime, datetime, int] | None:
        """Only the last one that begins before its end can lie across it."""
        before = bisect_left(self._accepted, slot.ends_at, key=lambda one: one[0])
        last = self._accepted[before - 1] if before else None
        return last if last is not None and last[1] > slot.starts_at else None

    def _remarks(self, wish: Wish, slot: Slot) -> Iterator[str]:
        yield from _of_clocks(wish, slot, self.schedule)
        horizon = timedelta(days=self.schedule.services[self.service].horizon_days)
        if wish.day > self.schedule.day_of(self.at) + horizon:
            yield f"Beyond the horizon: it can be booked from {said_day(wish.day - horizon)} on."
        for kept in self._across(slot, self._kept_on):
            if kept != slot:
                yield f"Lies across {self._said(kept)}, which somebody has: you choose what becomes of them."

    @property
    def _is_by_shift(self) -> bool:
        return self.schedule.services[self.service].capacity_rule is CapacityRule.BY_SHIFT

    def _said(self, slot: Slot) -> str:
        starts, ends = (at.astimezone(self.schedule.zone) for at in (slot.starts_at, slot.ends_at))
        return f"{said_day(starts.date())}, {starts:%H:%M}\u2013{ends:%H:%M}"


def said_day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def said_wish(wish: Wish) -> str:
    return f"{said_day(wish.day)}, {wish.starts:%H:%M}\u2013{wish.ends:%H:%M}"


def _remark(wish: Wish, why: str) -> Remark:
    return Remark(wish.line, f"{said_wish(wish)} {why}", wish.name)


def _of_clocks(wish: Wish, slot: Slot, schedule: Schedule) -> Iterator[str]:
    """What a night on which clocks change makes of what was written."""
    end_day = wish.day if wish.ends > wish.starts else wish.day + timedelta(days=1)
    for day, wall, at, verb in (
        (wish.day, wish.starts, slot.starts_at, "starts"),
        (end_day, wish.ends, slot.ends_at, "ends"),
    ):
        shown = at.astimezone(schedule.zone)
        if (shown.date(), shown.time()) != (day, wall):
            yield f"Clocks skip {wall:%H:%M} that night: it {verb} at {shown:%H:%M}."
        elif first_instant(day, wall, schedule.zone) != last_instant(day, wall, schedule.zone):
            which = "first" if verb == "starts" else "second"
            yield f"{wall:%H:%M} comes twice that night: it {verb} the {which} time."


def _with_bars(schedule: Schedule, service: str, sorting: _Sorting) -> list[NewSlot]:
    """With what keeps them from being offered; without those that openings would not make beside all others."""
    openings = (_opening(service, one.wish) for one in sorting.new)
    after, found = _without_rules(replace(schedule, openings=(*schedule.openings, *openings))), []
    for one in sorting.new:
        if not after.makes(one.slot):
            sorting.problems.append(_remark(one.wish, "is in the way of a time in the calendar that overlaps others."))
            continue
        bar = _BARS.get(after.look_at(one.slot).bar or Bar.WITHDRAWN)
        found.append(replace(one, notes=(*one.notes, bar)) if bar else one)
    return found


def _without_rules(schedule: Schedule) -> Schedule:
    return replace(schedule, slot_rules=())


def _notes(schedule: Schedule, service: str, new: Iterable[NewSlot]) -> Iterator[str]:
    of_service = schedule.services[service]
    if not of_service.is_offered:
        yield "The service is switched off: nothing can be booked until it is on again."
    if of_service.capacity_rule is CapacityRule.BY_SHIFT and any(one.wish.capacity for one in new):
        yield "Seats come by who is on shift: those in the file are not used."


def _opening(service: str, wish: Wish) -> Opening:
    return Opening(service, wish.starts, wish.ends, day=wish.day, whole=True)


def _rule(schedule: Schedule, one: NewSlot) -> SlotRule:
    """Seats that somebody has of a slot that was kept for them are still there."""
    service, present = schedule.services[one.slot.service], schedule.rule_of(one.slot)
    wanted = None if service.capacity_rule is CapacityRule.BY_SHIFT else one.wish.capacity
    if wanted is None and present.is_kept:
        return replace(present, is_closed=False)
    return SlotRule(one.slot, capacity=None if wanted == service.capacity else wanted, is_kept=present.is_kept)
