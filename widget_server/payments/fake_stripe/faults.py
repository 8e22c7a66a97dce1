"""The only place for what goes wrong on demand: in answers to requests, and on the way of webhooks."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

STOP_S_MAX = 300


class Call(StrEnum):
    """What a fault waits for."""

    ACCOUNT = "account"
    OPEN = "open"
    READ = "read"
    EXPIRE = "expire"
    READ_INTENT = "read_intent"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    READ_REFUND = "read_refund"
    LIST_REFUNDS = "list_refunds"
    EVENT = "event"


class Trouble(StrEnum):
    BROKEN = "broken"
    """500. After the effect, it is kept under the idempotency key, as Stripe does: the same again is 500 again."""
    BUSY = "busy"
    """429, always before the effect."""
    LOCKED = "locked"
    """429 of a lock, as when two requests want the same payment; always before the effect."""
    FORBIDDEN = "forbidden"
    """403, always before the effect: of a restricted key that may not do this."""
    CUT = "cut"
    """The connection ends without an answer."""


@dataclass(slots=True)
class Fault:
    call: Call
    trouble: Trouble
    after: bool
    """Its effect has happened, and nobody hears of it."""
    times: int


@dataclass(slots=True)
class Stop:
    """A request that waits until the test says go."""

    call: Call
    after: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    _go: asyncio.Event = field(default_factory=asyncio.Event)

    def go(self) -> None:
        self._go.set()

    async def wait(self) -> None:
        self.reached.set()
        async with asyncio.timeout(STOP_S_MAX):
            await self._go.wait()


@dataclass(slots=True)
class Faults:
    """Of answers, for all accounts."""

    planned: list[Fault] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    _reached: list[Stop] = field(default_factory=list)

    def plan(self, call: Call | str, trouble: Trouble | str, *, after: bool = False, times: int = 1) -> None:
        """The next `times` of these calls fail so, `after` or before their effect."""
        trouble = Trouble(trouble)
        assert not after or trouble in {Trouble.BROKEN, Trouble.CUT}, "Stripe turns these away at the door"
        self.planned.append(Fault(Call(call), trouble, after, times))

    def stop(self, call: Call | str, *, after: bool = False) -> Stop:
        """The next of these calls waits. `await stop.reached.wait()`, do something else, then `stop.go()`."""
        stop = Stop(Call(call), after)
        self.stops.append(stop)
        return stop

    def next_trouble(self, call: Call, *, after: bool) -> Trouble | None:
        for fault in self.planned:
            if (fault.call, fault.after) == (call, after):
                fault.times -= 1
                if not fault.times:
                    self.planned.remove(fault)
                return fault.trouble
        return None

    def next_stop(self, call: Call, *, after: bool) -> Stop | None:
        for stop in self.stops:
            if (stop.call, stop.after) == (call, after):
                self.stops.remove(stop)
                self._reached.append(stop)
                return stop
        return None

    def let_all_go(self) -> None:
        """At the end of a test: a server waits for the requests that it still answers."""
        for stop in self._reached:
            stop.go()
        self.stops.clear()
        self._reached.clear()


@dataclass(slots=True)
class Post:
    """How webhooks travel. Each switch stays on until it is turned off."""

    delay_s: float = 0
    doubled: bool = False
    reordered: bool = False
    """What is told together arrives with the last first."""
    dropped: bool = False
    forged: bool = False
    """Signed by somebody who does not know the secret."""
    stale_s: int = 0
    """Signed so many seconds ago."""
