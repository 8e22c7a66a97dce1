"""The only place that decides who goes on, and the only clock: at each call to Redis or SQL the seed chooses.

The event loop below never waits. Whenever nobody can go on by themselves, one of those whose call is on its way gets
its answer; where there are none, time jumps to the next timer.
"""

import asyncio
import selectors
from datetime import datetime
from random import Random
from typing import Protocol

from widget_server.clock import from_ms

CALL_MS_MAX = 3
STOPPED_RATE = 0.05
STOPPED_FOR = (5, 15, 50)
"""So many calls of others."""


class Waiting(Protocol):
    """A call that is on its way."""

    def go_on(self) -> None: ...


class Listener(Waiting, Protocol):
    """Somebody who waits for news, and does not keep the others waiting."""

    def has_news(self) -> bool: ...


class VirtualClock:
    """The present instant for all use cases, and for the event loop."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = self._began_ms = now_ms

    def now(self) -> datetime:
        return from_ms(self.now_ms)

    @property
    def loop_s(self) -> float:
        return (self.now_ms - self._began_ms) / 1000


class Turns:
    def __init__(self, chance: Random, clock: VirtualClock) -> None:
        self.listeners: list[Listener] = []
        self._chance = chance
        self._clock = clock
        self.waiting: list[Waiting] = []
        self._stopped: list[Waiting] = []
        """Those that are not chosen for a while, as if their processes had been stopped just there."""
        self._stopped_for = 0

    def wait(self, waiting: Waiting) -> None:
        self.waiting.append(waiting)

    def stop_all(self, calls: int) -> None:
        """Whoever waits just now stands still, until others have made so many calls, or nobody else is left."""
        self._stopped, self._stopped_for = list(self.waiting), calls

    def hurry(self, listener: Listener) -> None:
        """Let a listener have its news now."""
        if listener in self.listeners:
            listener.go_on()

    async def turn(self) -> None:
        """Wait until the seed has chosen whoever calls this."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(_Sleeper(future))
        await future

    def next(self) -> bool:
        """Let one go on; False if nobody waits."""
        for listener in self.listeners:
            if listener.has_news() and self._chance.random() < 0.5:
                listener.go_on()
                return True
        if not self.waiting:
            return False
        chosen = self._chosen()
        self.waiting.remove(chosen)
        self._clock.now_ms += self._chance.randrange(CALL_MS_MAX)
        chosen.go_on()
        return True

    def _chosen(self) -> Waiting:
        if len(self.waiting) == 1:
            return self.waiting[0]
        if self._stopped_for == 0 and self._chance.random() < STOPPED_RATE:
            self._stopped, self._stopped_for = [self._chance.choice(self.waiting)], self._chance.choice(STOPPED_FOR)
        self._stopped_for = max(0, self._stopped_for - 1)
        free = [waiting for waiting in self.waiting if waiting not in self._stopped] if self._stopped_for else []
        return self._chance.choice(free or self.waiting)


class _Sleeper:
    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future

    def go_on(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock, turns: Turns) -> None:
        super().__init__(_NobodyElse(clock, turns))
        self._clock = clock

    def time(self) -> float:
        return self._clock.loop_s


class _NobodyElse(selectors.DefaultSelector):
    """Asked by the loop to wait for the world outside. There is none."""

    def __init__(self, clock: VirtualClock, turns: Turns) -> None:
        super().__init__()
        self._clock = clock
        self._turns = turns

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if (timeout is None or timeout > 0) and not self._turns.next():
            assert timeout is not None, "everybody waits, and for nobody"
            self._clock.now_ms += max(1, round(timeout * 1000))
        return []
