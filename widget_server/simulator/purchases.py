"""The only place that keeps what payers know: the page they were sent to, what they did there, what became of it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.ids import hash_secret
from widget_server.simulator.ledger import Visitor
from widget_server.simulator.prices import total_of
from widget_server.use_cases.pinning import OrderRef

IN_MIND_MAX = 120


@dataclass(frozen=True, slots=True)
class Page:
    """A pay page, as its customer was sent to it."""

    session: str
    pay_until: datetime
    losses: int | None
    """How often Redis had lost something by then; None where that was still being found out."""


@dataclass
class Purchase:
    """Somebody who wants to pay, or has paid, for what they hold."""

    visitor: Visitor
    lines: tuple[Line, ...]
    secret: str = ""
    """Of the order, as soon as it is known."""
    page: Page | None = None
    """The latest that they were sent to."""
    is_open: bool = False
    """Its tab is, still or again."""
    notes: int = 0
    """How often they have changed what they send."""
    former: list[tuple[Line, ...]] = field(default_factory=list)
    """What they wanted to pay before: where that was paid, that counts."""
    went_back: bool = False
    offered: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    """What is held for them as they have paid too late, by the ids of its holds."""
    paid_in_time: Page | None = None
    is_paid: bool = False
    """They were told so."""
    asked_back: int = 0
    """What an operator wanted to give back, in minor units; whether that was heard is not known before it is said."""
    is_given_back: bool = False

    def want(self, lines: tuple[Line, ...]) -> None:
        """Something else than before."""
        self.former.append(self.lines)
        self.lines, self.notes = lines, self.notes + 1

    @property
    def total(self) -> Money:
        return total_of(self.lines)

    @property
    def order_ref(self) -> OrderRef:
        return OrderRef(self.visitor.site, self.visitor.id, hash_secret(self.secret))

    def __str__(self) -> str:
        return f"{self.visitor} for {self.total.amount_minor}"


class Purchases:
    def __init__(self, chance: Random) -> None:
        self._all: deque[Purchase] = deque(maxlen=IN_MIND_MAX)
        self._chance = chance

    def __iter__(self) -> Iterator[Purchase]:
        return iter(self._all)

    def of(self, visitor: Visitor) -> Purchase | None:
        return next((one for one in reversed(self._all) if one.visitor is visitor), None)

    def begin(self, visitor: Visitor) -> Purchase:
        purchase = Purchase(visitor, visitor.lines)
        self._all.append(purchase)
        return purchase

    def with_page(self) -> Purchase | None:
        """Somebody who can go to a page, mostly one of the latest."""
        return self._one([one for one in self._all if one.is_open and not one.is_paid])

    def unpaid(self) -> Purchase | None:
        """Somebody who has begun, whether they have heard of a page or not."""
        return self._one([one for one in self._all if not one.is_paid])

    def offered(self) -> Purchase | None:
        """Somebody who has other seats to choose from."""
        return self._one([one for one in self._all if one.offered and not one.is_paid])

    def paid(self) -> Purchase | None:
        return self._one([one for one in self._all if one.is_paid])

    def _one(self, some: list[Purchase]) -> Purchase | None:
        return some[-1 - int(len(some) * self._chance.random() ** 3)] if some else None
