"""The only place that keeps what people were told, and so may rely on: holds until their deadline, orders for ever."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from widget_server.clock import to_ms
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.orders import Order
from widget_server.ids import hash_secret
from widget_server.simulator.prices import total_of
from widget_server.use_cases.pinning import HoldRef, OrderRef, Visit
from widget_server.use_cases.rescheduling import WantedReschedule

REMEMBERED_MS = 20 * 3_600_000
IN_MIND_MAX = 250
"""So many visitors at a time still want something of their holds."""
CONFIRMING_MAX = 30


@dataclass
class Visitor:
    """One hold, as far as whoever took it knows."""

    id: str
    site: str
    lines: tuple[Line, ...]
    secret: str
    visit: Visit
    schedule: int = 0
    """The version of the schedule that they chose from."""
    wanted: set[tuple[Line, ...]] = field(default_factory=set)
    """Other lines that were asked for or held, and may have been given unheard, or come back with an older Redis."""
    state: str = "asked"
    """asked, held, paying or over."""
    deadline_ms: int = 0
    """Or when it was asked for."""
    version: int = 0
    is_sure: bool = False
    """Whether the last answer is known, and nobody else has asked anything since."""
    losses: int = 0
    """What Redis had lost by then: whatever it loses later, this hold may be among it."""
    has_paid: bool = False
    """Or tried to: then a failed payment may have given more time."""
    confirming: tuple[Line, ...] | None = None
    """The lines of their confirmation, once they sent one: the same are sent again, whatever came of it."""
    refused: bool = False
    """Whether a confirmation was answered with a no for good."""
    order: tuple[str, str] | None = None
    """Its number and its secret."""
    move: WantedReschedule | None = None
    """Where they last wanted to move their order."""
    cancelling: bool = False
    cancelled: bool = False
    _asking: int = 0
    _asked: int = 0

    @property
    def is_priced(self) -> bool:
        return not total_of(self.lines).is_free

    @property
    def ref(self) -> HoldRef:
        return HoldRef(self.site, self.id, hash_secret(self.secret))

    @property
    def order_ref(self) -> OrderRef:
        assert self.order is not None
        return OrderRef(self.site, self.id, hash_secret(self.order[1]))

    @contextmanager
    def asking(self, losses: int) -> Iterator["Asking"]:
        """While something is asked about this hold. `losses` is what Redis had lost before."""
        self._asked += 1
        asking = Asking(self, self._asked, losses, was_alone=self._asking == 0, was_sure=self.is_sure)
        self._asking += 1
        self.is_sure = False
        try:
            yield asking
        finally:
            self._asking -= 1

    def was_asked_since(self, number: int) -> bool:
        return self._asked != number

    def holds(self, hold: Hold, losses: int) -> None:
        self.wanted.add(self.lines)
        self.lines = hold.lines
        self.state = "paying" if hold.state is HoldState.PAYING else "held"
        self.deadline_ms, self.version = _ms(hold.expires_at), hold.version
        self.losses = losses

    def __str__(self) -> str:
        lines = "+".join(f"{line.seats}x{line.slot.id}" for line in self.lines)
        return f"{self.site}/{self.id[:4]} {lines}"


class Asking:
    """One question about a hold; others may come in between."""

    def __init__(self, visitor: Visitor, number: int, losses: int, *, was_alone: bool, was_sure: bool) -> None:
        self.losses = losses
        self._visitor = visitor
        self._number = number
        self._was_alone = was_alone
        self._was_sure = was_sure

    @property
    def alone(self) -> bool:
        return self._was_alone and not self._visitor.was_asked_since(self._number)

    def is_binding(self, losses: int) -> bool:
        """Whether what the visitor was told last must still be so: nothing was lost, and nobody came in between."""
        return self.alone and self._was_sure and losses == self._visitor.losses

    def settle(self) -> None:
        """The answer is known."""
        self._visitor.is_sure = self.alone


class Ledger:
    def __init__(self, chance: Random) -> None:
        self.visitors: deque[Visitor] = deque(maxlen=IN_MIND_MAX)
        self.customers: deque[Visitor] = deque(maxlen=IN_MIND_MAX)
        self.confirming: deque[Visitor] = deque(maxlen=CONFIRMING_MAX)
        """Who sent a confirmation of late."""
        self.orders: dict[tuple[str, str], Visitor] = {}
        """All that were ever confirmed to somebody."""
        self._chance = chance

    def one(self, now_ms: int, *states: str) -> Visitor | None:
        """Anybody in one of these states, the latest more often than the others.

        Nobody comes back to a hold when Redis may have forgotten how it ended.
        """
        recent_ms = now_ms - REMEMBERED_MS
        found = [one for one in self.visitors if one.state in states and one.deadline_ms >= recent_ms]
        return found[-1 - int(len(found) * self._chance.random() ** 2)] if found else None

    def latecomer(self, now_ms: int) -> Visitor | None:
        """Whose hold has just ended."""
        ended = [one for one in self.visitors if one.state == "held" and one.deadline_ms <= now_ms]
        return max(ended, key=lambda one: one.deadline_ms, default=None)

    def priced(self, now_ms: int) -> Visitor | None:
        """As `one` of those who hold what they have to pay."""
        recent_ms = now_ms - REMEMBERED_MS
        held = [one for one in self.visitors if one.state == "held" and one.is_priced]
        found = [one for one in held if one.deadline_ms >= recent_ms]
        return found[-1 - int(len(found) * self._chance.random() ** 2)] if found else None

    def unsure(self) -> Visitor | None:
        """Whose confirmation has had no answer, or a no."""
        return next((one for one in reversed(self.confirming) if one.order is None), None)

    def customer(self) -> Visitor | None:
        return self._chance.choice(self.customers) if self.customers else None

    def confirmed(self, visitor: Visitor, order: Order, secret: str) -> None:
        visitor.state = "over"
        if visitor.order is None:
            visitor.order = (order.number, secret)
            self.customers.append(visitor)
            self.orders[visitor.site, visitor.id] = visitor


def _ms(instant: datetime) -> int:
    return to_ms(instant)
