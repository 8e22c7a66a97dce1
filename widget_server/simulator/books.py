"""The only place that looks into SQL past the product: what is booked, decided and offered, as it stands there."""

import sqlite3
from typing import NamedTuple


class Decided(NamedTuple):
    state: str
    fence: int


class Offer(NamedTuple):
    capacity: int
    schedule_version: int


class Books:
    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    def epoch(self, site: str) -> int:
        return int(self._sql.execute("SELECT epoch FROM site WHERE key = ?", (site,)).fetchone()[0])

    def epochs(self) -> dict[str, int]:
        return dict(self._sql.execute("SELECT key, epoch FROM site").fetchall())

    def decided(self, site: str, hold_id: str) -> Decided | None:
        found = self._sql.execute(
            "SELECT outcome.state, fence FROM outcome JOIN site ON site.id = site_id WHERE key = ? AND hold_id = ?",
            (site, hold_id),
        ).fetchone()
        return Decided(*found) if found else None

    def offer(self, site: str, service: str) -> Offer:
        return Offer(
            *self._sql.execute(
                "SELECT capacity, schedule_version FROM service JOIN site ON site.id = site_id "
                "WHERE site.key = ? AND service.key = ?",
                (site, service),
            ).fetchone()
        )

    def booked(self, site: str, slot: str) -> int:
        found = self._sql.execute(
            "SELECT booked FROM meeting JOIN site ON site.id = site_id WHERE key = ? AND slot = ?", (site, slot)
        ).fetchone()
        return int(found[0]) if found else 0

    def booked_from(self, since: str) -> dict[tuple[str, str], int]:
        """All meetings that start later, by site and slot."""
        rows = self._sql.execute(
            "SELECT key, slot, booked FROM meeting JOIN site ON site.id = site_id WHERE starts_at >= ?", (since,)
        )
        return {(site, slot): booked for site, slot, booked in rows}

    def miscounted_meetings(self, since: str) -> list[tuple[str, str, int, int, int]]:
        """Site, slot, seats confirmed, booked and capacity of meetings where these do not go together."""
        return self._sql.execute(
            "SELECT site.key, slot, coalesce(sum(seats), 0), booked, capacity FROM meeting "
            "JOIN site ON site.id = meeting.site_id "
            "LEFT JOIN booking ON meeting_id = meeting.id AND booking.state = 'confirmed' WHERE starts_at >= ? "
            "GROUP BY meeting.id HAVING coalesce(sum(seats), 0) <> booked OR booked > capacity",
            (since,),
        ).fetchall()

    def lines_of(self, site: str, order_id: str) -> list[tuple[str, int, str]]:
        """Slot, seats and state of each booking of an order."""
        return self._sql.execute(
            "SELECT slot, seats, booking.state FROM orders JOIN site ON site.id = orders.site_id "
            "JOIN booking ON order_id = orders.id JOIN meeting ON meeting.id = meeting_id "
            "WHERE site.key = ? AND hold_id = ? ORDER BY slot",
            (site, order_id),
        ).fetchall()

    def orders_without_their_outcome(self) -> list[tuple[str, int, int]]:
        """Hold ids that have not just as many orders, or orders moved, as confirmed outcomes: one or none of each."""
        return self._sql.execute(
            "SELECT id, sum(ordered), sum(decided) FROM ("
            "SELECT site_id || '/' || hold_id AS id, 1 AS ordered, 0 AS decided FROM orders UNION ALL "
            "SELECT DISTINCT site_id || '/' || hold_id, 1, 0 FROM rescheduling UNION ALL "
            "SELECT site_id || '/' || hold_id, 0, 1 FROM outcome WHERE state = 'confirmed'"
            ") GROUP BY id HAVING sum(ordered) <> 1 OR sum(decided) <> 1"
        ).fetchall()

    def untold(self) -> int:
        return int(self._sql.execute("SELECT count(*) FROM outbox").fetchone()[0])
