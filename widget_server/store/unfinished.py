"""The only place that reads which payments came to no order, or cannot go on, and which refunds were refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.attempts import STUCK, Attempt
from widget_server.domain.money import Money
from widget_server.domain.payments import AttemptState, Refund, RefundReason, RefundState, still_refused
from widget_server.errors import KEYS_REFUSED
from widget_server.store.attempts import to_attempt, to_refund
from widget_server.store.database import Database
from widget_server.store.disputes import disputes_of
from widget_server.store.tables import AttemptRow, OrderRow, RefundRow

REFUSED_SHOWN = timedelta(days=90)
_REFUSED_MAX, _LOOKED_AT_MAX = 50, 200
"""So few that were refused are told of, and so many looked at: something may have made up for them."""
_TRIED_AGAIN_WITHIN = timedelta(hours=1)
"""By when a refund is due there is an index of those that are not at their end."""
_NOT_PAID = col(AttemptRow.state) != AttemptState.PAID
"""By this there is an index of the few that are not."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A try to pay of which no order came."""

    id: int
    attempt: Attempt
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class RefusedRefund:
    refund: Refund
    order_id: str
    number: str | None
    """None where it was for a payment of which no order came."""
    customer: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Payments that wait for other keys at Stripe."""

    count: int
    total: Money | None
    """None where they are in several currencies."""
    refunds: int = 0
    """How many wait besides."""


class UnfinishedPayments:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def without_order(self, site_id: int, *, limit: int, before: int | None = None) -> list[Unfinished]:
        """The newest first; `before` an id, those that are older. Of each hold the last try. Raises Unavailable."""
        later = aliased(AttemptRow)
        its_order = select(OrderRow.id).where(
            col(OrderRow.site_id) == col(AttemptRow.site_id), col(OrderRow.hold_id) == col(AttemptRow.hold_id)
        )
        tried_again = select(later.id).where(
            col(later.site_id) == col(AttemptRow.site_id),
            col(later.hold_id) == col(AttemptRow.hold_id),
            col(later.id) > col(AttemptRow.id),
        )
        not_moves = col(AttemptRow.order_id).is_(None)  # those have an order
        of_site = (col(AttemptRow.site_id) == site_id, _NOT_PAID, not_moves)  # what is paid has one as well
        rows = select(AttemptRow).where(*of_site, ~its_order.exists(), ~tried_again.exists())
        if before is not None:
            rows = rows.where(col(AttemptRow.id) < before)
        async with self._db.snapshot() as session:
            found = (await session.exec(rows.order_by(col(AttemptRow.id).desc()).limit(limit))).all()
            of_found = select(RefundRow).where(col(RefundRow.attempt_id).in_([row.id for row in found]))
            refunds = (await session.exec(of_found.order_by(col(RefundRow.id)))).all() if found else []
        return [
            Unfinished(
                row.id or 0, to_attempt(row), tuple(to_refund(one) for one in refunds if one.attempt_id == row.id)
            )
            for row in found
        ]

    async def waiting(self, site_id: int) -> Waiting:
        """Raises Unavailable."""
        stuck = (
            select(col(AttemptRow.currency), func.count(), func.sum(AttemptRow.amount_minor))
            .where(
                col(AttemptRow.site_id) == site_id,
                _NOT_PAID,
                col(AttemptRow.state).in_(STUCK),
                col(AttemptRow.why) == KEYS_REFUSED,
                col(AttemptRow.due_at).is_not(None),
            )
            .group_by(col(AttemptRow.currency))
        )
        async with self._db.snapshot() as session:
            found = (await session.exec(stuck)).all()
        totals = [Money(int(total), currency) for currency, _, total in found]
        return Waiting(sum(count for _, count, _ in found), totals[0] if len(totals) == 1 else None)

    async def refunds_waiting(self, site_id: int, at: datetime, *, with_test: bool) -> int:
        """For other keys: those that Stripe has not heard of, and that are of no payment which waits itself. With or
        without what test cards have paid. Raises Unavailable.
        """
        waiting = (
            select(func.count())
            .select_from(RefundRow)
            .join(AttemptRow, col(AttemptRow.id) == col(RefundRow.attempt_id))
            .where(
                col(RefundRow.site_id) + 0 == site_id,  # else SQLite looks at all of the site
                col(RefundRow.due_at) <= at + _TRIED_AGAIN_WITHIN,
                col(RefundRow.state) == RefundState.WAITING,
                col(RefundRow.why) == KEYS_REFUSED,
                col(RefundRow.stripe_id).is_(None),
                col(RefundRow.reason).not_in((RefundReason.AT_STRIPE, RefundReason.NO_SEATS)),
                *(() if with_test else (col(AttemptRow.is_test).is_(False),)),
            )
        )
        async with self._db.snapshot() as session:
            return (await session.exec(waiting)).one()

    async def refused(self, site_id: int, since: datetime) -> Sequence[RefusedRefund]:
        """The newest first, a bounded number: those of which something is still owed. Raises Unavailable."""
        its_order = (col(OrderRow.site_id) == col(RefundRow.site_id)) & (
            col(OrderRow.hold_id) == col(RefundRow.order_id)
        )
        rows = (
            select(RefundRow, AttemptRow, OrderRow)
            .join(AttemptRow, col(AttemptRow.id) == col(RefundRow.attempt_id))
            .join(OrderRow, its_order, isouter=True)
            .where(col(RefundRow.site_id) == site_id, col(RefundRow.state) == RefundState.FAILED)
            .where(col(RefundRow.created_at) >= since)
            .order_by(col(RefundRow.id).desc())
            .limit(_LOOKED_AT_MAX)
        )
        async with self._db.snapshot() as session:
            found = (await session.exec(rows)).all()
            owed = await _owed(session, {attempt.id: attempt for _, attempt, _ in found if attempt.id})
        return [
            RefusedRefund(
                owed[refund.public_id],
                refund.order_id,
                order.number if order else None,
                order.customer_name if order else to_attempt(attempt).wanted.customer.name,
            )
            for refund, attempt, order in found
            if refund.public_id in owed
        ][:_REFUSED_MAX]


async def _owed(session: AsyncSession, attempts: Mapping[int, AttemptRow]) -> dict[str, Refund]:
    """What of these attempts was refused, by its id: as far as nothing has made up for it."""
    if not attempts:
        return {}
    rows = select(RefundRow).where(col(RefundRow.attempt_id).in_(attempts)).order_by(col(RefundRow.id))
    refunds = (await session.exec(rows)).all()
    return {
        refund.id: refund
        for attempt_id, attempt in attempts.items()
        for refund in still_refused(
            [to_refund(row) for row in refunds if row.attempt_id == attempt_id],
            disputes_of(attempt),
            paid_minor=attempt.amount_minor,
        )
    }
