"""What visitors were told, and what may be concluded from it: whose seats were certainly theirs, and until when.

All instants are seconds on the clock of this process, which nobody steps.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

FOR_EVER = math.inf


@dataclass(frozen=True)
class Grant:
    """A hold, as one answer told of it: asked for and heard of at these instants, with so much time left."""

    sent_s: float
    heard_s: float
    left_s: float


@dataclass
class Leap:
    """Redis's clock was put forward somewhen between these instants: deadlines came nearer by so much."""

    from_s: float
    by_s: float
    until_s: float = FOR_EVER
    """Whoever asked later has an answer of after it."""


@dataclass
class Loss:
    """Redis forgot something; until it was filled anew nobody's hold was certain."""

    from_s: float
    until_s: float = FOR_EVER


@dataclass(frozen=True)
class Denial:
    """The server said that a hold was no more."""

    sent_s: float
    heard_s: float
    told: str
    excused_after_s: float = FOR_EVER
    """On Redis's clock: if the answer took longer than this, somebody else was right to decide meanwhile."""


@dataclass(frozen=True)
class Span:
    slot: str
    seats: int
    from_s: float
    until_s: float
    whose: str


@dataclass(frozen=True)
class Former:
    """What a hold had before its lines were changed: until it was asked to."""

    lines: tuple[tuple[str, int], ...]
    grant: Grant
    until_s: float


@dataclass
class Page:
    """Where a hold is to be paid at the pretend Stripe: until then its seats wait."""

    session: str
    grant: Grant
    left_s: float = FOR_EVER
    """When its customer left it, its window was closed or its payment came to nothing: others may have the seats."""
    paid_s: float = FOR_EVER
    """When its customer first tried to."""
    is_paid: bool = False
    comes_back: bool = False
    """Its customer is away for a moment only."""


@dataclass
class Visit:
    """What one visitor wanted, did, and was told."""

    id: str
    lines: tuple[tuple[str, int], ...]
    grant: Grant | None = None
    former: list[Former] = field(default_factory=list)
    let_go_s: float = FOR_EVER
    """When it was first asked to end the hold in some way."""
    denials: list[Denial] = field(default_factory=list)
    confirmation_sent: bool = False
    booked_s: float = FOR_EVER
    """When the first answer came that said so."""
    numbers: set[str] = field(default_factory=set)
    """Of the order, in all answers; and the secrets beside them."""
    secrets: set[str] = field(default_factory=set)
    booked_lines: set[frozenset[tuple[str, int]]] = field(default_factory=set)
    """What the answers said was booked."""
    refused: str | None = None
    """The last word about the confirmation, where that was a no for good."""
    cancellation_sent_s: float = FOR_EVER
    cancelled: bool = False
    page: Page | None = None
    """Of whoever pays: the last one that was opened for them."""
    is_paid: bool = False
    """Some answer said so."""
    expired: bool = False
    """The last word about the payment, unless they have begun another one: nothing was taken, and nothing is booked."""
    chosen: set[frozenset[tuple[str, int]]] = field(default_factory=set)
    """What they wanted of what they were offered, having paid too late."""
    story: list[str] = field(default_factory=list)
    """Every call and its answer, for whoever has to find out what went wrong."""


@dataclass
class Ledger:
    visits: dict[str, Visit] = field(default_factory=dict)
    leaps: list[Leap] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """How often which call was answered how."""
    surprises: list[str] = field(default_factory=list)
    """Answers that no fault excuses."""

    @property
    def bookings(self) -> int:
        """Of which somebody was told."""
        return sum(1 for visit in self.visits.values() if visit.numbers)

    @property
    def payments(self) -> int:
        """Of customers who were at their page, whatever they heard of it since."""
        return sum(visit.page is not None and visit.page.is_paid for visit in self.visits.values())

    def ends_s(self, grant: Grant) -> float:
        """Up to when a hold has time, whatever the network did to the answer that told of it."""
        left_s, at_s = grant.left_s, grant.sent_s
        for leap in sorted(self.leaps, key=lambda leap: leap.from_s):
            leapt_s = max(leap.from_s, at_s)
            if leap.until_s < grant.sent_s or leapt_s - at_s >= left_s:
                continue
            left_s, at_s = max(0.0, left_s - (leapt_s - at_s) - leap.by_s), leapt_s
        return at_s + left_s

    def certain(self, visit: Visit) -> tuple[float, float]:
        """From when to when the hold was certainly alive, as far as its visitor left it so; empty where never."""
        return (0.0, 0.0) if visit.grant is None else self._certain(visit.grant)

    def _certain(self, grant: Grant) -> tuple[float, float]:
        until_s = self.ends_s(grant)
        for loss in self.losses:
            if grant.sent_s <= loss.from_s:
                until_s = min(until_s, loss.from_s)
            elif grant.sent_s < loss.until_s:
                return (0.0, 0.0)
        return (grant.heard_s, until_s)

    def certain_at_page(self, visit: Visit) -> tuple[float, float]:
        """From when to when seats certainly waited for their payment; empty where never."""
        if visit.page is None:
            return (0.0, 0.0)
        from_s, until_s = self._certain(visit.page.grant)
        return from_s, min(until_s, visit.page.left_s, visit.booked_s)

    def at_their_pages(self) -> list[Visit]:
        """Those who may still pay."""
        with_page = [visit for visit in self.visits.values() if visit.page is not None]
        return [visit for visit in with_page if visit.page and visit.page.left_s == visit.page.paid_s == FOR_EVER]

    def leave_pages(self, visits: Iterable[Visit], now_s: float) -> None:
        """Whatever they do from now on, their seats may be somebody else's."""
        for visit in visits:
            if visit.page is not None:
                visit.page.left_s = min(visit.page.left_s, now_s)

    def spans(self) -> Iterator[Span]:
        """All seats that certainly were somebody's."""
        for visit in self.visits.values():
            held = [Former(visit.lines, visit.grant, visit.let_go_s)] if visit.grant else []
            pays = [Former(visit.lines, visit.page.grant, min(visit.page.left_s, visit.booked_s))] if visit.page else []
            for had in [*visit.former, *held, *pays]:
                from_s, until_s = self._certain(had.grant)
                for slot, seats in had.lines:
                    if from_s < min(until_s, had.until_s):
                        yield Span(slot, seats, from_s, min(until_s, had.until_s), visit.id)
            for slot, seats in next(iter(visit.booked_lines), ()):
                if visit.booked_s < visit.cancellation_sent_s:
                    yield Span(slot, seats, visit.booked_s, visit.cancellation_sent_s, visit.id)

    def complaints(self, capacity: Mapping[str, int]) -> list[str]:
        """What was promised and cannot be true. `capacity` is that of each service."""
        return [*self.surprises, *self._oversold(capacity), *self._denied(), *self._told_differently()]

    def _oversold(self, capacity: Mapping[str, int]) -> Iterator[str]:
        changes: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
        for span in self.spans():
            changes[span.slot] += [(span.from_s, span.seats), (span.until_s, -span.seats)]
        for slot, moved in changes.items():
            taken = 0
            for at_s, seats in sorted(moved):
                taken += seats
                if taken > capacity[slot.partition(".")[0]]:
                    whose = [span for span in self.spans() if span.slot == slot and span.from_s <= at_s < span.until_s]
                    yield f"oversold: {taken} seats of {slot} were somebody's at {at_s:.3f}: {whose}"
                    break

    def _denied(self) -> Iterator[str]:
        for visit in self.visits.values():
            from_s, until_s = self.certain(visit)
            for denial in visit.denials:
                took_s = denial.heard_s - denial.sent_s + self._leapt_s(denial.sent_s, denial.heard_s)
                if from_s <= denial.sent_s and denial.heard_s < until_s and took_s < denial.excused_after_s:
                    yield f"ended early: {visit.id} was told {denial.told} with {until_s - denial.heard_s:.1f} s left"

    def _leapt_s(self, from_s: float, until_s: float) -> float:
        return sum(leap.by_s for leap in self.leaps if leap.from_s <= until_s and from_s <= leap.until_s)

    def _told_differently(self) -> Iterator[str]:
        for visit in self.visits.values():
            if len(visit.numbers) > 1 or len(visit.secrets) > 1 or len(visit.booked_lines) > 1:
                yield f"two orders: {visit.id} was told of {sorted(visit.numbers)}"
