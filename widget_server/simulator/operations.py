"""The only place that lists what can happen: each operation is one function, which says in words how it came out."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from widget_server.errors import Refusal, Unavailable
from widget_server.simulator.processes import Process
from widget_server.simulator.world import World

Act = Callable[[World], Awaitable[str]]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    act: Act
    weight: float


OPERATIONS: dict[str, Operation] = {}


def operation(*, weight: float) -> Callable[[Act], Act]:
    """Add to what can happen; `weight` is how often, beside the others."""

    def add(act: Act) -> Act:
        name = act.__name__
        OPERATIONS[name] = Operation(name, act, weight)
        return act

    return add


class Mix:
    """How often each happens in one run: some seeds are about crowds, others about quarrels."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._operations = list(OPERATIONS.values())
        self._weights = [one.weight * chance.choice((0.4, 1, 1, 2)) for one in self._operations]

    def choose(self, count: int) -> list[Operation]:
        return self._chance.choices(self._operations, self._weights, k=count)


async def ask(process: Process, act: Coroutine[Any, Any, _Answer]) -> _Answer | Refusal:
    """The answer of a process, be it a refusal. Raises Crashed and Unavailable: nobody knows what came of it."""
    try:
        return await process.do(act)
    except Unavailable:
        raise
    except Refusal as refusal:
        return refusal
