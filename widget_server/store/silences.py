"""The only place that keeps for which accounts Stripe is silent, and that wakes all who wait once it speaks again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.payments import RefundState
from widget_server.store.database import Database
from widget_server.store.tables import AttemptRow, PaymentAccountRow, RefundRow

PROBE_EVERY = timedelta(seconds=2)
UNPROBED_FOR = timedelta(seconds=30)
"""Where nobody probes any account, as without a worker, everybody asks for themselves again after that."""
_ASKED_BEFORE = timedelta(minutes=1)
"""Of those that were asked about so long before a silence was sure, some may have had no answer."""
_NEXT_PROBE = select(func.min(col(PaymentAccountRow.probe_at)))
_LAST_OF_SILENT = select(func.max(col(PaymentAccountRow.probe_at))).where(
    col(PaymentAccountRow.silent_since).is_not(None)
)


class Silences:
    """From the first call without an answer on somebody probes; once a probe has none either, Stripe is silent."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def suspect(self, site_id: int, *, is_test: bool, at: datetime, wait: timedelta) -> None:
        """A call had no answer. Told to `wait`, Stripe is known to be silent, and nobody asks before."""
        of_account = (col(PaymentAccountRow.site_id) == site_id, col(PaymentAccountRow.is_test) == is_test)
        known = col(PaymentAccountRow.silent_since if wait else PaymentAccountRow.probe_at)
        silent = {"silent_since": at} if wait else {}
        async with self._db.transaction() as session:
            first = update(PaymentAccountRow).where(*of_account, known.is_(None))
            await session.exec(first.values(probe_at=at + wait, **silent))

    async def to_probe(self, limit: int, *, at: datetime) -> Sequence[tuple[int, bool]]:
        """Sites and modes, the longest due first. Nobody else gets them for a moment."""
        async with self._db.snapshot() as session:
            next_at = (await session.exec(_NEXT_PROBE)).one()
        if next_at is None or next_at > at:
            return []
        due = select(PaymentAccountRow).where(col(PaymentAccountRow.probe_at) <= at)
        async with self._db.transaction() as session:
            locked = due.order_by(col(PaymentAccountRow.probe_at)).limit(limit).with_for_update(skip_locked=True)
            rows = (await session.exec(locked)).all()
            for row in rows:
                row.probe_at = at + PROBE_EVERY
            return [(row.site_id, row.is_test) for row in rows]

    async def goes_on(self, site_id: int, *, is_test: bool, at: datetime, wait: timedelta) -> bool:
        """A probe had no answer, or was told to `wait`. Whether nobody knew that Stripe is silent."""
        async with self._db.transaction() as session:
            row = await _locked(session, site_id, is_test)
            if row is None or row.probe_at is None:
                return False
            is_news, row.silent_since = row.silent_since is None, row.silent_since or at
            row.probe_at = at + max(wait, PROBE_EVERY) if wait else row.probe_at
            return is_news

    async def is_over(self, site_id: int, *, is_test: bool, at: datetime) -> bool:
        """A probe had an answer: all that wait for one are seen to at once, some at a time, as ever. Whether Stripe had
        been silent.
        """
        async with self._db.transaction() as session:
            row = await _locked(session, site_id, is_test)
            if row is None:
                return False
            since, row.silent_since, row.probe_at = row.silent_since, None, None
            if since is not None:
                await _wake(session, row, since, at)
            return since is not None

    async def are_probed(self, at: datetime) -> bool:
        """Whether somebody finds out of silent accounts whether they still are: where there are many, in turn."""
        async with self._db.snapshot() as session:
            last = (await session.exec(_LAST_OF_SILENT)).one()
        return last is not None and at < last + UNPROBED_FOR


async def _locked(session: AsyncSession, site_id: int, is_test: bool) -> PaymentAccountRow | None:
    of_account = (col(PaymentAccountRow.site_id) == site_id, col(PaymentAccountRow.is_test) == is_test)
    return (await session.exec(select(PaymentAccountRow).where(*of_account).with_for_update())).one_or_none()


async def _wake(session: AsyncSession, row: PaymentAccountRow, since: datetime, at: datetime) -> None:
    """What Stripe itself is at, as refunds that take days, keeps its own time."""
    of_mode = (col(AttemptRow.site_id) == row.site_id, col(AttemptRow.is_test) == row.is_test)
    asked = (col(AttemptRow.due_at) > at, col(AttemptRow.asked_at) >= since - _ASKED_BEFORE)
    await session.exec(update(AttemptRow).where(*of_mode, *asked).values(due_at=at, tries=0))
    its_attempt = select(AttemptRow.id).where(col(AttemptRow.id) == col(RefundRow.attempt_id), *of_mode).exists()
    begun = (
        col(RefundRow.due_at) > at,
        col(RefundRow.state) == RefundState.WAITING,
        col(RefundRow.stripe_id).is_(None),
        col(RefundRow.tries) > 0,
    )
    await session.exec(update(RefundRow).where(*begun, its_attempt).values(due_at=at))
