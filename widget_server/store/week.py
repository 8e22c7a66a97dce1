"""The only place that reads which slots of some days are booked, whatever the schedule has by now."""

from datetime import datetime

from sqlmodel import col, select

from widget_server.domain.dashboard import Meeting
from widget_server.domain.slots import Slot
from widget_server.store.database import Database
from widget_server.store.tables import MeetingRow


class BookedWeeks:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def meetings(self, site_id: int, since: datetime, until: datetime, *, limit: int) -> list[Meeting]:
        """The first of those that start between these instants and have seats booked. Raises Unavailable."""
        booked = (
            select(MeetingRow.slot, MeetingRow.capacity, MeetingRow.booked)
            .where(col(MeetingRow.site_id) == site_id, col(MeetingRow.booked) > 0)
            .where(col(MeetingRow.starts_at) >= since, col(MeetingRow.starts_at) < until)
            .order_by(col(MeetingRow.starts_at), col(MeetingRow.slot))
            .limit(limit)
        )
        async with self._db.snapshot() as session:
            return [Meeting(Slot.parse(slot), capacity, seats) for slot, capacity, seats in await session.exec(booked)]
