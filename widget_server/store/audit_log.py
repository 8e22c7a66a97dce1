"""The only place that keeps what operators have done, and what became of money without them.

Entries are written with the change itself, and never changed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Deed, Entry, KeptEntry
from widget_server.store.database import Database
from widget_server.store.tables import AuditEntryRow, OperatorRow, OrderRow

ENTRIES_KEPT = timedelta(days=2 * 366)
"""Two years."""
_PRUNED_AT_ONCE = 1_000


class AuditLog:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(self, entry: Entry) -> None:
        """For what happened outside SQL: it is written afterwards. Raises Unavailable."""
        async with self._db.transaction() as session:
            put_entry(session, entry)

    async def entries(
        self,
        site_id: int,
        *,
        limit: int,
        deed: Deed | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
    ) -> Sequence[KeptEntry]:
        """The newest first; `before` an entry's id, those that are older. `until` itself is not included."""
        of_site = [col(AuditEntryRow.site_id) == site_id]
        if deed is not None:
            of_site.append(col(AuditEntryRow.deed) == deed)
        if since is not None:
            of_site.append(col(AuditEntryRow.at) >= since)
        if until is not None:
            of_site.append(col(AuditEntryRow.at) < until)
        if before is not None:
            of_site.append(col(AuditEntryRow.id) < before)
        rows = (
            select(AuditEntryRow, OperatorRow.email, OrderRow.number)
            .join(OperatorRow, col(OperatorRow.id) == col(AuditEntryRow.operator_id), isouter=True)
            .join(OrderRow, _its_order, isouter=True)
            .where(*of_site)
            .order_by(col(AuditEntryRow.id).desc())
            .limit(limit)
        )
        async with self._db.snapshot() as session:
            return [_to_entry(row, email, number) for row, email, number in await session.exec(rows)]


async def read_made(session: AsyncSession, entry: Entry) -> str | None:
    """What the very same form has added before, where it was sent twice; nothing is to happen again then."""
    if entry.form_key is None:
        return None
    of_form = (col(AuditEntryRow.site_id) == entry.site_id, col(AuditEntryRow.form_key) == entry.form_key)
    return (await session.exec(select(AuditEntryRow.about).where(*of_form))).one_or_none()


def put_entry(session: AsyncSession, entry: Entry) -> None:
    """Part of the transaction in which it happens."""
    session.add(
        AuditEntryRow(
            site_id=entry.site_id,
            operator_id=entry.operator_id or None,
            deed=entry.deed,
            at=entry.at,
            about=entry.about,
            detail=dict(entry.detail),
            form_key=entry.form_key,
        )
    )


async def prune_entries(session: AsyncSession, site_id: int, before: datetime) -> int:
    """Forget entries of a site that were written before then, a bounded number, and return how many.

    Only the first of the site are looked at: they are in the order of their ids.
    """
    of_site = select(AuditEntryRow.id, AuditEntryRow.at).where(col(AuditEntryRow.site_id) == site_id)
    first = (await session.exec(of_site.order_by(col(AuditEntryRow.id)).limit(_PRUNED_AT_ONCE))).all()
    old = [entry_id for entry_id, at in first if at < before]
    return (await session.exec(delete(AuditEntryRow).where(col(AuditEntryRow.id).in_(old)))).rowcount if old else 0


_its_order = and_(
    col(OrderRow.site_id) == col(AuditEntryRow.site_id), col(OrderRow.hold_id) == col(AuditEntryRow.about)
)


def _to_entry(row: AuditEntryRow, email: str | None, order_number: str | None) -> KeptEntry:
    assert row.id is not None
    return KeptEntry(row.id, email or "", row.deed, row.at, row.about, order_number, row.detail)
