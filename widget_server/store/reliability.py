"""The only place that reads what SQL knows of how well a site's seats are counted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy import select as sql_select
from sqlmodel import col, select

from widget_server.domain.bookings import BookingState
from widget_server.store.audit import Backlog, Tally
from widget_server.store.database import Database
from widget_server.store.tables import AuditRoundRow, BookingRow, MeetingRow, OutboxRow, SiteRow


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """As of one moment."""

    meetings: int
    """To come, with bookings."""
    oversold: int
    """Of these, with more seats booked than there are, or than its bookings add up to."""
    backlog: Backlog | None
    filled_at: datetime | None
    """None for a site that was last filled before that was noted."""
    last_round: Tally | None
    """Of a worker's audit, through all sites that share the partition."""


class Reliability:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def figures(self, site_id: int, partition: str, from_at: datetime) -> SiteFigures:
        """Raises Unavailable."""
        of_partition = select(AuditRoundRow).where(col(AuditRoundRow.partition) == partition)
        untold = select(func.count(), func.min(col(OutboxRow.created_at))).where(col(OutboxRow.site_id) == site_id)
        async with self._db.snapshot() as session:
            site = await session.get(SiteRow, site_id)
            row = (await session.exec(of_partition)).one_or_none()
            waiting, oldest_at = (await session.exec(untold)).one()
            meetings, sound = (await session.exec(_counted(site_id, from_at))).one()  # type: ignore[call-overload]
        return SiteFigures(
            meetings=meetings,
            oversold=meetings - sound,
            backlog=Backlog(waiting, oldest_at) if waiting else None,
            filled_at=site.filled_at if site else None,
            last_round=None if row is None else _to_tally(row),
        )


def _counted(site_id: int, from_at: datetime) -> object:
    """How many meetings are to come, and how many of them are counted right: whatever is not cancelled has seats."""
    booked, capacity = col(MeetingRow.booked), col(MeetingRow.capacity)
    taken = (
        select(func.coalesce(func.sum(BookingRow.seats), 0))
        .where(col(BookingRow.meeting_id) == col(MeetingRow.id), col(BookingRow.state) != BookingState.CANCELLED)
        .scalar_subquery()
    )
    is_sound = (booked <= capacity) & (booked == taken)
    to_come = (col(MeetingRow.site_id) == site_id, col(MeetingRow.starts_at) >= from_at)
    return sql_select(func.count(), func.count().filter(is_sound)).select_from(MeetingRow).where(*to_come)


def _to_tally(row: AuditRoundRow) -> Tally:
    return Tally(row.partition, row.began_at, row.ended_at, row.looked_at, row.found, row.mended, row.mended_ever)
