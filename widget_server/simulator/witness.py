"""The only place that watches every script: what it touched, just before and just after."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from math import inf

from widget_server.clock import from_ms, to_ms
from widget_server.domain.events import SeatsMoved
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX, HOLDS_PER_VISITOR_MAX
from widget_server.domain.slots import UNTOUCHED, Seats
from widget_server.engine import kept, keys
from widget_server.engine.feed import _understood
from widget_server.engine.scripts import load
from widget_server.engine.wire import Reply, pack
from widget_server.simulator.books import Books
from widget_server.simulator.diaries import (
    GIVES,
    DiaryKey,
    DiaryThen,
    check_moved,
    check_told,
    diary_key,
    diary_then,
    served_more,
)
from widget_server.simulator.invariants import Broken, Invariant, must

_HOLD_FIELDS = ("state", "fence", "deadline", "limit", "window")
_SAY_NOW = ("HELD", "PAYING", "RENEWED", "CHANGED", "PINNED")
"""These answers end with the instant, where they say more than the word."""
_ENDED = ("released", "confirmed")
_BOOKED, _GIVING_BACK = ("confirming", "confirmed"), ("voiding", "voided")
"""Outcomes. While one is confirming, its money is on its way; where it is voided, nothing comes of any pin."""
KEYS_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class HoldKey:
    site: str
    id: str
    key: str


@dataclass(frozen=True, slots=True)
class SlotKey:
    site: str
    id: str
    key: str
    day_key: str
    prefix: str
    field: str


@dataclass(frozen=True, slots=True)
class HoldThen:
    state: str | None
    fence: int
    deadline_ms: int
    latest_ms: int
    """Its limit, and one payment window where it was ever pinned."""


@dataclass(frozen=True, slots=True)
class SlotThen:
    seats: Seats
    lines: dict[str, float]
    """Hold and seats of each line, as "<hold>:<seats>", and its deadline in ms; infinite where pinned."""
    booked_version: int

    def held(self) -> int:
        return sum(seats_of(line) for line in self.lines)

    def has_given(self, then: "SlotThen") -> bool:
        """Whether anybody has more seats than then. Whoever keeps some of theirs was not given any."""
        before = {hold_of(line): seats_of(line) for line in then.lines}
        return any(seats_of(line) > before.get(hold_of(line), 0) for line in self.lines)

    def frees_at(self) -> datetime | None:
        deadlines = [score for score in self.lines.values() if score != inf]
        return from_ms(int(min(deadlines))) if deadlines else None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a script touched, as it stood at one moment."""

    holds: dict[HoldKey, HoldThen]
    slots: dict[SlotKey, SlotThen]
    budgets: dict[str, int]
    """How many live holds count in each."""
    diaries: dict[DiaryKey, DiaryThen]
    epochs: dict[str, str | None]
    """Of the gate of each site."""


class Witness:
    def __init__(self, books: Books) -> None:
        self.broken: Broken | None = None
        """The first that was seen to break."""
        self.seen: list[str] = []
        """Script and answer of each run since somebody last looked."""
        self.checks = 0
        self.now_ms = 0
        """The partition's clock, as the last script saw it."""
        self.doubted: dict[str, int] = {}
        """Site -> its epoch when Redis went back in time: until a later one, what it counts is outdated."""
        self.schedules: dict[str, int] = {}
        """Site -> the newest version of its schedule that an operator was told to be in force."""
        self._books = books

    def doubts(self, site: str) -> bool:
        """Whether Redis has gone back in time since the site's epoch began."""
        return self._books.epoch(site) <= self.doubted.get(site, 0)

    def doubt_all(self) -> None:
        """Redis has gone back in time: until a site is in a later epoch, its counts are of the past."""
        self.doubted.update(self._books.epochs())

    def looks(self, script_keys: Sequence[str], now_ms: int) -> list[bytes]:
        """The commands that read what a script with these keys may touch."""
        looks = [pack("HMGET", hold.key, *_HOLD_FIELDS) for hold in _holds(script_keys)]
        for slot in _slots(script_keys):
            looks += [pack("HGET", slot.day_key, slot.field), pack("ZRANGE", slot.key, 0, -1, "WITHSCORES")]
        looks += [pack("ZCOUNT", key, f"({now_ms}", "+inf") for key in _budgets(script_keys)]
        looks += [pack("ZRANGE", diary.key, 0, -1, "WITHSCORES") for diary in _diaries(script_keys)]
        return looks + [pack("HGET", key, "epoch") for key in _gates(script_keys).values()]

    def see(
        self,
        script: str,
        script_keys: Sequence[str],
        args: Sequence[str],
        reply: Reply,
        before: Sequence[Reply],
        after: Sequence[Reply],
        told: Reply,
        now_ms: int,
    ) -> None:
        self.now_ms = now_ms
        answers = reply if script == "hold" and isinstance(reply, list) else [reply]
        self.seen.append(" ".join([script, *map(_code, answers)]))
        then = _moment(script_keys, before)
        now = then if after == before else _moment(script_keys, after)
        try:
            for answer in answers:
                said_ms = answer[-1] if _code(answer) in _SAY_NOW and len(answer) > 1 else now_ms
                must(said_ms == now_ms, Invariant.CLOCK, f"{script} says {said_ms}, it is {now_ms}")
            self._compare(script, args, then, now)
            if script != "restore" and _rebuilder(script, args) == "":
                _told(then, now, told)
        except Broken as broken:
            self.broken = self.broken or broken

    def _compare(self, script: str, args: Sequence[str], then: Moment, now: Moment) -> None:
        self.checks += 1
        for hold, hold_now in now.holds.items():
            if then.holds[hold] != hold_now:
                self._hold_moved(hold, then.holds[hold], hold_now)
        ours = {hold.id for hold in now.holds}
        for slot, slot_now in now.slots.items():
            if then.slots[slot] != slot_now:
                self._slot_moved(script, slot, then.slots[slot], slot_now, ours)
        self._compare_diaries(script, args, then, now)
        if any(now.slots[slot].has_given(then.slots[slot]) for slot in now.slots):
            self._schedule_is_in_force(script, args, next(iter(now.slots)).site)
            if script == "hold" and not any(self._books.is_being_paid(hold.site, hold.id) for hold in now.holds):
                for key, live in now.budgets.items():
                    must(live <= _most(key), Invariant.BUDGET, f"{key} has {live}")

    def _compare_diaries(self, script: str, args: Sequence[str], then: Moment, now: Moment) -> None:
        ours = {hold.id for hold in now.holds}
        for diary, diary_now in now.diaries.items():
            if then.diaries[diary] != diary_now:
                check_moved(script, args, diary, then.diaries[diary], diary_now, ours, self.now_ms)
                for slot_id, seats in served_more(then.diaries[diary], diary_now, self.now_ms).items():
                    self._can_serve(script, diary, slot_id, seats)

    def _can_serve(self, script: str, diary: DiaryKey, slot_id: str, seats: int) -> None:
        if script in GIVES and not self.doubts(diary.site):
            most = self._books.offer(diary.site, slot_id.partition(".")[0]).seats_each
            must(seats <= most, Invariant.ROOM, f"{diary} serves {seats} of {slot_id}, and can {most}")

    def _hold_moved(self, hold: HoldKey, then: HoldThen, now: HoldThen) -> None:
        what = f"{hold.site}/{hold.id} was {then}, is {now}, at {self.now_ms}"
        if then.state == "paying" and now.state != "paying":
            self._pin_ended(hold, then, now, what)
        if then.state in _ENDED:
            must(now.state == then.state, Invariant.ONCE, what)
        if then.state == "expired":
            must(now.state in ("expired", "paying"), Invariant.ONCE, what)
        if then.state == "held":
            must(now.state is not None, Invariant.DEADLINE, what)
            must(now.state != "expired" or then.deadline_ms <= self.now_ms, Invariant.DEADLINE, what)
            must(now.state != "held" or now.deadline_ms >= then.deadline_ms, Invariant.DEADLINE, what)
        if now.state == "held":
            must(now.deadline_ms <= now.latest_ms, Invariant.LIMIT, what)

    def _pin_ended(self, hold: HoldKey, then: HoldThen, now: HoldThen, what: str) -> None:
        decided = self._books.decided(hold.site, hold.id)
        must(now.state in ("held", "released", "confirmed"), Invariant.PIN, what)
        must(decided, Invariant.PIN, what)
        assert decided is not None
        if decided.state in _GIVING_BACK:  # of whatever pin
            return
        fits = decided.state in _BOOKED if now.state == "confirmed" else decided.state == "abandoned"
        must(fits and decided.fence >= then.fence, Invariant.PIN, f"{what}, {decided}")

    def _slot_moved(self, script: str, slot: SlotKey, then: SlotThen, now: SlotThen, ours: set[str]) -> None:
        if is_uncounted(slot.id, self.now_ms):
            return
        what = f"{slot.site}/{slot.id} was {then}, is {now}, at {self.now_ms}"
        must(now.held() == now.seats.held, Invariant.COUNT, what)
        must(now.frees_at() == now.seats.frees_at, Invariant.FREES, what)
        must(now.seats.version > then.seats.version or now.seats == then.seats, Invariant.RISING, what)
        must(now.booked_version >= then.booked_version or script == "restore", Invariant.RISING, what)
        for line in then.lines.keys() - now.lines.keys():
            if hold_of(line) not in ours:
                must(then.lines[line] <= self.now_ms, Invariant.DEADLINE, f"{line} of {what}")
        if now.has_given(then):
            self._has_room(slot, now, what)

    def _has_room(self, slot: SlotKey, now: SlotThen, what: str) -> None:
        """Redis counts what it knows; beyond that, what SQL has booked and Redis may not have heard of counts, too.

        One that has gone back in time may know an older schedule as well: until the next epoch only SQL knows what is
        too much.
        """
        if self.doubts(slot.site):
            return
        capacity = self._books.offer(slot.site, slot.id.partition(".")[0]).capacity
        must(now.seats.taken <= capacity, Invariant.ROOM, f"of {capacity}: {what}")
        booked = self._books.booked(slot.site, slot.id)
        held = sum(seats_of(line) for line in now.lines if not self._is_booked(slot.site, line))
        must(booked + held <= capacity, Invariant.ROOM, f"of {capacity}, SQL has booked {booked}: {what}")

    def _is_booked(self, site: str, line: str) -> bool:
        decided = self._books.decided(site, hold_of(line))
        return decided is not None and decided.state in _BOOKED

    def _schedule_is_in_force(self, script: str, args: Sequence[str], site: str) -> None:
        at = _argument(script, "schedule")
        if at is not None and not self.doubts(site):
            given, in_force = int(args[at]), self.schedules.get(site, 0)
            must(given >= in_force, Invariant.SCHEDULE, f"{site}: {script} on {given}, {in_force} is in force")


def _told(then: Moment, now: Moment, told: Reply) -> None:
    """The last word of the feed on each slot that moved is what the slot counts, in the epoch of its site."""
    updates = [update for update in map(_understood, told) if update is not None]
    for update in updates:
        must(str(update.epoch) == now.epochs[update.site_key], Invariant.EPOCH, f"{update}, {now.epochs}")
    claims = [move for update in updates if isinstance(update, SeatsMoved) for move in update.claims]
    for diary, diary_now in now.diaries.items():
        if then.diaries[diary] != diary_now:
            check_told(diary, then.diaries[diary], diary_now, claims)
    moved = {slot: now.slots[slot].seats for slot in now.slots if then.slots[slot].seats != now.slots[slot].seats}
    if not moved:
        return
    moves = [update for update in updates if isinstance(update, SeatsMoved)]
    last = {(update.site_key, slot_id): seats for update in moves for slot_id, seats in update.seats}
    for slot, seats in moved.items():
        heard = last.get((slot.site, slot.id))
        must(heard == seats, Invariant.TOLD, f"{slot.site}/{slot.id} is {seats}, the feed says {heard}")


def _moment(script_keys: Sequence[str], replies: Sequence[Reply]) -> Moment:
    answers = iter(replies)
    holds = {hold: _hold_then(next(answers)) for hold in _holds(script_keys)}
    slots = {slot: _slot_then(slot, answers) for slot in _slots(script_keys)}
    budgets = {key: next(answers) for key in _budgets(script_keys)}
    of_diaries = {diary: diary_then(next(answers)) for diary in _diaries(script_keys)}
    return Moment(holds, slots, budgets, of_diaries, {site: next(answers) for site in _gates(script_keys)})


def _hold_then(fields: Reply) -> HoldThen:
    state, fence, deadline, limit, window = fields
    return HoldThen(state, int(fence or 0), int(deadline or 0), int(limit or 0) + int(window or 0))


def _slot_then(slot: SlotKey, answers: Iterator[Reply]) -> SlotThen:
    figures, lines = next(answers), next(answers)
    ((_, seats),) = kept.seats_of_day(slot.prefix, (slot.field, figures)) if figures else ((slot.id, UNTOUCHED),)
    deadlines = {line: float(score) for line, score in zip(lines[::2], lines[1::2], strict=True)}
    return SlotThen(seats, deadlines, int(figures.split(":")[3]) if figures else 0)


def _holds(script_keys: Iterable[str]) -> list[HoldKey]:
    return [found for key in script_keys if (found := hold_key(key)) is not None]


def _slots(script_keys: Iterable[str]) -> list[SlotKey]:
    return [found for key in script_keys if (found := slot_key(key)) is not None]


def is_uncounted(slot_id: str, now_ms: int) -> bool:
    """Whether the count of its day has gone by then; lines of whoever is still paying may be there."""
    return _counted_until_ms(slot_id.partition(".")[2][:8]) <= now_ms


@lru_cache(KEYS_KEPT)
def _counted_until_ms(day: str) -> int:
    return to_ms(kept.counted_until(date.fromisoformat(day)))


def _budgets(script_keys: Iterable[str]) -> list[str]:
    return [key for key in script_keys if ":visitor:" in key or ":network:" in key]


def _diaries(script_keys: Iterable[str]) -> list[DiaryKey]:
    """Each once: one that is both of a claim and of a candidate is named twice."""
    return list(dict.fromkeys(found for key in script_keys if (found := diary_key(key)) is not None))


def _gates(script_keys: Iterable[str]) -> dict[str, str]:
    """By site."""
    return {key.split(":")[1]: key for key in script_keys if key.endswith(":gate")}


def _most(budget: str) -> int:
    return HOLDS_PER_VISITOR_MAX if ":visitor:" in budget else HOLDS_PER_NETWORK_MAX


@cache
def _argument(script: str, name: str) -> int | None:
    """Where the header of a script has this argument, counted from 0."""
    found = re.search(rf"ARGV\[(\d+)\]\s+{name}\s", load(script).text)
    return int(found[1]) - 1 if found else None


@lru_cache(KEYS_KEPT)
def hold_key(key: str) -> HoldKey | None:
    of_site, found, hold_id = key.partition(":hold:")
    return HoldKey(of_site.partition(":")[2], hold_id, key) if found else None


@lru_cache(KEYS_KEPT)
def slot_key(key: str) -> SlotKey | None:
    of_site, found, slot_id = key.partition(":slot:")
    if not found:
        return None
    partition, _, site = of_site.partition(":")
    day_key, _ = keys.of_site(partition.strip("{}"), site).seats(slot_id)
    start, _, field = slot_id.partition("T")
    return SlotKey(site, slot_id, key, day_key, f"{start}T", field)


def _rebuilder(script: str, args: Sequence[str]) -> str:
    """Whose filling a script is part of: the feed hears of it as a whole."""
    at = _argument(script, "rebuilder")
    return "" if at is None else args[at]


def hold_of(line: str) -> str:
    return line.rpartition(":")[0]


def seats_of(line: str) -> int:
    return int(line.rpartition(":")[2])


def _code(reply: Reply) -> str:
    """The word of an answer; other figures are instants and would only make it longer."""
    if isinstance(reply, Exception):
        return str(reply).split(" ", 1)[0]
    return str(reply[0]) if reply and isinstance(reply[0], str) else f"ended {reply[1]}"
