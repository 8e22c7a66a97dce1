"""The only place that gives out who serves bookings in chunks, freed ones too: for those who compare or restore all."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import col, select

from widget_server.domain.claims import Assignment
from widget_server.store.assignments import to_assignment
from widget_server.store.database import Database
from widget_server.store.tables import AssignmentRow

CHUNK = 500


async def read_to_come(db: Database, site_id: int, since: datetime) -> AsyncIterator[list[Assignment]]:
    """All that somebody is busy with after this instant, in chunks, each as of one moment. Raises Unavailable.

    What is written after the first of them may be left out.
    """
    last: AssignmentRow | None = None
    ends, ids = col(AssignmentRow.busy_until), col(AssignmentRow.id)
    while True:
        rows = select(AssignmentRow).where(col(AssignmentRow.site_id) == site_id)
        if last is None:
            rows = rows.where(ends > since)
        else:
            rows = rows.where(ends >= last.busy_until, or_(ends > last.busy_until, ids > last.id))
        async with db.snapshot() as session:
            chunk = (await session.exec(rows.order_by(ends, ids).limit(CHUNK))).all()
        if chunk:
            last = chunk[-1]
            yield [to_assignment(row) for row in chunk]
        if len(chunk) < CHUNK:
            return


async def read_of_holds(
    db: Database, site_id: int, hold_ids: Collection[str], slot_ids: Collection[str]
) -> list[Assignment]:
    """Of bookings of these slots that were held by these holds. Raises Unavailable."""
    of_slots = (col(AssignmentRow.site_id) == site_id, col(AssignmentRow.slot).in_(slot_ids))
    of_holds = select(AssignmentRow).where(*of_slots, col(AssignmentRow.hold_id).in_(hold_ids))
    async with db.snapshot() as session:
        return [to_assignment(row) for row in await session.exec(of_holds.order_by(col(AssignmentRow.id)))]
