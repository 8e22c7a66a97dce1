"""The only place that finds attempts to pay, claims those that are due, and turns their rows into values and back."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, union_all, update
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from widget_server.domain.alternatives import STANDING
from widget_server.domain.attempts import Attempt
from widget_server.domain.methods import Method
from widget_server.domain.money import Money
from widget_server.domain.payments import (
    AttemptState,
    MovePayment,
    OrderPayment,
    Refund,
    RefundReason,
    RefundState,
    Terms,
)
from widget_server.errors import NotFound
from widget_server.store.database import Database
from widget_server.store.disputes import disputes_of
from widget_server.store.messages import Messages
from widget_server.store.offered import read_offered
from widget_server.store.tables import AlternativeRow, AttemptRow, OrderRow, RefundRow
from widget_server.store.wanted import from_move, from_wanted, to_move, to_wanted

CLAIMED_FOR = timedelta(seconds=20)
"""Should whoever sees to an attempt die, another does after that."""
ENDED_KEPT = timedelta(days=30)
"""Attempts of which nothing was kept go after that, with who wanted to pay."""
WHY_LENGTH_MAX = 500
_PRUNED_AT_ONCE = 1_000
WAITING = (AttemptState.OPENING, AttemptState.OPEN)
"""What becomes of their holds is for Stripe to say."""
_NEXT_DUE = select(func.min(col(AttemptRow.due_at)))
_OF_HOLD = (
    select(AttemptRow)
    .where(col(AttemptRow.site_id) == bindparam("site_id"), col(AttemptRow.hold_id) == bindparam("hold_id"))
    .order_by(col(AttemptRow.id).desc())
    .limit(1)
)
_LOCKED = select(AttemptRow).where(col(AttemptRow.public_id) == bindparam("public_id")).with_for_update(key_share=True)
_LAST_OF_SITE = (
    select(AttemptRow)
    .where(col(AttemptRow.site_id) == bindparam("site_id"))
    .order_by(col(AttemptRow.id).desc())
    .limit(1)
)
_WITH_ID = _LAST_OF_SITE.where(col(AttemptRow.public_id) == bindparam("which"))
_OPEN_MOVE = _LAST_OF_SITE.where(col(AttemptRow.order_id) == bindparam("which"), col(AttemptRow.state).in_(WAITING))
_WITH_INTENT = _LAST_OF_SITE.where(col(AttemptRow.intent_id) == bindparam("which"))
_of_order = (col(AttemptRow.site_id) == bindparam("site_id"), col(AttemptRow.order_id) == bindparam("hold_id"))
_LAST_MOVE = select(func.max(col(AttemptRow.id))).where(*_of_order).scalar_subquery()
_PAYING = (
    select(AttemptRow)
    .where(
        col(AttemptRow.id).in_(
            union_all(
                select(func.max(col(AttemptRow.id))).where(
                    col(AttemptRow.site_id) == bindparam("site_id"), col(AttemptRow.hold_id) == bindparam("hold_id")
                ),
                select(col(AttemptRow.id)).where(
                    *_of_order, (col(AttemptRow.state) == AttemptState.PAID) | (col(AttemptRow.id) == _LAST_MOVE)
                ),
            )
        )
    )
    .order_by(col(AttemptRow.id))
)
"""What an order was paid by, the oldest first: the last attempt for itself, those of its moves, and the last of these
whatever became of it.
"""
_REFUNDS_OF = (
    select(RefundRow)
    .where(col(RefundRow.site_id) == bindparam("site_id"), col(RefundRow.order_id) == bindparam("order_id"))
    .order_by(col(RefundRow.id))
)


class Attempts:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, site_id: int, attempt_id: str) -> Attempt | None:
        return await self._one(_WITH_ID, site_id, attempt_id)

    async def of_intent(self, site_id: int, intent_id: str) -> Attempt | None:
        return await self._one(_WITH_INTENT, site_id, intent_id)

    async def last_of(self, site_id: int, hold_id: str) -> Attempt | None:
        """The last one to pay a hold: no other can still be open."""
        async with self._db.snapshot() as session:
            row = await read_last(session, site_id, hold_id)
            return to_attempt(row) if row else None

    async def open_move(self, site_id: int, order_id: str) -> Attempt | None:
        """The move of an order that is being paid, if one is."""
        return await self._one(_OPEN_MOVE, site_id, order_id)

    async def payment_of(self, site_id: int, hold_id: str) -> OrderPayment | None:
        """How that stands, with what goes back of it."""
        async with self._db.snapshot() as session:
            return await read_payment(session, site_id, hold_id)

    async def waits(self, site_id: int, hold_id: str) -> bool:
        """Whether it is Stripe that says what becomes of a pinned hold, or a customer who has paid too late."""
        async with self._db.snapshot() as session:
            return bool(await read_waiting(session, site_id, [hold_id]))

    async def due(self, limit: int, *, at: datetime, claim: timedelta = CLAIMED_FOR) -> list[Attempt]:
        """Claim up to `limit`, the longest due first. Nobody else gets them until `claim` has passed."""
        if not await self._any_due(at):
            return []
        longest_due = select(AttemptRow).where(col(AttemptRow.due_at) <= at).order_by(col(AttemptRow.due_at))
        async with self._db.transaction() as session:
            locked = longest_due.limit(limit).with_for_update(skip_locked=True, key_share=True)
            rows = (await session.exec(locked)).all()
            for row in rows:
                row.due_at, row.asked_at, row.tries = at + claim, at, row.tries + 1
            return [to_attempt(row) for row in rows]

    async def may_ask(self, attempt_id: str, *, at: datetime, not_since: datetime) -> bool:
        """Whether nobody has asked Stripe since then; whoever is told so, does."""
        ours = (col(AttemptRow.public_id) == attempt_id, col(AttemptRow.asked_at) <= not_since)
        never = (col(AttemptRow.public_id) == attempt_id, col(AttemptRow.asked_at).is_(None))
        async with self._db.transaction() as session:
            asked = [
                await session.exec(update(AttemptRow).where(*where).values(asked_at=at)) for where in (ours, never)
            ]
            return any(each.rowcount for each in asked)

    async def look_again(self, seen: Attempt, next_at: datetime, why: str = "") -> None:
        """Nothing has changed, or something went wrong: at `next_at`, unless it has gone on meanwhile."""
        unchanged = (col(AttemptRow.public_id) == seen.id, col(AttemptRow.state) == seen.state)
        noted = {"why": why[:WHY_LENGTH_MAX]} if why else {}
        async with self._db.transaction() as session:
            again = update(AttemptRow).where(*unchanged, col(AttemptRow.due_at).is_not(None))
            await session.exec(again.values(due_at=next_at, **noted))

    async def wake(self, site_id: int, at: datetime, *, paying: bool) -> None:
        """Redis has forgotten pins of a site: attempts that wait for them are seen to at once. Without `paying`, only
        those of which the customer chooses other seats.
        """
        states = (*WAITING, AttemptState.OFFERING) if paying else (AttemptState.OFFERING,)
        waiting = (col(AttemptRow.site_id) == site_id, col(AttemptRow.state).in_(states))
        async with self._db.transaction() as session:
            await session.exec(update(AttemptRow).where(*waiting).values(due_at=at, tries=0))

    async def prune(self, site_id: int, at: datetime) -> int:
        """Forget those that ended long ago, or who wanted to pay, where something was paid and went back, and what they
        were told of it. A bounded number; return how many.
        """
        long_ago = (
            col(AttemptRow.site_id) == site_id,
            col(AttemptRow.ended_at) < at - ENDED_KEPT,
            col(AttemptRow.due_at).is_(None),
            col(AttemptRow.digest) != "",
        )
        oldest = select(AttemptRow).where(*long_ago).order_by(col(AttemptRow.ended_at)).limit(_PRUNED_AT_ONCE)
        async with self._db.snapshot() as session:
            if (await session.exec(oldest.limit(1))).first() is None:
                return 0
        async with self._db.transaction() as session:
            rows = (await session.exec(oldest)).all()
            for row in rows:
                if row.was_paid:
                    _erase(row)
                    await _erase_messages(session, row, at)
                else:
                    await session.delete(row)
            return len(rows)

    @staticmethod
    async def erase(session: AsyncSession, site_id: int, order_id: str) -> None:
        """Take out who wanted to pay an order or its moves, however often. What was paid stays."""
        of_order = select(AttemptRow).where(is_of_order(site_id, order_id))
        for row in await session.exec(of_order.with_for_update(key_share=True)):
            _erase(row)

    async def _one(self, asked: SelectOfScalar[AttemptRow], site_id: int, which: str) -> Attempt | None:
        async with self._db.snapshot() as session:
            row = (await session.exec(asked, params={"site_id": site_id, "which": which})).one_or_none()
            return to_attempt(row) if row else None

    async def _any_due(self, at: datetime) -> bool:
        """Looking first, as on SQLite a transaction keeps everybody else from writing."""
        async with self._db.snapshot() as session:
            next_at = (await session.exec(_NEXT_DUE)).one()
        return next_at is not None and next_at <= at


async def read_waiting(session: AsyncSession, site_id: int, hold_ids: Collection[str]) -> set[str]:
    """Those of these holds whose pins wait for Stripe, or for a customer to choose."""
    paying = (col(AttemptRow.hold_id).in_(hold_ids), col(AttemptRow.state).in_(WAITING))
    of_holds = (col(AlternativeRow.site_id) == site_id, col(AlternativeRow.hold_id).in_(hold_ids))
    offered = (*of_holds, col(AlternativeRow.state).in_(STANDING), col(AttemptRow.state) == AttemptState.OFFERING)
    waiting = set(await session.exec(select(AttemptRow.hold_id).where(col(AttemptRow.site_id) == site_id, *paying)))
    chosen_from = select(AlternativeRow.hold_id).join(AttemptRow, _its_attempt).where(*offered)
    return waiting | set(await session.exec(chosen_from))


_its_attempt = col(AttemptRow.id) == col(AlternativeRow.attempt_id)


def _erase(row: AttemptRow) -> None:
    """Names, address and answers, where somebody is from, how they paid, and what was sent: who guesses that could find
    it confirmed.
    """
    lines = [{**line, "attendees": [], "emails": [], "answers": []} for line in row.wanted["lines"]]
    row.wanted = {**row.wanted, "customer": ["", "", "UTC", "en"], "lines": lines}
    row.digest, row.method = "", None


async def _erase_messages(session: AsyncSession, row: AttemptRow, at: datetime) -> None:
    """Nobody else could: what is erased otherwise is an order, and there is none."""
    of_hold = (col(OrderRow.site_id) == row.site_id, col(OrderRow.hold_id) == row.hold_id)
    if (await session.exec(select(OrderRow.id).where(*of_hold))).first() is None:
        await Messages.erase(session, row.site_id, row.hold_id, at, address_hash=None)


def is_of_order(site_id: int, order_id: str) -> ColumnElement[bool]:
    """Whether an attempt pays an order, or a move of it. By two indexes: with an *or*, none would be used."""
    ids = select(col(AttemptRow.id)).where(col(AttemptRow.site_id) == site_id)
    own, moves = col(AttemptRow.hold_id) == order_id, col(AttemptRow.order_id) == order_id
    return col(AttemptRow.id).in_(union_all(ids.where(own), ids.where(moves)))


def order_of(row: AttemptRow) -> str:
    """The order that it pays, or whose move."""
    return row.order_id or row.hold_id


async def lock_attempt(session: AsyncSession, attempt_id: str) -> AttemptRow:
    """Before everything else in its transaction. Refunds of it may be written meanwhile. Raises NotFound."""
    row = (await session.exec(_LOCKED, params={"public_id": attempt_id})).one_or_none()
    if row is None:
        raise NotFound("There is no such attempt.")
    return row


async def read_last(session: AsyncSession, site_id: int, hold_id: str) -> AttemptRow | None:
    """The last attempt to pay a hold: the only one that may not have ended."""
    return (await session.exec(_OF_HOLD, params={"site_id": site_id, "hold_id": hold_id})).one_or_none()


async def read_payment(session: AsyncSession, site_id: int, order_id: str) -> OrderPayment | None:
    """How an order was paid, or is to be."""
    rows = (await session.exec(_PAYING, params={"site_id": site_id, "hold_id": order_id})).all()
    row = next((row for row in rows if row.order_id is None), None)
    if row is None:
        return None
    moves = [to_attempt(row) for row in rows if row.order_id]
    refunds = (await session.exec(_REFUNDS_OF, params={"site_id": site_id, "order_id": order_id})).all()
    attempt, is_offered = to_attempt(row), row.state == AttemptState.OFFERING
    moved = [one for one in moves if one.state is AttemptState.PAID]
    return replace(
        (payment := attempt.payment()),
        parts=(*payment.parts, *(one.part() for one in moved)),
        disputes=tuple(dispute for one in (attempt, *moved) for dispute in one.disputes),
        move=_undecided(moves),
        is_stuck=payment.is_stuck or any(one.is_stuck for one in moves),
        refunds=tuple(to_refund(refund) for refund in refunds),
        terms=tuple(Terms(line.slot.service, line.refund_percent) for line in attempt.wanted.lines),
        alternatives=await read_offered(session, row.id) if is_offered and not row.chosen_id else (),
        offered_until=row.offered_until if is_offered else None,
    )


def _undecided(moves: Sequence[Attempt]) -> MovePayment | None:
    last = moves[-1] if moves else None
    if last is None or last.state is AttemptState.PAID or (last.state is AttemptState.ENDED and not last.was_paid):
        return None
    return last.move_payment()


def to_attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        id=row.public_id,
        site_id=row.site_id,
        hold_id=row.hold_id,
        fence=row.fence,
        is_test=row.is_test,
        state=AttemptState(row.state),
        secret_hash=row.secret_hash,
        order_secret_hash=row.order_secret_hash,
        digest=row.digest,
        wanted=to_wanted(row.wanted, row.currency),
        amount=Money(row.amount_minor, row.currency),
        created_at=row.created_at,
        pay_until=row.pay_until,
        session_id=row.session_id,
        session_url=row.session_url,
        intent_id=row.intent_id,
        was_paid=row.was_paid,
        went_back_at=row.went_back_at,
        asked_at=row.asked_at,
        due_at=row.due_at,
        tries=row.tries,
        why=row.why,
        seats_id=row.seats_id,
        offered_until=row.offered_until,
        chosen_id=row.chosen_id,
        disputes=disputes_of(row),
        method=Method(**row.method) if row.method else None,
        move=to_move(row.order_id, row.wanted["move"]) if row.order_id else None,
    )


def new_row(attempt: Attempt, *, due_at: datetime) -> AttemptRow:
    return AttemptRow(
        public_id=attempt.id,
        site_id=attempt.site_id,
        hold_id=attempt.hold_id,
        fence=attempt.fence,
        is_test=attempt.is_test,
        state=attempt.state,
        secret_hash=attempt.secret_hash,
        order_secret_hash=attempt.order_secret_hash,
        digest=attempt.digest,
        wanted=from_wanted(attempt.wanted) | ({"move": from_move(attempt.move)} if attempt.move else {}),
        order_id=attempt.move.order_id if attempt.move else None,
        amount_minor=attempt.amount.amount_minor,
        currency=attempt.amount.currency,
        was_paid=False,
        created_at=attempt.created_at,
        pay_until=attempt.pay_until,
        due_at=due_at,
        tries=0,
    )


def move_on(
    row: AttemptRow, state: AttemptState, *, at: datetime, due_in: timedelta | None = timedelta(0), why: str = ""
) -> None:
    """To another state, which whoever calls this sees to next; should they die, the worker does at once."""
    row.state = state
    row.tries = 0
    row.due_at = None if due_in is None else at + due_in
    row.why = why[:WHY_LENGTH_MAX] or row.why
    if state is AttemptState.ENDED:
        row.ended_at = at


def to_refund(row: RefundRow) -> Refund:
    return Refund(
        id=row.public_id,
        amount=Money(row.amount_minor, row.currency),
        reason=RefundReason(row.reason),
        state=RefundState(row.state),
        why=row.why or "",
        created_at=row.created_at,
    )
