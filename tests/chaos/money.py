"""Whose money is where, as SQL and the pretend Stripe have it once all is quiet, and what is wrong with it."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from tests.chaos.ledger import Visit
from tests.payments.shop import Shop

_SETTLED = ("paid", "ended")
_GONE = (None, "canceled", "succeeded")
"""Of an intent with which nothing can be taken any more; what was taken is compared with what was given back."""


@dataclass(frozen=True)
class Attempt:
    id: str
    hold: str
    state: str
    rests: bool
    """Nobody is to see to it again; for SQLite that is a number."""
    session: str | None
    amount: int
    seats: str | None
    """The hold of other seats, which it has in place of those that were wanted."""


@dataclass(frozen=True)
class Order:
    number: str
    state: str
    total: int


@dataclass(frozen=True)
class Refund:
    id: str
    attempt: str
    amount: int
    state: str


@dataclass(frozen=True)
class Payment:
    """A session, and what was paid with it, at Stripe."""

    attempt: str
    """As it was told when the page was opened."""
    is_open: bool
    intent: str | None
    captured: int = 0
    refunds: Mapping[str, int] = field(default_factory=dict)
    """Our id of each -> how much has gone back."""

    @property
    def kept(self) -> int:
        return self.captured - sum(self.refunds.values())


@dataclass(frozen=True)
class Money:
    attempts: Sequence[Attempt] = ()
    orders: Mapping[str, Order] = field(default_factory=dict)
    """By hold."""
    refunds: Sequence[Refund] = ()
    offers: Sequence[str] = ()
    """Holds of other seats that somebody may still choose."""
    payments: Mapping[str, Payment] = field(default_factory=dict)
    """By session."""

    def unfinished(self) -> list[str]:
        """What waits for a customer, for Stripe or for a worker."""
        found = [f"an attempt is {one.state}: {one}" for one in self.attempts if not self._is_settled(one)]
        found += [f"a refund is {one.state}: {one}" for one in self.refunds if one.state != "done"]
        return found + [f"other seats are offered: {hold}" for hold in self.offers]

    def holder(self, hold: str) -> str:
        """The hold under which the seats of an order were booked."""
        return next((one.seats for one in self.attempts if one.hold == hold and one.seats), hold)

    def waiting(self) -> set[str]:
        """Holds of which nobody but Stripe says what becomes, or a customer who has paid too late."""
        return {one.hold for one in self.attempts if one.state in ("opening", "open")} | set(self.offers)

    def complaints(self, booked: Collection[str], visits: Mapping[str, Visit]) -> Iterator[str]:
        """Of all that is settled. `booked` are the holds with bookings that were not cancelled."""
        unsettled = {one.hold for one in self.attempts if not self._is_settled(one)}
        unsettled |= {one.hold for one in self.attempts for refund in self._refunds_of(one) if refund.state != "done"}
        for attempt in self.attempts:
            if attempt.hold not in unsettled:
                yield from self._of_attempt(attempt)
        yield from self._of_pages()
        yield from self._of_holds(booked, unsettled)
        for visit in visits.values():
            yield from self._of_visit(visit, booked)

    def _of_attempt(self, attempt: Attempt) -> Iterator[str]:
        """What SQL says of it is what Stripe does."""
        order, payment = self.orders.get(attempt.hold), self._paid_by(attempt)
        if attempt.state == "paid" and (payment is None or payment.captured != attempt.amount):
            yield f"SQL says paid, Stripe says otherwise: {attempt}, {payment}"
        if attempt.state == "paid" and (order is None or order.state not in ("paid", "refunded")):
            yield f"paid without its order: {attempt}, {order}"
        if attempt.session is not None and payment is None:
            yield f"Stripe knows nothing of the page of {attempt}"
        if payment is not None:
            yield from self._of_payment(attempt, payment)

    def _of_payment(self, attempt: Attempt, payment: Payment) -> Iterator[str]:
        if payment.is_open:
            yield f"a page can still be paid: {attempt}, {payment}"
        if payment.intent not in _GONE:
            yield f"money is set aside, or may be taken: {attempt}, {payment}"
        if attempt.state == "ended" and payment.kept:
            yield f"charged for nothing: {payment.kept} of {attempt}, {payment}"
        in_sql = {one.id: one.amount for one in self._refunds_of(attempt)}
        if in_sql != payment.refunds:
            yield f"refunds of {attempt}: {in_sql} in SQL, {payment.refunds} at Stripe"

    def _of_pages(self) -> Iterator[str]:
        """Of pages that nobody has heard of, none is paid."""
        heard_of = {(one.session, one.id) for one in self.attempts}
        for session, payment in self.payments.items():
            if payment.intent is not None and (session, payment.attempt) not in heard_of:
                yield f"paid at a page of nobody's: {session}, {payment}"

    def _of_holds(self, booked: Collection[str], unsettled: Collection[str]) -> Iterator[str]:
        """What is kept is the price of what is booked, no more and no less."""
        kept: defaultdict[str, int] = defaultdict(int)
        for attempt in self.attempts:
            payment = self._paid_by(attempt)
            kept[attempt.hold] += payment.kept if payment else 0
        for hold in (kept.keys() | self.orders.keys()) - set(unsettled):
            order = self.orders.get(hold, Order("", "none", 0))
            price = order.total if hold in booked else 0
            if kept[hold] != price:
                yield f"{kept[hold]} is kept for {price}: {hold}, {order}"
            if order.total and hold not in booked and order.state not in ("refunded", "voided"):
                yield f"nothing of it is booked any more, and the order says {order}: {hold}"

    def _of_visit(self, visit: Visit, booked: Collection[str]) -> Iterator[str]:
        """Nobody was told that they have paid who has not, nor that nothing was taken where something was."""
        paid_by = [self._paid_by(one) for one in self.attempts if one.hold == visit.id]
        captured = sum(payment.captured for payment in paid_by if payment)
        if visit.is_paid and not captured:
            yield f"{visit.id} was told it is paid, and nothing was taken; {'; '.join(visit.story)}"
        if visit.expired and (captured or visit.id in booked):
            yield f"{visit.id} was told nothing was taken, and {captured} was; {'; '.join(visit.story)}"

    def _paid_by(self, attempt: Attempt) -> Payment | None:
        return self.payments.get(attempt.session or "")

    def _is_settled(self, attempt: Attempt) -> bool:
        return attempt.state in _SETTLED and attempt.rests

    def _refunds_of(self, attempt: Attempt) -> list[Refund]:
        return [one for one in self.refunds if one.attempt == attempt.id]


def read_money(sql: Connection, shop: Shop | None) -> Money:
    """Both sides at once: nothing else runs in this process meanwhile, and so nothing happens at the pretend Stripe."""
    attempts = sql.execute(
        text("SELECT public_id, hold_id, state, due_at IS NULL, session_id, amount_minor, seats_id FROM attempt")
    )
    refunds = sql.execute(
        text(
            "SELECT refund.public_id, attempt.public_id, refund.amount_minor, refund.state FROM refund "
            "JOIN attempt ON attempt.id = attempt_id"
        )
    )
    orders = sql.execute(text("SELECT hold_id, number, state, total_minor FROM orders")).all()
    offers = sql.execute(text("SELECT hold_id FROM alternative WHERE state IN ('wanted', 'held')")).scalars()
    return Money(
        attempts=[Attempt(*row) for row in attempts],
        orders={hold: Order(*rest) for hold, *rest in orders},
        refunds=[Refund(*row) for row in refunds],
        offers=list(offers),
        payments=_payments(shop) if shop else {},
    )


def _payments(shop: Shop) -> dict[str, Payment]:
    given_back: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for refund in shop.account.refunds.values():
        ours = refund.metadata.get("refund", refund.id)
        given_back[refund.charge.intent_id][ours] = given_back[refund.charge.intent_id].get(ours, 0) + refund.amount
    return {
        session.id: Payment(
            attempt=session.metadata.get("attempt", ""),
            is_open=session.status == "open",
            intent=session.intent.status if session.intent else None,
            captured=session.intent.amount_received if session.intent else 0,
            refunds=given_back[session.intent.id] if session.intent else {},
        )
        for session in shop.account.sessions.values()
    }
