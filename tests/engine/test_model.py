"""The engine against a small model: whatever a few visitors of two sites do in whatever order, both say the same."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypedDict

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tests.engine.box import Box, Recorded, site
from tests.engine.box import slot as slot_of
from tests.engine.servers import Valkey
from widget_server.clock import to_ms
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.events import SeatsMoved, SiteReset
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.orders import Claimed
from widget_server.domain.policies import HOLDS_PER_VISITOR_MAX
from widget_server.domain.slots import Need, Seats, Slot
from widget_server.engine import kept, keys
from widget_server.engine.feed import is_after
from widget_server.engine.wire import Address
from widget_server.errors import (
    Changed,
    HoldBudgetSpent,
    HoldEnded,
    NotFound,
    Paying,
    Refusal,
    SlotClosed,
    SlotFull,
    StaleSchedule,
)

HOLDS: Bundle[str] = Bundle("holds")
SITES = ("studio", "gallery")
CLASS, SEMINAR = slot_of("class", day=5), slot_of("seminar", day=6)
TALK = slot_of("talk", day=5)
LESSON = Slot("lesson", TALK.starts_at + timedelta(minutes=30), TALK.ends_at + timedelta(minutes=30))
"""Talks and lessons overlap, and the same people serve them."""
SOON = slot_of("soon", day=7)
"""Stands for one that begins some minutes after its machine does."""
SOON_AFTER = 21
SLOTS, SERVED = (CLASS, SEMINAR, TALK, LESSON, SOON), (TALK, LESSON)
PEOPLE, SEATS_EACH = ("staff/pia", "staff/quinn"), 2
LINES = st.sampled_from(
    [
        ((CLASS, 1),),
        ((CLASS, 2),),
        ((SEMINAR, 2),),
        ((CLASS, 1), (SEMINAR, 1)),
        ((CLASS, 3),),
        ((TALK, 1),),
        ((LESSON, 1),),
        ((TALK, 3),),
        ((LESSON, 2), (CLASS, 1)),
        ((SOON, 1),),
    ]
)
VISITORS = {"anna": "home", "ben": "home", "cleo": "cafe"}
"""With their networks."""
VISITOR_MAX, NETWORK_MAX = HOLDS_PER_VISITOR_MAX, 4
WHO = st.sampled_from(list(VISITORS))
TOGETHER = st.lists(
    st.tuples(LINES.filter(lambda lines: all(slot not in SERVED for slot, _ in lines)), WHO), min_size=2, max_size=5
)
CAPACITY, LENGTH, LIMIT, WINDOW, MIN_LEFT, PINS_MAX = 3, 10, 30, 30, 2, 3
"""In minutes, like all times of the model. Real time passes, too, but never so much as to reach a full minute."""


class Budgets(TypedDict):
    visitor: str
    network: str


@dataclass
class ModelHold:
    visitor: str
    lines: dict[Slot, int]
    deadline: int
    limit: int
    there: set[Slot]
    """Slots that it still has its line in: an expired line stays until somebody needs its seats."""
    state: HoldState = HoldState.HELD
    version: int = 1
    renewed_from: int = 0
    changed_from: int = 0
    served_by: dict[Slot, dict[str, int]] = field(default_factory=dict)
    """Person -> seats. Whom the engine chooses is its business; that they can is not."""
    fence: int = 0
    due: int = 0
    """When it is to be resolved, while it is being paid."""
    has_moved: bool = False
    """Its booking is another hold's by now."""


@dataclass
class Model:
    now: int = 0
    capacity: int = CAPACITY
    most: int = CAPACITY
    """That the capacity ever was."""
    holds: dict[str, ModelHold] = field(default_factory=dict)
    booked: dict[Slot, int] = field(default_factory=lambda: dict.fromkeys(SLOTS, 0))

    def is_live(self, hold: ModelHold) -> bool:
        return hold.state is HoldState.PAYING or (hold.state is HoldState.HELD and hold.deadline > self.now)

    def held(self, slot: Slot, *, live_only: bool) -> int:
        holds = [hold for hold in self.holds.values() if slot in hold.there]
        return sum(hold.lines[slot] for hold in holds if self.is_live(hold) or not live_only)

    def has_room(self, lines: dict[Slot, int], *, but: ModelHold | None = None) -> bool:
        """Whether there is room for these lines, seats that `but` holds itself not counted."""
        for slot, seats in lines.items():
            own = but.lines[slot] if but is not None and slot in but.there and self.is_live(but) else 0
            if seats > own and self.booked[slot] + self.held(slot, live_only=True) - own + seats > self.capacity:
                return False
        return True

    def can_serve(self, lines: dict[Slot, int], *, but: ModelHold | None = None) -> bool:
        """Whether enough people are free for these lines; none of them asks for two slots at the same time."""
        return all(
            seats <= sum(max(0, self._room_with(person, slot, but)) for person in PEOPLE)
            for slot, seats in lines.items()
            if slot in SERVED
        )

    def _room_with(self, person: str, slot: Slot, but: ModelHold | None) -> int:
        busy = [hold.served_by for hold in self.holds.values() if hold is not but and self.keeps_people(hold)]
        if any(person in served_by.get(other, {}) for served_by in busy for other in SERVED if other != slot):
            return 0
        return SEATS_EACH - sum(served_by.get(slot, {}).get(person, 0) for served_by in busy)

    def keeps_people(self, hold: ModelHold) -> bool:
        return self.is_live(hold) or hold.state is HoldState.CONFIRMED

    def has_begun(self, lines: Iterable[Slot]) -> bool:
        return SOON in lines and self.now >= SOON_AFTER

    def live_of(self, visitors: Iterable[str]) -> set[str]:
        return {name for name, hold in self.holds.items() if hold.visitor in visitors and self.is_live(hold)}

    def hold(
        self,
        name: str,
        lines: dict[Slot, int],
        visitor: str,
        *,
        limit: int = LIMIT,
        instead_of: ModelHold | None = None,
    ) -> type[Refusal] | None:
        known = self.holds.get(name)
        if known is not None:
            return None if self.is_live(known) else HoldEnded
        if self.has_begun(lines):
            return SlotClosed
        if len(self.live_of([visitor])) >= VISITOR_MAX or len(self.live_of(neighbours(visitor))) >= NETWORK_MAX:
            return HoldBudgetSpent
        if not self.has_room(lines) or not self.can_serve(lines, but=instead_of):
            return SlotFull
        self.holds[name] = ModelHold(visitor, lines, self.now + LENGTH, self.now + limit, set(lines))
        return None

    def change(self, name: str, version: int, lines: dict[Slot, int]) -> type[Refusal] | None:
        hold = self.holds[name]
        if hold.state is HoldState.PAYING:
            return Paying
        if not self.is_live(hold):
            return HoldEnded
        if hold.version == version + 1 and hold.changed_from == version and hold.lines == lines:
            return None
        if hold.version != version:
            return Changed
        if self.has_begun(lines.keys() - hold.there):
            return SlotClosed
        if not self.has_room(lines, but=hold) or not self.can_serve(lines, but=hold):
            return SlotFull
        hold.lines, hold.there = lines, set(lines)
        hold.version, hold.changed_from = version + 1, version
        return None

    def renew(self, name: str, version: int) -> type[Refusal] | None:
        hold = self.holds.get(name)
        if hold is None:
            return NotFound
        if hold.state is HoldState.PAYING:
            return Paying
        if not self.is_live(hold):
            return HoldEnded
        if hold.version == version + 1 and hold.renewed_from == version:
            return None
        if hold.version != version:
            return Changed
        hold.deadline = max(hold.deadline, min(self.now + LENGTH, hold.limit))
        hold.version, hold.renewed_from = version + 1, version
        return None

    def release(self, name: str) -> type[Refusal] | None:
        hold = self.holds.get(name)
        if hold is None:
            return NotFound
        if hold.state is HoldState.PAYING:
            return Paying
        if hold.state is HoldState.RELEASED:
            return None
        if not self.is_live(hold):
            return HoldEnded
        self._end(hold, HoldState.RELEASED)
        return None

    def pin(self, name: str) -> type[Refusal] | None:
        hold = self.holds.get(name)
        if hold is None:
            return NotFound
        if hold.state is HoldState.PAYING:
            return Paying
        resolve_by = min(self.now, hold.limit) + WINDOW
        if hold.state not in (HoldState.HELD, HoldState.EXPIRED) or resolve_by <= self.now:
            return HoldEnded
        if hold.fence == PINS_MAX:
            return HoldBudgetSpent
        missing = {slot: seats for slot, seats in hold.lines.items() if slot not in hold.there}
        if self.has_begun(missing):
            return SlotClosed
        if not self.has_room(missing):
            return SlotFull
        if not self.is_live(hold) and not self.can_serve(hold.lines, but=hold):
            return SlotFull
        hold.state, hold.due, hold.there = HoldState.PAYING, resolve_by, set(hold.lines)
        hold.fence += 1
        hold.version += 1
        return None

    def unpin(self, name: str, *, release: bool) -> None:
        hold = self.holds[name]
        if hold.state is not HoldState.PAYING:
            return
        hold.deadline = min(max(hold.deadline, self.now + MIN_LEFT), hold.limit + WINDOW)
        if release or hold.deadline <= self.now:
            self._end(hold, HoldState.RELEASED)
            return
        hold.state = HoldState.HELD
        hold.version += 1

    def commit(self, name: str) -> str:
        hold = self.holds[name]
        if hold.state is not HoldState.PAYING:
            return "COMMITTED" if hold.state is HoldState.CONFIRMED else "other"
        for slot, seats in hold.lines.items():
            self.booked[slot] += seats
        self._end(hold, HoldState.CONFIRMED)
        return "COMMITTED"

    def sweep(self) -> tuple[int, set[str]]:
        """How many end, and who is to be resolved; those are named again a minute later at the soonest."""
        due = [hold for hold in self.holds.values() if hold.state is HoldState.HELD and not self.is_live(hold)]
        for hold in due:
            self._end(hold, HoldState.EXPIRED)
        paying = {name: hold for name, hold in self.holds.items() if hold.state is HoldState.PAYING}
        overdue = {name: hold for name, hold in paying.items() if hold.due <= self.now}
        for hold in overdue.values():
            hold.due = self.now + 1
        return len(due), set(overdue)

    def _end(self, hold: ModelHold, state: HoldState) -> None:
        hold.state, hold.there = state, set()
        hold.version += 1


def neighbours(visitor: str) -> list[str]:
    """All of their network."""
    return [other for other, network in VISITORS.items() if network == VISITORS[visitor]]


class EngineMachine(RuleBasedStateMachine):
    redis_url: str

    def __init__(self) -> None:
        super().__init__()
        self.models = {key: Model() for key in SITES}
        self.versions: dict[tuple[str, Slot], int] = {}
        self.booked_version = 0
        self.ids = 0
        self.runner = asyncio.Runner()
        self.told: dict[tuple[str, str], Seats] = {}
        """Site and slot -> what the feed has said of it last."""
        self.boxes = self.run(self._start())
        self.began = self.run(self.boxes["studio"].now())
        self.heard_until = self.run(self.boxes["studio"].feed.last_id("tenuto"))
        starts_at = self.began.replace(second=0, microsecond=0) + timedelta(minutes=SOON_AFTER)
        self.soon = Slot("soon", starts_at, starts_at + timedelta(hours=1))

    async def _start(self) -> dict[str, Box]:
        self.connection = Recorded(Address(self.redis_url))
        await self.connection.read(("FLUSHALL",))
        boxes = {key: Box(self.connection, site(key)) for key in SITES}
        for box in boxes.values():
            await box.fill()
            box.capacity, box.network_max = CAPACITY, NETWORK_MAX
            box.needs = {slot: (_need(slot),) for slot in SERVED}
        now = await boxes["studio"].now()  # what begins on a full minute shall be half a minute from any step of ours
        await boxes["studio"].advance(timedelta(seconds=(90 - now.second) % 60))
        return boxes

    def real(self, slot: Slot) -> Slot:
        return self.soon if slot == SOON else slot

    def lines(self, lines: Iterable[tuple[Slot, int]]) -> list[Line]:
        return [Line(self.real(slot), seats) for slot, seats in lines]

    def teardown(self) -> None:
        self.run(self.connection.close())
        self.runner.close()

    def run(self, story: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(story)

    def of(self, name: str) -> tuple[Box, Model]:
        """Where this visitor is."""
        key = name.partition("-")[0]
        return self.boxes[key], self.models[key]

    def compare(self, name: str, story: Coroutine[Any, Any, Any], expected: type[Exception] | None) -> None:
        refused: type[Exception] | None = None
        try:
            self.run(story)
        except (Refusal, StaleSchedule) as refusal:
            refused = type(refusal)
        assert refused is expected
        self.run(self._see_who_serves(name))

    @rule(target=HOLDS, lines=LINES, key=st.sampled_from(["studio", "studio", "gallery"]), visitor=WHO)
    def hold(self, lines: tuple[tuple[Slot, int], ...], key: str, visitor: str) -> Any:
        name = self.new_name(key)
        self._hold(name, dict(lines), visitor)
        return name if name in self.models[key].holds else multiple()

    def new_name(self, key: str) -> str:
        self.ids += 1
        return f"{key}-{self.ids}"

    @rule(target=HOLDS, wanted=TOGETHER, key=st.sampled_from(["studio", "studio", "gallery"]))
    def hold_at_once(self, wanted: list[tuple[tuple[tuple[Slot, int], ...], str]], key: str) -> Any:
        """They leave as one script."""
        box, model = self.boxes[key], self.models[key]
        asked = [(self.new_name(key), dict(lines), visitor) for lines, visitor in wanted]
        found = self.run(self._hold_all(box, asked))
        expected = [model.hold(name, lines, visitor) for name, lines, visitor in asked]
        assert [type(answer) if isinstance(answer, Exception) else None for answer in found] == expected
        self.run(self._see_what_was_dropped(box, model))
        return multiple(*(name for name, _, _ in asked if name in model.holds))

    async def _hold_all(self, box: Box, asked: list[tuple[str, dict[Slot, int], str]]) -> list[Any]:
        stories = (
            box.hold(name, *self.lines(lines.items()), **self.budgets(visitor)) for name, lines, visitor in asked
        )
        return await asyncio.gather(*stories, return_exceptions=True)

    @rule(name=HOLDS)
    def hold_again(self, name: str) -> None:
        _, model = self.of(name)
        hold = model.holds[name]
        if hold.changed_from == 0:  # else it is another call than its first
            self._hold(name, hold.lines, hold.visitor)

    @rule(lines=LINES, key=st.sampled_from(SITES), visitor=WHO)
    def hold_on_an_older_schedule(self, lines: tuple[tuple[Slot, int], ...], key: str, visitor: str) -> None:
        box, name = self.boxes[key], self.new_name(key)
        if box.schedule_version > 1:
            story = box.hold(
                name, *self.lines(lines), schedule_version=box.schedule_version - 1, **self.budgets(visitor)
            )
            self.compare(name, story, StaleSchedule)

    @rule(key=st.sampled_from(SITES), capacity=st.sampled_from([CAPACITY - 1, CAPACITY, CAPACITY + 1]))
    def set_capacity(self, key: str, capacity: int) -> None:
        """More room, or less than is taken by now."""
        box, model = self.boxes[key], self.models[key]
        box.schedule_version += 1
        assert self.run(box.engine.raise_schedule(box.site, box.schedule_version))
        self.run(box.engine.settle(box.site, box.schedule_version))
        box.capacity = model.capacity = capacity
        model.most = max(model.most, capacity)

    @rule(key=st.sampled_from(SITES))
    def fill(self, key: str) -> None:
        """As if its Redis were doubted: holds go on, and seats are counted anew."""
        box, model = self.boxes[key], self.models[key]
        box.site = replace(box.site, epoch=box.site.epoch + 1)
        self.booked_version += 1
        booked = [
            BookedSeats(self.real(slot), seats, self.booked_version) for slot, seats in model.booked.items() if seats
        ]
        self.run(box.fill(booked))

    @rule(target=HOLDS, name=HOLDS, lines=LINES)
    def move(self, name: str, lines: tuple[tuple[Slot, int], ...]) -> Any:
        """A booking is moved: whoever serves it may serve what comes in its place."""
        box, model = self.of(name)
        old, new = model.holds[name], self.new_name(box.site.key)
        if old.state is not HoldState.CONFIRMED or old.has_moved:
            return multiple()
        claimed = [Claimed(name, slot) for slot in old.served_by]
        expected = model.hold(new, dict(lines), old.visitor, limit=LENGTH, instead_of=old)
        if expected is None:
            model.pin(new)
        story = box.hold_and_pin(new, *self.lines(lines), instead_of=claimed, **self.budgets(old.visitor))
        self.compare(new, story, expected)
        self.run(self._see_what_was_dropped(box, model))
        if expected is not None:
            return multiple()
        self.commit(new)
        self.run(self._free(name))
        return new

    @rule(name=HOLDS, versions_ago=st.integers(0, 2))
    def renew(self, name: str, versions_ago: int) -> None:
        box, model = self.of(name)
        version = model.holds[name].version - versions_ago
        self.compare(name, box.renew(name, version=version), model.renew(name, version))

    @rule(name=HOLDS, lines=LINES, versions_ago=st.sampled_from([0, 0, 0, 1]))
    def change(self, name: str, lines: tuple[tuple[Slot, int], ...], versions_ago: int) -> None:
        box, model = self.of(name)
        version = model.holds[name].version - versions_ago
        expected = model.change(name, version, dict(lines))
        self.compare(name, box.change(name, *self.lines(lines), version=version), expected)
        self.run(self._see_what_was_dropped(box, model))

    @rule(key=st.sampled_from(SITES), seats=st.integers(1, 3), is_later=st.booleans(), visitor=WHO)
    def book_and_move(self, key: str, seats: int, is_later: bool, visitor: str) -> None:
        """To what overlaps it, for which perhaps nobody else is free."""
        before, after = (TALK, LESSON) if is_later else (LESSON, TALK)
        name = self.hold(((before, seats),), key, visitor)
        if isinstance(name, str):
            self.pin(name)
            self.commit(name)
            self.move(name, ((after, seats),))

    @rule(target=HOLDS, lines=LINES, others=LINES, key=st.sampled_from(SITES), visitor=WHO)
    def hold_and_change(
        self, lines: tuple[tuple[Slot, int], ...], others: tuple[tuple[Slot, int], ...], key: str, visitor: str
    ) -> Any:
        name = self.hold(lines, key, visitor)
        if isinstance(name, str):
            self.change(name, others, 0)
        return name

    @rule(name=HOLDS)
    def release(self, name: str) -> None:
        box, model = self.of(name)
        self.compare(name, box.release(name), model.release(name))

    @rule(name=HOLDS)
    def pin(self, name: str) -> None:
        box, model = self.of(name)
        attempt = f"attempt {model.holds[name].version}"
        self.compare(name, box.pin(name, attempt=attempt), model.pin(name))
        self.run(self._see_what_was_dropped(box, model))

    @rule(name=HOLDS)
    def pin_too_late(self, name: str) -> None:
        """Its deadline passes, somebody else may take the seats, and only then its customer pays."""
        _, model = self.of(name)
        self.advance(LENGTH)
        self.hold(tuple(model.holds[name].lines.items()), name.partition("-")[0], model.holds[name].visitor)
        self.pin(name)

    @rule(name=HOLDS, release=st.booleans(), fences_ago=st.sampled_from([0, 0, 0, 1]))
    def unpin(self, name: str, release: bool, fences_ago: int) -> None:
        box, model = self.of(name)
        fence = model.holds[name].fence - fences_ago
        if fences_ago == 0:
            model.unpin(name, release=release)
        self.compare(name, box.unpin(name, fence=fence, release=release, min_left_min=MIN_LEFT), None)

    @rule(name=HOLDS)
    def commit(self, name: str) -> None:
        box, model = self.of(name)
        hold = model.holds[name]
        expected = model.commit(name)
        self.booked_version += 1
        booked = [BookedSeats(self.real(slot), model.booked[slot], self.booked_version) for slot in hold.lines]
        answer = self.run(box.commit(name, *booked, fence=hold.fence))
        assert (answer == "COMMITTED") == (expected == "COMMITTED")

    @rule(slot=st.sampled_from([CLASS, SEMINAR]), key=st.sampled_from(SITES))
    def cancel(self, slot: Slot, key: str) -> None:
        self.models[key].booked[slot] = 0
        self.booked_version += 1
        box = self.boxes[key]
        self.run(box.engine.set_booked(box.site, [BookedSeats(slot, 0, self.booked_version)]))

    @rule()
    def sweep(self) -> None:
        swept = self.run(self.boxes["studio"].sweep())
        ended = [model.sweep() for model in self.models.values()]
        assert swept.ended == sum(count for count, _ in ended)
        assert {hold_id for _, hold_id in swept.to_resolve} == set().union(*(overdue for _, overdue in ended))

    @rule(minutes=st.sampled_from([1, 5, 10, 30]))
    def advance(self, minutes: int) -> None:
        self.run(self.boxes["studio"].advance(timedelta(minutes=minutes)))
        for model in self.models.values():
            model.now += minutes

    @invariant()
    def seats_are_the_models(self) -> None:
        counted = self.run(self._seats())
        for key, model in self.models.items():
            for slot in SLOTS:
                seats = counted[key].get(self.real(slot).id, Seats())
                assert seats.held == model.held(slot, live_only=False)
                assert seats.booked == model.booked[slot]
                assert seats.held + seats.booked <= model.most
                assert seats.version >= self.versions.get((key, slot), 0)
                self.versions[key, slot] = seats.version
        self.run(self.boxes["studio"].counts_are_right())

    @invariant()
    def holds_are_the_models(self) -> None:
        running: set[str] = set()
        expectations = [(name, expected) for model in self.models.values() for name, expected in model.holds.items()]
        for hold, (name, expected) in zip(self.run(self._find_all()), expectations, strict=True):
            box, model = self.of(name)
            expired = expected.state is HoldState.HELD and not model.is_live(expected)
            assert hold.state is (HoldState.EXPIRED if expired else expected.state)
            assert hold.version == expected.version
            wanted = {self.real(slot): seats for slot, seats in expected.lines.items()}
            assert {line.slot: line.seats for line in hold.lines} == wanted
            if expected.state is HoldState.HELD:
                assert (hold.expires_at - self.began) // timedelta(minutes=1) == expected.deadline
            if expected.state in (HoldState.HELD, HoldState.PAYING):
                running.add(f"{box.site.key}/{name}")
        (due,) = self.run(self.connection.read(("ZRANGE", "{tenuto}:due", 0, -1)))
        assert set(due) == running

    @invariant()
    def budgets_are_the_live_holds(self) -> None:
        now_ms = to_ms(self.run(self.boxes["studio"].now()))
        sets: dict[str, set[str]] = {}
        for key, model in self.models.items():
            of_site = keys.of_site("tenuto", key)
            sets |= {of_site.visitor(who): model.live_of([who]) for who in VISITORS}
            sets |= {of_site.network(VISITORS[who]): model.live_of(neighbours(who)) for who in VISITORS}
        found = self.run(self.connection.read(*(("ZRANGEBYSCORE", of, f"({now_ms}", "+inf") for of in sets)))
        assert dict(zip(sets, map(set, found), strict=True)) == sets

    @invariant()
    def the_feed_tells_what_is_so_and_goes_on(self) -> None:
        """Each version of a slot is told once, the last one is the present one, and only a filling breaks that off."""
        for update in self.run(self.boxes["studio"].feed.tail("tenuto", 100)):
            if not is_after(update.feed_id, self.heard_until):
                continue
            self.heard_until = update.feed_id
            if isinstance(update, SiteReset):
                self.told = {of: seats for of, seats in self.told.items() if of[0] != update.site_key}
            for slot_id, seats in update.seats if isinstance(update, SeatsMoved) else ():
                before = self.told.get((update.site_key, slot_id))
                assert before is None or seats.version == before.version + 1
                self.told[update.site_key, slot_id] = seats
        counted = self.run(self._seats())
        for (key, slot_id), seats in self.told.items():
            assert counted[key][slot_id] == seats

    @invariant()
    def nobody_is_in_two_places(self) -> None:
        day = TALK.starts_at.date()
        diaries = [keys.of_site("tenuto", key).diary(person, day) for key in SITES for person in PEOPLE]
        written = iter(self.run(self.connection.read(*(("ZRANGE", diary, 0, -1) for diary in diaries))))
        for model in self.models.values():
            serving = {name: hold.served_by for name, hold in model.holds.items() if model.keeps_people(hold)}
            for person in PEOPLE:
                seats = {slot: [by[slot].get(person, 0) for by in serving.values() if slot in by] for slot in SERVED}
                assert sum(sum(of) > 0 for of in seats.values()) <= 1
                assert max(sum(of) for of in seats.values()) <= SEATS_EACH
                stands = {tuple(member.split(":")[:2]) for member in next(written)}
                serves = {(name, slot.id) for name, by in serving.items() for slot in by if person in by[slot]}
                assert {claim for claim in stands if claim[0] in serving} == serves

    async def _find_all(self) -> list[Hold]:
        """All in one go, as each of them is asked for after each step."""
        boxes: dict[str, Box] = self.boxes
        return await asyncio.gather(*(boxes[key].find(name) for key in SITES for name in self.models[key].holds))

    async def _seats(self) -> dict[str, Mapping[str, Seats]]:
        """By site; likewise."""
        boxes: dict[str, Box] = self.boxes
        days = [(slot.service, slot.starts_at.date()) for slot in map(self.real, SLOTS)]
        of_each = (boxes[key].engine.days_and_diaries(boxes[key].site, days, []) for key in SITES)
        return {key: reading.seats for key, (reading, _) in zip(SITES, await asyncio.gather(*of_each), strict=True)}

    def budgets(self, visitor: str) -> Budgets:
        return {"visitor": visitor, "network": VISITORS[visitor]}

    def _hold(self, name: str, lines: dict[Slot, int], visitor: str) -> None:
        box, model = self.of(name)
        story = box.hold(name, *self.lines(lines.items()), **self.budgets(visitor))
        self.compare(name, story, model.hold(name, lines, visitor))
        self.run(self._see_what_was_dropped(box, model))

    async def _free(self, name: str) -> None:
        """SQL has moved this booking away, and says so."""
        box, model = self.of(name)
        old = model.holds[name]
        self.booked_version += 1
        for slot, seats in old.lines.items():
            model.booked[slot] = max(0, model.booked[slot] - seats)
        booked = [BookedSeats(self.real(slot), model.booked[slot], self.booked_version) for slot in old.lines]
        await box.engine.set_booked(box.site, booked)
        freed = [
            Assignment(name, person, slot, slot.starts_at, slot.ends_at, seats, is_freed=True)
            for slot, by in old.served_by.items()
            for person, seats in by.items()
        ]
        await box.engine.assign(box.site, freed)
        old.has_moved, old.served_by = True, {}

    async def _see_who_serves(self, name: str) -> None:
        """All seats of talks and lessons are served, by people who had room for them."""
        box, model = self.of(name)
        hold = model.holds.get(name)
        if hold is None or hold.has_moved:
            return
        (fields,) = await self.connection.read(
            ("HMGET", keys.of_site("tenuto", box.site.key).hold(name), *kept.HOLD_FIELDS)
        )
        found = kept.kept_hold(box.site.key, name, fields)
        assert found is not None
        served: dict[Slot, dict[str, int]] = {}
        for claim in found.claims:
            served.setdefault(Slot.parse(claim.slot_id), {})[claim.claimed] = claim.seats
        if model.is_live(hold):
            assert {slot: sum(of.values()) for slot, of in served.items()} == {
                slot: seats for slot, seats in hold.lines.items() if slot in SERVED
            }
        hold.served_by = served

    async def _see_what_was_dropped(self, box: Box, model: Model) -> None:
        """Which expired lines had to go is the engine's business; that they had expired is not."""
        of_site = keys.of_site("tenuto", box.site.key)
        there = [(name, hold, slot) for name, hold in model.holds.items() for slot in hold.there]
        asked = [
            ("ZSCORE", of_site.seats(self.real(slot).id)[1], f"{name}:{hold.lines[slot]}") for name, hold, slot in there
        ]
        for (_, hold, slot), score in zip(there, await self.connection.read(*asked) if asked else [], strict=True):
            if score is None:
                assert not model.is_live(hold)
                hold.there.remove(slot)


def _need(slot: Slot) -> Need:
    midnight = datetime.combine(slot.starts_at.date(), time(0), UTC)
    return Need(PEOPLE, SEATS_EACH, slot.starts_at, slot.ends_at, midnight, midnight + timedelta(days=1))


@pytest.fixture(params=["valkey", "oldest_redis"])
def machine(request: pytest.FixtureRequest) -> type[EngineMachine]:
    server: Valkey = request.getfixturevalue(request.param)
    return type("Machine", (EngineMachine,), {"redis_url": server.url})


def test_engine_and_model_agree(machine: type[EngineMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
