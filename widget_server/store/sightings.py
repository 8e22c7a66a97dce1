"""The only place that keeps where a site's widget was seen last."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from widget_server.store.database import Database, insert
from widget_server.store.tables import SightingRow, values


@dataclass(frozen=True, slots=True)
class Sighting:
    origin: str
    seen_at: datetime


class Sightings:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, site_id: int) -> Sighting | None:
        async with self._db.snapshot() as session:
            row = (await session.exec(select(SightingRow).where(col(SightingRow.site_id) == site_id))).one_or_none()
        return None if row is None else Sighting(row.origin, row.seen_at)

    async def keep(self, site_id: int, seen: Sighting) -> None:
        """In place of the one before."""
        row = SightingRow(site_id=site_id, origin=seen.origin, seen_at=seen.seen_at)
        async with self._db.transaction() as session:
            put = insert(session, SightingRow).values(values(row))
            await session.exec(put.on_conflict_do_update(index_elements=["site_id"], set_=values(row)))
