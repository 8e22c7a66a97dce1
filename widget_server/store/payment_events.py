"""The only place that remembers which events of Stripe's were seen to."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete
from sqlmodel import col, select

from widget_server.store.database import Database, insert_by
from widget_server.store.tables import PaymentEventRow, values

EVENTS_KEPT = timedelta(days=30)
"""Stripe sends an event again for three days at most: docs.stripe.com/webhooks, "Automatic retries"."""
_PRUNED_AT_ONCE = 1_000
_KNOWN = select(PaymentEventRow.id).where(
    col(PaymentEventRow.site_id) == bindparam("site_id"), col(PaymentEventRow.event_id) == bindparam("event_id")
)
_NOTE = insert_by(PaymentEventRow, lambda new: new.on_conflict_do_nothing())


class PaymentEvents:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def is_known(self, site_id: int, event_id: str) -> bool:
        of_event = {"site_id": site_id, "event_id": event_id}
        async with self._db.snapshot() as session:
            return (await session.exec(_KNOWN, params=of_event)).first() is not None

    async def note(self, site_id: int, event_id: str, at: datetime) -> None:
        """All that follows from it is written. Again: nothing more."""
        new = values(PaymentEventRow(site_id=site_id, event_id=event_id, at=at))
        async with self._db.transaction() as session:
            await session.exec(_NOTE(session), params=new)

    async def prune(self, at: datetime) -> int:
        """Forget those of long ago, a bounded number, and return how many."""
        old = select(PaymentEventRow.id).where(col(PaymentEventRow.at) < at - EVENTS_KEPT).limit(_PRUNED_AT_ONCE)
        async with self._db.transaction() as session:
            gone = delete(PaymentEventRow).where(col(PaymentEventRow.id).in_(old.scalar_subquery()))
            return (await session.exec(gone)).rowcount
