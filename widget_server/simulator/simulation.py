"""The only place that runs a simulation: operations, often several at once, checks in between, and what came of it."""

import asyncio
import gc
import logging
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog

from widget_server import ids
from widget_server.engine import calls
from widget_server.errors import Fault, Unavailable
from widget_server.payments.fake_stripe import objects
from widget_server.simulator import bad_moments, customers, fate, payments, people, widgets, workers
from widget_server.simulator.invariants import Broken, Invariant
from widget_server.simulator.operations import Mix, Operation
from widget_server.simulator.processes import Crashed
from widget_server.simulator.rest import check_all, check_orders, come_to_rest
from widget_server.simulator.turns import VirtualLoop
from widget_server.simulator.world import World, new_world

KINDS = (bad_moments, customers, fate, payments, people, widgets, workers)
"""All modules with operations; importing them has listed these."""
CHECK_EVERY, REST_EVERY = 200, 1_500
LANES = (1, 1, 1, 1, 1, 1, 2, 2, 3, 5)
IN_A_ROW = (1, 1, 2, 4)
SAY_EVERY_S = 5.0
_UNFORESEEN = ("worker_failed", "feed_not_followed", "attempt_failed", "refund_failed", "payment_differs")
"""What the product logs when it survives something that should not have happened."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    seed: int
    steps: int
    done: Counter[str]
    faults: Counter[str]
    checks: int
    """How many scripts were watched."""
    orders: int
    virtual_days: float
    lasted_s: float
    digest: str
    """Of the trace: the same seed has the same."""

    def lines(self) -> list[str]:
        return [
            f"seed {self.seed}: {self.steps} operations in {self.virtual_days:.1f} virtual days, nothing broke",
            f"{self.orders} orders, {self.checks} scripts watched, {len(Invariant)} invariants; trace {self.digest}",
            f"{self.steps / self.lasted_s:.0f} operations a second",
            "operations: " + _counted(self.done),
            "faults: " + (_counted(self.faults) or "none"),
        ]


def tell(seeds: Iterable[int], steps: int, say: Say) -> None:
    """One story after the other, until one breaks. Raises Fault as `simulate` does."""
    for seed in seeds:
        for line in simulate(seed, steps, say).lines():
            say(line)


def simulate(seed: int, steps: int, say: Say) -> Report:
    """Raises Fault if something broke, after it has said what, where, and how to see it again.

    To be called again and again: a seed tells the same story whatever was told before.
    """
    gc.disable()  # for it also ends what was left behind: that has to happen at the same moment in each run
    gc.collect()  # what an earlier run has left, too
    _freeze_what_never_ends()
    random.seed(seed)  # for the jitter of the product's own pauses
    vars(calls)["randbelow"] = random.randrange  # for who serves: nobody shall foretell that, but the seed
    vars(ids)["secrets"] = vars(objects)["secrets"] = _Secrets(seed)
    logging.disable(logging.ERROR)
    with new_world(seed) as world:
        structlog.configure(processors=[_Log(world)])
        run = _Run(world, seed, steps, say)
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(world.clock, world.turns)) as runner:
            return runner.run(run.all())


class _Secrets:
    """For ids that the product and Stripe make: of holds that end at once, the one with the lower id ends first."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311

    def token_urlsafe(self, length: int) -> str:
        return ids._base64url(self._chance.randbytes(length))

    def token_hex(self, length: int) -> str:
        return self._chance.randbytes(length).hex()

    def choice(self, among: str) -> str:
        return self._chance.choice(among)


@cache
def _freeze_what_never_ends() -> None:
    """All modules: looking at them again takes a while."""
    gc.freeze()


class _Run:
    def __init__(self, world: World, seed: int, steps: int, say: Say) -> None:
        self._world = world
        self._seed = seed
        self._steps = steps
        self._say = say
        self._mix = Mix(world.chance)
        self._done = 0
        self._began_s = self._said_s = time.monotonic()
        self._began_ms = world.clock.now_ms

    async def all(self) -> Report:
        try:
            await self._world.begin()
            while self._done < self._steps:
                await self._some()
                self._maybe_say()
            await come_to_rest(self._world)
            check_orders(self._world)
        except Broken as broken:
            self._say_what_broke(broken)
            raise Fault(f"An invariant broke: {broken.invariant}.") from broken
        return self._report()

    async def _some(self) -> None:
        """One operation, or a few at once, in lanes that know nothing of each other."""
        world, before = self._world, self._done
        lanes = world.chance.choice(LANES)
        count = lanes * (world.chance.choice(IN_A_ROW) if lanes > 1 else 1)
        chosen = self._mix.choose(min(count, self._steps - self._done))
        await asyncio.gather(*(self._in_a_row(chosen[lane::lanes]) for lane in range(lanes)))
        self._done += len(chosen)
        world.raise_what_broke()
        if before // CHECK_EVERY != self._done // CHECK_EVERY:
            gc.collect(0)  # only what is new: what has once stayed ends with the world
            check_all(world)
        if before // REST_EVERY != self._done // REST_EVERY:
            await come_to_rest(world)
            world.note("everything came to rest")

    async def _in_a_row(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            await self._one(operation)

    async def _one(self, operation: Operation) -> None:
        world = self._world
        try:
            answer = await operation.act(world)
        except (Crashed, Unavailable) as problem:
            answer = f"{type(problem).__name__}: {problem}"
        except Broken as broken:
            answer = str(broken)
            world.witness.broken = world.witness.broken or broken
        except Exception:
            answer = "failed"
            world.witness.broken = world.witness.broken or Broken(Invariant.FORESEEN, traceback.format_exc())
        world.done[operation.name] += 1
        world.note(f"{operation.name}: {answer}")

    def _maybe_say(self) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            rate = self._done / (now_s - self._began_s)
            most = _counted(Counter(dict(self._world.done.most_common(6))))
            self._say(f"{self._done} of {self._steps} operations, {rate:.0f} a second: {most} ...")

    def _report(self) -> Report:
        world = self._world
        return Report(
            seed=self._seed,
            steps=self._done,
            done=world.done,
            faults=world.faults.counted,
            checks=world.witness.checks,
            orders=len(world.ledger.orders),
            virtual_days=(world.clock.now_ms - self._began_ms) / 86_400_000,
            lasted_s=time.monotonic() - self._began_s,
            digest=world.digest,
        )

    def _say_what_broke(self, broken: Broken) -> None:
        for line in self._world.trace:
            self._say(line)
        self._say(f"broken after {self._done} operations of seed {self._seed}: {broken.invariant}")
        self._say(f"  {broken.what}")
        self._say(f"see it again: tenuto simulate --seed {self._seed} --steps {self._steps}")


class _Log:
    """Takes what the product logs; most of it is expected when so much goes wrong."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] in _UNFORESEEN:
            broken = Broken(Invariant.FORESEEN, f"{event['event']}: {traceback.format_exc()}")
            self._world.witness.broken = self._world.witness.broken or broken
        raise structlog.DropEvent


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: -item[1]))
