"""The only place that goes on with what was begun on the spot and then had to wait.

Most of what a server awaits is there already. Whoever begins it by hand pays for a task or a deadline only where not.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


class Rest:
    """What remains of a coroutine that was begun on the spot and has to wait."""

    __slots__ = ("_steps", "_waits_for")

    def __init__(self, steps: Generator[Any, None, Any], waits_for: Any) -> None:
        self._steps = steps
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            yield self._waits_for
        except BaseException as problem:  # as `await` would: a cancellation belongs to what is being waited for
            try:
                yield self._steps.throw(problem)
            except StopIteration as done:
                return done.value
        return (yield from self._steps)


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """As with asyncio.timeout, which is set only where `work` has to wait. Raises TimeoutError."""
    steps = work.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as done:
        result: Result = done.value
        return result
    async with asyncio.timeout(seconds):
        rest: Result = await Rest(steps, waits_for)
        return rest
