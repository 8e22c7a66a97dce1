"""What the simulator lets its visitors rely on: no less than the product promises, and no more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from widget_server.domain.orders import Order
from widget_server.errors import Unavailable
from widget_server.simulator.customers import confirm_of
from widget_server.simulator.invariants import Broken, Invariant
from widget_server.simulator.ledger import Visitor
from widget_server.simulator.people import _renew, hold
from widget_server.simulator.processes import Process
from widget_server.simulator.redis import SimulatedWire
from widget_server.simulator.turns import VirtualLoop
from widget_server.simulator.world import PARTITION, WEBS, WORKER, World, new_world
from widget_server.store.bookings import Bookings, Confirmation
from widget_server.use_cases.pinning import CONFIRMING_WINDOW

FIRST, SECOND = WEBS
Story = Callable[[World], Awaitable[None]]


def tell(story: Story) -> None:
    """In a world in which nothing goes wrong but what the story says."""

    async def all_of_it(world: World) -> None:
        await world.begin()
        world.faults.stop()
        await story(world)

    with (
        new_world(seed=1) as world,
        asyncio.Runner(loop_factory=lambda: VirtualLoop(world.clock, world.turns)) as runner,
    ):
        runner.run(all_of_it(world))


async def anna_holds(world: World, through: str) -> Visitor:
    """All that she asks from here on goes through this process."""
    goes_through(world, through)
    while True:
        await hold(world)
        if anna := world.ledger.one(world.redis.now_ms(), "held"):
            return anna


def goes_through(world: World, name: str) -> Process:
    process = world.processes[name]
    world.web = lambda: process  # type: ignore[method-assign]
    return process


@contextmanager
def nobody_goes_on(world: World, visitor: Visitor) -> Iterator[None]:
    """Time passes, and all calls are on their way. What is asked about this visitor arrives later than all others."""
    going_on = world.turns.next
    world.turns.next = lambda: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        world.turns.next = going_on  # type: ignore[method-assign]
        wires = [one for one in world.turns.waiting if isinstance(one, SimulatedWire) and one.has_sent(visitor.id)]
        world.turns._stopped, world.turns._stopped_for = list(wires), 1_000


async def pin(process: Process, visitor: Visitor) -> None:
    """For nobody."""
    listing = await process.catalog.find(visitor.site)
    await process.engine.pin(
        listing.site,
        visitor.id,
        visitor.ref.secret_hash,
        listing.schedule.find,
        schedule_version=listing.schedule.version,
        attempt="nobody's",
        window=CONFIRMING_WINDOW,
    )


class Overtaken(Bookings):
    """Between a pin and its record something happens."""

    def __init__(self, process: Process, meanwhile: Callable[[Confirmation], Awaitable[None]]) -> None:
        super().__init__(process.store._db)
        self._meanwhile = meanwhile

    async def confirm(self, wanted: Confirmation) -> Order:
        await self._meanwhile(wanted)
        return await super().confirm(wanted)


def test_a_confirmation_that_was_given_up_may_still_arrive_after_a_renewal() -> None:
    async def story(world: World) -> None:
        anna = await anna_holds(world, FIRST)
        with nobody_goes_on(world, anna), pytest.raises(Unavailable):
            await confirm_of(world, anna)

        goes_through(world, SECOND)
        assert "held v2" in await _renew(world, anna)
        assert world.is_on_its_way(anna.id)
        world.turns._stopped_for = 0
        await asyncio.sleep(1)
        assert world.redis.state_of(anna.site, anna.id) == "paying"
        assert not world.is_on_its_way(anna.id)
        assert "paying" in await _renew(world, anna)

    tell(story)


def test_a_hold_that_somebody_pins_without_being_asked_to_is_noticed() -> None:
    """The control group."""

    async def story(world: World) -> None:
        anna = await anna_holds(world, FIRST)
        assert "held v2" in await _renew(world, anna)
        await pin(world.processes[SECOND], anna)

        with pytest.raises(Broken) as broken:
            await _renew(world, anna)
        assert broken.value.invariant is Invariant.HELD

    tell(story)


def test_a_confirmation_that_takes_longer_than_its_window_may_have_been_given_up() -> None:
    async def story(world: World) -> None:
        async def meanwhile(_: Confirmation) -> None:
            world.pass_time(int(CONFIRMING_WINDOW.total_seconds() * 1_000))
            await world.processes[WORKER].reconciliation.sweep(PARTITION)

        anna = await anna_holds(world, FIRST)
        goes_through(world, FIRST).bookings._store = Overtaken(world.processes[FIRST], meanwhile)
        assert "hold_ended" in await confirm_of(world, anna)

    tell(story)


def test_a_confirmation_that_is_given_up_within_its_window_is_noticed() -> None:
    """The control group."""

    async def story(world: World) -> None:
        async def meanwhile(wanted: Confirmation) -> None:
            await world.processes[WORKER].store.give_up(wanted.site_id, wanted.hold_id, wanted.fence)

        anna = await anna_holds(world, FIRST)
        goes_through(world, FIRST).bookings._store = Overtaken(world.processes[FIRST], meanwhile)
        with pytest.raises(Broken) as broken:
            await confirm_of(world, anna)
        assert broken.value.invariant is Invariant.HELD

    tell(story)
