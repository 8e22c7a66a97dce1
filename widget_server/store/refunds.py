"""The only place that keeps what goes back to customers: written with what it is for, done once, by the worker."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from widget_server.domain.attempts import Attempt
from widget_server.domain.audit_log import Entry, kept_money
from widget_server.domain.messages import Kind, NewMessage, Role
from widget_server.domain.money import Money
from widget_server.domain.orders import OrderState
from widget_server.domain.payments import (
    AttemptState,
    DisputeState,
    Payment,
    Refund,
    Refunded,
    RefundReason,
    RefundState,
    goes_back,
    is_whole,
    lost_minor,
)
from widget_server.errors import InvalidRequest, NotFound
from widget_server.ids import new_id
from widget_server.store.attempts import WHY_LENGTH_MAX, is_of_order, order_of, read_last, to_attempt, to_refund
from widget_server.store.audit_log import put_entry
from widget_server.store.database import Database, insert
from widget_server.store.disputes import disputes_of
from widget_server.store.messages import put_message
from widget_server.store.tables import AttemptRow, BookingRow, MeetingRow, OrderRow, RefundRow, values

CLAIMED_FOR = timedelta(seconds=60)
REFUSED_AGAIN_AFTER = timedelta(days=1)
"""Often a refund is refused because the account has no money just now. Nobody else asks for one without a booking."""
AFTER_THE_OTHERS = timedelta(seconds=30)
"""What was given back in Stripe's own pages is counted anew once it is known what became of all other refunds."""
_GONE_OR_GOING = (RefundState.WAITING, RefundState.DONE)
_NEXT_DUE = select(func.min(col(RefundRow.due_at)))
# Asked with each event of Stripe's, so they are made once: making one takes longer than running it.
_LOCKED_ORDER = (
    select(OrderRow)
    .where(col(OrderRow.site_id) == bindparam("site_id"), col(OrderRow.hold_id) == bindparam("order_id"))
    .with_for_update()
)
_SUM = select(func.coalesce(func.sum(RefundRow.amount_minor), 0)).where(
    col(RefundRow.attempt_id) == bindparam("attempt_id"),
    col(RefundRow.state).in_(bindparam("states", expanding=True)),
    col(RefundRow.reason) != bindparam("but"),
)
_LAST_RETURN = (
    select(RefundRow)
    .where(col(RefundRow.attempt_id) == bindparam("attempt_id"), col(RefundRow.reason) == RefundReason.NO_SEATS)
    .order_by(col(RefundRow.id).desc())
    .limit(1)
    .with_for_update()
)
_its_table: Any = RefundRow.__table__  # type: ignore[attr-defined]
_LOOK_AGAIN = (
    update(_its_table)
    .where(_its_table.c.attempt_id == bindparam("of_attempt"))
    .where(_its_table.c.state.in_(bindparam("states", expanding=True)))
    .values(state=RefundState.WAITING, due_at=bindparam("at"), ended_at=None)
)
_LOOK_AGAIN_AT_THOSE_WE_ASKED_FOR = _LOOK_AGAIN.where(_its_table.c.stripe_id.is_not(None))
_LOOK_AGAIN_AT_THE_OTHERS = _LOOK_AGAIN.where(_its_table.c.reason == RefundReason.AT_STRIPE)


@dataclass(frozen=True, slots=True)
class DueRefund:
    """A refund, with where its money is to come from."""

    id: str
    site_id: int
    order_id: str
    is_test: bool
    session_id: str
    intent_id: str
    amount: Money
    state: RefundState
    reason: RefundReason
    stripe_id: str | None
    """Stripe has it already, and is at it."""
    tries: int
    """How often somebody has begun to do it, this time too."""


class Refunds:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, site_id: int, order_id: str, amount: Money, *, entry: Entry) -> Refund:
        """As an operator decides. The same form again: the same refund.

        Raises NotFound; InvalidRequest for more than is left, another currency, or nothing.
        """
        async with self._db.transaction() as session:
            await _lock_order(session, site_id, order_id)
            before = await _of_form(session, site_id, entry.form_key)
            if before is not None:
                return to_refund(before)
            paid = await _paid_by(session, site_id, order_id)
            left = _left(paid)
            if any(each.state is DisputeState.OPEN for row, _ in paid for each in disputes_of(row)):
                raise InvalidRequest("This payment is disputed: until that is decided, Stripe pays nothing of it back.")
            if amount.currency != left.currency or amount.is_free:
                raise InvalidRequest("Say how much is to go back, in the currency of the order.")
            if not is_whole(amount):
                raise InvalidRequest("Amounts of this currency must end in 0 to be given back.")
            if amount.amount_minor > left.amount_minor:
                raise InvalidRequest("This is more than is left of what was paid.", left=left.amount_minor)
            row, *others = _draw(session, paid, amount, RefundReason.OPERATOR, entry.at)
            row.form_key = entry.form_key
            for each in (row, *others):
                each.operator_id = entry.operator_id
            put_entry(session, entry)
            await session.flush()
            return to_refund(row)

    async def left(self, site_id: int, order_id: str) -> Money:
        """Raises NotFound for an order that was never paid."""
        async with self._db.snapshot() as session:
            return _left(await _paid_by(session, site_id, order_id))

    async def return_all(
        self, attempt: Attempt, payment: Payment, at: datetime, *, besides: bool = False
    ) -> DueRefund | None:
        """What is left of a payment for which there is no booking, once; None where it has gone back for good.

        What waits at Stripe may still be refused by a bank, though Stripe counts it as given back. If it was refused
        a day ago or more, Stripe is asked for it anew. What went back with a lost dispute, Stripe counts apart.
        `besides`: what we gave back has gone for good, and yet something is left.
        """
        async with self._db.transaction() as session:
            row = (await session.exec(select(AttemptRow).where(col(AttemptRow.public_id) == attempt.id))).one()
            gone = payment.refunded_minor + lost_minor(disputes_of(row))
            left = Money(max(0, payment.captured_minor - gone), payment.amount.currency)
            refund = await _last_return(session, row)
            if not left.is_free and (refund is None or (besides and refund.state == RefundState.DONE)):
                new = insert(session, RefundRow).values(values(_new(row, left, RefundReason.NO_SEATS, at)))
                await session.exec(new.on_conflict_do_nothing())
                refund = await _last_return(session, row)
            if refund is None or (left.is_free and refund.state != RefundState.WAITING):
                return None
            if refund.state == RefundState.DONE:  # and then its bank refused it
                refund.state, refund.due_at, refund.ended_at = RefundState.WAITING, at, None
            if refund.state == RefundState.FAILED:
                _again(refund, left, at)
            if refund.state == RefundState.WAITING:
                refund.tries += 1
            return _to_due(refund, row)

    async def notice(self, attempt: Attempt, payment: Payment, at: datetime) -> Money:
        """More has gone back than we know of: somebody did it at Stripe. Return how much, and write it down.

        What waits there is looked at soon: something may have become of it. So is what was done, where less than that
        has gone back: a bank may refuse it days later.
        """
        async with self._db.transaction() as session:
            order = await _lock_order(session, attempt.site_id, attempt.order_id)
            row = await read_last(session, attempt.site_id, attempt.hold_id)
            assert row is not None
            doubtful = [RefundState.WAITING]
            if payment.refunded_minor < await _sum(session, row, RefundState.DONE):
                doubtful.append(RefundState.DONE)
            of_attempt = {"of_attempt": row.id, "states": doubtful}
            await session.exec(_LOOK_AGAIN_AT_THOSE_WE_ASKED_FOR, params={**of_attempt, "at": at})
            await session.exec(_LOOK_AGAIN_AT_THE_OTHERS, params={**of_attempt, "at": at + AFTER_THE_OTHERS})
            unknown = await _note_at_stripe(session, row, payment, at)
            if not unknown.is_free:
                await _note_how_much(session, order, row)
            return unknown

    async def due(self, limit: int, *, at: datetime, claim: timedelta = CLAIMED_FOR) -> list[DueRefund]:
        """Claim up to `limit`, the longest due first. Nobody else gets them until `claim` has passed."""
        async with self._db.snapshot() as session:
            next_at = (await session.exec(_NEXT_DUE)).one()
        if next_at is None or next_at > at:
            return []
        its_attempt = col(AttemptRow.id) == col(RefundRow.attempt_id)
        rows = select(RefundRow, AttemptRow).join(AttemptRow, its_attempt).where(col(RefundRow.due_at) <= at)
        async with self._db.transaction() as session:
            locked = rows.order_by(col(RefundRow.due_at)).limit(limit).with_for_update(of=RefundRow, skip_locked=True)
            found = (await session.exec(locked)).all()
            for refund, _ in found:
                refund.due_at, refund.tries = at + claim, refund.tries + 1
            return [_to_due(refund, attempt) for refund, attempt in found]

    async def answered(
        self, due: DueRefund, answer: Refunded, at: datetime, *, next_at: datetime, payment: Payment | None = None
    ) -> None:
        """What Stripe says of it, and of its whole payment where that waited for this. What has ended before stays as
        it is.
        """
        async with self._db.transaction() as session:
            order = await _lock_order(session, due.site_id, due.order_id)
            of_id = select(RefundRow).where(col(RefundRow.public_id) == due.id)
            row = (await session.exec(of_id.with_for_update())).one()
            if row.state != RefundState.WAITING:
                return
            if answer.state is not RefundState.FAILED and row.reason == RefundReason.OPERATOR and row.stripe_id is None:
                await put_message(session, _told(row, at))
            row.state, row.stripe_id = answer.state, answer.id or row.stripe_id
            row.why = answer.why[:WHY_LENGTH_MAX] or None
            is_over = answer.state is not RefundState.WAITING
            row.due_at, row.ended_at = (None, at) if is_over else (next_at, None)
            await session.flush()
            attempt = await session.get_one(AttemptRow, row.attempt_id)
            if payment is not None:
                await _compare(session, attempt, payment, at)
            await _note_how_much(session, order, attempt)

    async def refused(self, due: DueRefund, answer: Refunded, payment: Payment, at: datetime) -> Money | None:
        """Stripe does not give it back. What somebody has given back there, of which we did not know, is written down;
        and where less is left than was to go back for a cancellation or a move, as much as that is asked for instead,
        and the rest from the order's other payments, as if we had known: how much. None: all of it is refused.
        """
        async with self._db.transaction() as session:
            order = await _lock_order(session, due.site_id, due.order_id)
            of_id = select(RefundRow).where(col(RefundRow.public_id) == due.id)
            row = (await session.exec(of_id.with_for_update())).one_or_none()
            if row is None or row.state != RefundState.WAITING:  # by somebody else meanwhile, under another name
                return None
            attempt = await session.get_one(AttemptRow, row.attempt_id)
            row.state, row.why, row.due_at, row.ended_at = RefundState.FAILED, answer.why[:WHY_LENGTH_MAX], None, at
            await session.flush()
            await _note_at_stripe(session, attempt, payment, at)
            # For an open dispute nothing is taken off: Stripe pays nothing back meanwhile, and all of it is owed.
            gone = await _gone_or_going(session, attempt) + lost_minor(disputes_of(attempt))
            left, wanted = max(0, payment.captured_minor - gone), row.amount_minor
            is_less = left < wanted and row.reason != RefundReason.OPERATOR
            if is_less and left:
                _ask_anew(row, Money(left, row.currency), at)
            await session.flush()
            drawn = await _draw_from_others(session, attempt, row, wanted - left, at) if is_less else 0
            await _note_how_much(session, order, attempt)
            again = (left if is_less else 0) + drawn
            return Money(again, row.currency) if again else None

    async def count_at_stripe(self, due: DueRefund, payment: Payment, at: datetime) -> None:
        """Of what was given back in Stripe's own pages we know the sum only: where it is less by now, the last of it is
        taken for refused, in part perhaps. While it is open what became of another refund, nobody can say that.
        """
        async with self._db.transaction() as session:
            order = await _lock_order(session, due.site_id, due.order_id)
            its_attempt = col(AttemptRow.id) == col(RefundRow.attempt_id)
            of_refund = select(AttemptRow).join(RefundRow, its_attempt).where(col(RefundRow.public_id) == due.id)
            attempt = (await session.exec(of_refund)).one()
            there = (col(RefundRow.attempt_id) == attempt.id, col(RefundRow.reason) == RefundReason.AT_STRIPE)
            open_until = (await session.exec(_last_begun(attempt))).one()
            if open_until is not None:
                waiting = update(RefundRow).where(*there, col(RefundRow.state) == RefundState.WAITING)
                await session.exec(waiting.values(due_at=open_until + AFTER_THE_OTHERS))
                return
            gone = payment.refunded_minor - await _sum(session, attempt, RefundState.DONE, but=RefundReason.AT_STRIPE)
            rows = select(RefundRow).where(*there, col(RefundRow.state) != RefundState.FAILED)
            for row in await session.exec(rows.order_by(col(RefundRow.id)).with_for_update()):
                of_it = max(0, min(row.amount_minor, gone))
                row.state = RefundState.DONE if of_it else RefundState.FAILED
                row.amount_minor = of_it or row.amount_minor
                row.due_at, row.ended_at = None, at
                gone -= of_it
            await session.flush()
            await _note_how_much(session, order, attempt)

    async def again(self, due: DueRefund, next_at: datetime, why: str) -> None:
        """Nobody knows what came of it: the same again at `next_at`."""
        waiting = (col(RefundRow.public_id) == due.id, col(RefundRow.state) == RefundState.WAITING)
        async with self._db.transaction() as session:
            await session.exec(update(RefundRow).where(*waiting).values(due_at=next_at, why=why[:WHY_LENGTH_MAX]))


async def refund_cancelled(
    session: AsyncSession,
    site_id: int,
    order_id: str,
    bookings: Collection[int],
    at: datetime,
    *,
    in_full: Collection[int],
    percent: int | None,
) -> Money | None:
    """Have go back what does for bookings that were just cancelled: by the policy that they were sold with, all of
    those `in_full`, or so many `percent`. Its order is locked. How much that is; None where nothing was paid.
    """
    paid_by = await read_last(session, site_id, order_id)
    if paid_by is None or paid_by.state != AttemptState.PAID:
        return None
    paid = await _paid_by(session, site_id, order_id)
    policy = {line.slot.service: line.refund_percent for line in to_attempt(paid_by).wanted.lines}
    rows = (
        select(BookingRow, MeetingRow.service)
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .where(col(BookingRow.id).in_(bookings))
    )
    parts: list[tuple[Money, int]] = []
    for booking, service in await session.exec(rows):
        price = Money(booking.unit_price_minor * booking.seats - booking.discount_minor, paid_by.currency)
        of_policy = 100 if booking.id in in_full else policy.get(service, 100)
        parts.append((price, of_policy if percent is None else percent))
    back = goes_back(parts, _left(paid))
    _draw(session, paid, back, RefundReason.CANCELLED, at)
    return back


async def refund_moved(session: AsyncSession, site_id: int, order_id: str, amount_minor: int, at: datetime) -> Money:
    """Have go back what bookings cost less since they have moved, as far as it is there. Its order is locked. How much
    that is.
    """
    paid = await _paid_by(session, site_id, order_id)
    left = _left(paid)
    back = Money(min(amount_minor, left.amount_minor), left.currency)
    _draw(session, paid, back, RefundReason.MOVED, at)
    return back


async def read_refunded(session: AsyncSession, site_id: int, order_ids: Collection[str]) -> dict[str, int]:
    """What has gone back of each of these orders, in minor units; those of which nothing has are left out."""
    if not order_ids:
        return {}
    of_orders = (col(RefundRow.site_id) == site_id, col(RefundRow.order_id).in_(order_ids))
    done = select(RefundRow.order_id, func.sum(RefundRow.amount_minor)).where(
        *of_orders, col(RefundRow.state) == RefundState.DONE
    )
    return {order_id: int(amount) for order_id, amount in await session.exec(done.group_by(col(RefundRow.order_id)))}


async def _lock_order(session: AsyncSession, site_id: int, order_id: str) -> OrderRow | None:
    """Before everything else in the transaction: all that goes back for an order is counted by one at a time."""
    return (await session.exec(_LOCKED_ORDER, params={"site_id": site_id, "order_id": order_id})).one_or_none()


async def _last_return(session: AsyncSession, attempt: AttemptRow) -> RefundRow | None:
    return (await session.exec(_LAST_RETURN, params={"attempt_id": attempt.id})).one_or_none()


async def _paid_by(session: AsyncSession, site_id: int, order_id: str) -> list[tuple[AttemptRow, int]]:
    """The payments of an order and of its moves, the newest first, and what of each is neither back nor on its way, nor
    with a bank. Raises NotFound where there is none.
    """
    is_paid = (is_of_order(site_id, order_id), col(AttemptRow.state) == AttemptState.PAID)
    rows = (await session.exec(select(AttemptRow).where(*is_paid).order_by(col(AttemptRow.id).desc()))).all()
    if not rows:
        raise NotFound("Nothing was paid for this order.")
    going = (col(RefundRow.attempt_id).in_([row.id for row in rows]), col(RefundRow.state).in_(_GONE_OR_GOING))
    of_each = select(RefundRow.attempt_id, func.sum(RefundRow.amount_minor)).where(*going)
    gone = {row_id: int(amount) for row_id, amount in await session.exec(of_each.group_by(col(RefundRow.attempt_id)))}
    return [(row, max(0, row.amount_minor - _disputed(row) - gone.get(row.id or 0, 0))) for row in rows]


def _disputed(row: AttemptRow) -> int:
    return sum(each.amount.amount_minor for each in disputes_of(row) if each.state is not DisputeState.WON)


def _left(paid: Sequence[tuple[AttemptRow, int]]) -> Money:
    return Money(sum(left for _, left in paid), paid[0][0].currency)


def _draw(
    session: AsyncSession, paid: Sequence[tuple[AttemptRow, int]], back: Money, reason: RefundReason, at: datetime
) -> list[RefundRow]:
    """From the newest payment first, as far as that goes: each goes back the way it came."""
    rows, minor = list[RefundRow](), back.amount_minor
    for attempt, left in paid:
        part = min(left, minor)
        if part:
            rows.append(_new(attempt, Money(part, back.currency), reason, at))
        minor -= part
    session.add_all(rows)
    return rows


async def _draw_from_others(
    session: AsyncSession, attempt: AttemptRow, row: RefundRow, minor: int, at: datetime
) -> int:
    """What one payment has not got any more of a refund goes back from the others of its order. How much that is."""
    paid = await _paid_by(session, attempt.site_id, order_of(attempt))
    others = [(other, left) for other, left in paid if other.id != attempt.id]
    drawn = _draw(session, others, Money(minor, row.currency), RefundReason(row.reason), at)
    await session.flush()
    return sum(each.amount_minor for each in drawn)


async def _gone_or_going(session: AsyncSession, attempt: AttemptRow) -> int:
    return await _sum(session, attempt, *_GONE_OR_GOING)


async def _note_at_stripe(session: AsyncSession, attempt: AttemptRow, payment: Payment, at: datetime) -> Money:
    """How much more has gone back than we know of; its order is locked."""
    known = await _gone_or_going(session, attempt)
    unknown = Money(max(0, payment.refunded_minor - known), attempt.currency)
    if not unknown.is_free:
        new = _new(attempt, unknown, RefundReason.AT_STRIPE, at)
        new.state, new.due_at, new.ended_at = RefundState.DONE, None, at
        session.add(new)
        await session.flush()
    return unknown


async def _compare(session: AsyncSession, attempt: AttemptRow, payment: Payment, at: datetime) -> None:
    """What somebody gave back in Stripe's own pages was more, or, where a bank refused it, is less than we know of."""
    await _note_at_stripe(session, attempt, payment, at)
    if payment.refunded_minor < await _sum(session, attempt, RefundState.DONE):
        done = {"of_attempt": attempt.id, "states": [RefundState.DONE]}
        await session.exec(_LOOK_AGAIN_AT_THE_OTHERS, params={**done, "at": at + AFTER_THE_OTHERS})


async def _note_how_much(session: AsyncSession, order: OrderRow | None, attempt: AttemptRow) -> None:
    """Refunded is an order of which all has gone back, until a bank refuses some of that."""
    done = (col(RefundRow.site_id) == attempt.site_id, col(RefundRow.order_id) == order_of(attempt))
    of_order = select(func.coalesce(func.sum(RefundRow.amount_minor), 0)).where(*done)
    gone = (await session.exec(of_order.where(col(RefundRow.state) == RefundState.DONE))).one()
    if order is None:
        return
    is_all = int(gone) >= order.total_minor
    before, after = (OrderState.PAID, OrderState.REFUNDED) if is_all else (OrderState.REFUNDED, OrderState.PAID)
    if order.state == before:
        order.state = after


async def _sum(
    session: AsyncSession, attempt: AttemptRow, *states: RefundState, but: RefundReason | None = None
) -> int:
    counted = {"attempt_id": attempt.id, "states": states, "but": but or ""}
    return int((await session.exec(_SUM, params=counted)).one())


def _last_begun(attempt: AttemptRow) -> SelectOfScalar[datetime | None]:
    """When it is seen to again what became of refunds that Stripe has, or may have."""
    return select(func.max(col(RefundRow.due_at))).where(
        col(RefundRow.attempt_id) == attempt.id,
        col(RefundRow.reason) != RefundReason.AT_STRIPE,
        col(RefundRow.state) == RefundState.WAITING,
        (col(RefundRow.tries) > 0) | col(RefundRow.stripe_id).is_not(None),
    )


async def _of_form(session: AsyncSession, site_id: int, form_key: str | None) -> RefundRow | None:
    if form_key is None:
        return None
    of_form = (col(RefundRow.site_id) == site_id, col(RefundRow.form_key) == form_key)
    return (await session.exec(select(RefundRow).where(*of_form))).one_or_none()


def _told(row: RefundRow, at: datetime) -> NewMessage:
    """Once Stripe has taken it on. What goes back with a cancellation, its own message says."""
    back = {"back": kept_money(Money(row.amount_minor, row.currency))}
    event = f"refunded/{row.public_id}"
    return NewMessage(row.site_id, Kind.REFUNDED, Role.CUSTOMER, event, at, order_id=row.order_id, detail=back)


def _new(attempt: AttemptRow, amount: Money, reason: RefundReason, at: datetime) -> RefundRow:
    assert attempt.id is not None
    return RefundRow(
        public_id=new_id(),
        site_id=attempt.site_id,
        attempt_id=attempt.id,
        order_id=attempt.hold_id if reason is RefundReason.NO_SEATS else order_of(attempt),
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        reason=reason,
        state=RefundState.WAITING,
        due_at=at,
        tries=0,
        created_at=at,
    )


def _again(row: RefundRow, amount: Money, at: datetime) -> None:
    assert row.ended_at is not None
    if row.ended_at <= at - REFUSED_AGAIN_AFTER:
        _ask_anew(row, amount, at)


def _ask_anew(row: RefundRow, amount: Money, at: datetime) -> None:
    """With another key: under this one, Stripe would only repeat its no."""
    row.public_id, row.amount_minor, row.state = new_id(), amount.amount_minor, RefundState.WAITING
    row.stripe_id, row.tries, row.due_at, row.ended_at = None, 0, at, None


def _to_due(row: RefundRow, attempt: AttemptRow) -> DueRefund:
    assert attempt.intent_id is not None, "it was paid"
    assert attempt.session_id is not None, "it was open"
    return DueRefund(
        id=row.public_id,
        site_id=row.site_id,
        order_id=row.order_id,
        is_test=attempt.is_test,
        session_id=attempt.session_id,
        intent_id=attempt.intent_id,
        amount=Money(row.amount_minor, row.currency),
        state=RefundState(row.state),
        reason=RefundReason(row.reason),
        stripe_id=row.stripe_id,
        tries=row.tries,
    )
