"""The engine against a model of a screenful: whatever a few visitors do in whatever order, both say the same."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tests.engine.box import MASSAGE, YOGA, Box, Recorded
from tests.engine.servers import Valkey, fake_redis
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Slot
from widget_server.engine.wire import Address
from widget_server.errors import Changed, HoldBudgetSpent, HoldEnded, NotFound, Paying, Refusal, SlotFull

HOLDS: Bundle[str] = Bundle("holds")
LINES = st.sampled_from([((YOGA, 1),), ((YOGA, 2),), ((MASSAGE, 2),), ((YOGA, 1), (MASSAGE, 1)), ((YOGA, 3),)])
CAPACITY, LENGTH, LIMIT, WINDOW, MIN_LEFT, PINS_MAX = 3, 10, 30, 30, 2, 3
"""In minutes, like all times of the model. Real time passes, too, but never so much as to reach a full minute."""


@dataclass
class ModelHold:
    lines: dict[Slot, int]
    deadline: int
    limit: int
    there: set[Slot]
    """Slots that it still has its line in: an expired line stays until somebody needs its seats."""
    state: HoldState = HoldState.HELD
    version: int = 1
    renewed_from: int = 0
    fence: int = 0
    due: int = 0
    """When it is to be resolved, while it is being paid."""


@dataclass
class Model:
    now: int = 0
    holds: dict[str, ModelHold] = field(default_factory=dict)
    booked: dict[Slot, int] = field(default_factory=lambda: {YOGA: 0, MASSAGE: 0})

    def is_live(self, hold: ModelHold) -> bool:
        return hold.state is HoldState.PAYING or (hold.state is HoldState.HELD and hold.deadline > self.now)

    def held(self, slot: Slot, *, live_only: bool) -> int:
        holds = [hold for hold in self.holds.values() if slot in hold.there]
        return sum(hold.lines[slot] for hold in holds if self.is_live(hold) or not live_only)

    def has_room(self, lines: dict[Slot, int]) -> bool:
        return all(
            self.booked[slot] + self.held(slot, live_only=True) + seats <= CAPACITY for slot, seats in lines.items()
        )

    def hold(self, name: str, lines: dict[Slot, int]) -> type[Refusal] | None:
        known = self.holds.get(name)
        if known is not None:
            return None if self.is_live(known) else HoldEnded
        if not self.has_room(lines):
            return SlotFull
        self.holds[name] = ModelHold(lines, self.now + LENGTH, self.now + LIMIT, set(lines))
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
        if not self.has_room(missing):
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


class EngineMachine(RuleBasedStateMachine):
    open_redis: Callable[[AsyncExitStack], Coroutine[Any, Any, str]]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.versions: dict[Slot, int] = {}
        self.booked_version = 0
        self.ids = 0
        self.runner = asyncio.Runner()
        self.box = self.run(self._start())
        self.began = self.run(self.box.now())

    async def _start(self) -> Box:
        self.open = AsyncExitStack()
        box = Box(Recorded(Address(await type(self).open_redis(self.open))))
        await box.connection.read(("FLUSHALL",))
        await box.fill()
        box.capacity = CAPACITY
        return box

    def teardown(self) -> None:
        self.run(self.box.connection.close())
        self.run(self.open.aclose())
        self.runner.close()

    def run(self, story: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(story)

    def compare(self, story: Coroutine[Any, Any, Any], expected: type[Refusal] | None) -> None:
        refused: type[Refusal] | None = None
        try:
            self.run(story)
        except Refusal as refusal:
            refused = type(refusal)
        assert refused is expected

    @rule(target=HOLDS, lines=LINES)
    def hold(self, lines: tuple[tuple[Slot, int], ...]) -> Any:
        self.ids += 1
        name = f"visitor {self.ids}"
        self._hold(name, dict(lines))
        return name if name in self.model.holds else multiple()

    @rule(name=HOLDS)
    def hold_again(self, name: str) -> None:
        self._hold(name, self.model.holds[name].lines)

    @rule(name=HOLDS, versions_ago=st.integers(0, 2))
    def renew(self, name: str, versions_ago: int) -> None:
        version = self.model.holds[name].version - versions_ago
        self.compare(self.box.renew(name, version=version), self.model.renew(name, version))

    @rule(name=HOLDS)
    def release(self, name: str) -> None:
        self.compare(self.box.release(name), self.model.release(name))

    @rule(name=HOLDS)
    def pin(self, name: str) -> None:
        attempt = f"attempt {self.model.holds[name].version}"
        self.compare(self.box.pin(name, attempt=attempt), self.model.pin(name))
        self.run(self._see_what_was_dropped())

    @rule(name=HOLDS)
    def pin_too_late(self, name: str) -> None:
        """Its deadline passes, somebody else may take the seats, and only then its customer pays."""
        self.advance(LENGTH)
        self.hold(tuple(self.model.holds[name].lines.items()))
        self.pin(name)

    @rule(name=HOLDS, release=st.booleans(), fences_ago=st.sampled_from([0, 0, 0, 1]))
    def unpin(self, name: str, release: bool, fences_ago: int) -> None:
        fence = self.model.holds[name].fence - fences_ago
        self.compare(self.box.unpin(name, fence=fence, release=release, min_left_min=MIN_LEFT), None)
        if fences_ago == 0:
            self.model.unpin(name, release=release)

    @rule(name=HOLDS)
    def commit(self, name: str) -> None:
        hold = self.model.holds[name]
        expected = self.model.commit(name)
        self.booked_version += 1
        booked = [BookedSeats(slot, self.model.booked[slot], self.booked_version) for slot in hold.lines]
        answer = self.run(self.box.commit(name, *booked, fence=hold.fence))
        assert (answer == "COMMITTED") == (expected == "COMMITTED")

    @rule(slot=st.sampled_from([YOGA, MASSAGE]))
    def cancel(self, slot: Slot) -> None:
        self.model.booked[slot] = 0
        self.booked_version += 1
        self.run(self.box.engine.set_booked(self.box.site, [BookedSeats(slot, 0, self.booked_version)]))

    @rule()
    def sweep(self) -> None:
        swept = self.run(self.box.sweep())
        assert (swept.ended, {hold_id for _, hold_id in swept.to_resolve}) == self.model.sweep()

    @rule(minutes=st.sampled_from([1, 5, 10, 30]))
    def advance(self, minutes: int) -> None:
        self.run(self.box.advance(timedelta(minutes=minutes)))
        self.model.now += minutes

    @invariant()
    def seats_are_the_models(self) -> None:
        for slot in (YOGA, MASSAGE):
            seats = self.run(self.box.seats(slot))
            assert seats.held == self.model.held(slot, live_only=False)
            assert seats.booked == self.model.booked[slot]
            assert seats.held + seats.booked <= CAPACITY
            assert seats.version >= self.versions.get(slot, 0)
            self.versions[slot] = seats.version
        self.run(self.box.counts_are_right())

    @invariant()
    def holds_are_the_models(self) -> None:
        for name, expected in self.model.holds.items():
            hold = self.run(self.box.find(name))
            expired = expected.state is HoldState.HELD and not self.model.is_live(expected)
            assert hold.state is (HoldState.EXPIRED if expired else expected.state)
            assert hold.version == expected.version
            if expected.state is HoldState.HELD:
                assert (hold.expires_at - self.began) // timedelta(minutes=1) == expected.deadline
        (due,) = self.run(self.box.connection.read(("ZRANGE", "{tenuto}:due", 0, -1)))
        running = (HoldState.HELD, HoldState.PAYING)
        assert set(due) == {f"studio/{name}" for name, hold in self.model.holds.items() if hold.state in running}

    def _hold(self, name: str, lines: dict[Slot, int]) -> None:
        story = self.box.hold(name, *(Line(slot, seats) for slot, seats in lines.items()))
        self.compare(story, self.model.hold(name, lines))
        self.run(self._see_what_was_dropped())

    async def _see_what_was_dropped(self) -> None:
        """Which expired lines had to go is the engine's business; that they had expired is not."""
        for name, hold in self.model.holds.items():
            for slot in list(hold.there):
                member = f"{name}:{hold.lines[slot]}"
                (score,) = await self.box.connection.read(("ZSCORE", f"{{tenuto}}:studio:slot:{slot.id}", member))
                if score is None:
                    assert not self.model.is_live(hold)
                    hold.there.remove(slot)


@pytest.fixture(params=["fakeredis", "valkey"])
def machine(request: pytest.FixtureRequest) -> Iterator[type[EngineMachine]]:
    with TemporaryDirectory(prefix="tenuto-") as folder:

        async def open_fake(stack: AsyncExitStack) -> str:
            return await stack.enter_async_context(fake_redis(Path(folder)))

        async def open_real(_: AsyncExitStack) -> str:
            server: Valkey = request.getfixturevalue("valkey")
            return server.url

        opening = open_fake if request.param == "fakeredis" else open_real
        yield type("Machine", (EngineMachine,), {"open_redis": staticmethod(opening)})


def test_engine_and_model_agree(machine: type[EngineMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
