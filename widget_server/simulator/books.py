"""The only place that looks into SQL past the product: what is booked, decided and offered, as it stands there."""

import sqlite3
from typing import NamedTuple

_NOTE_WHAT_IS_DECIDED_AGAIN = """
CREATE TEMP TABLE IF NOT EXISTS decided_again (hold_id TEXT, state TEXT, fence INTEGER);
DELETE FROM temp.decided_again;
CREATE TEMP TRIGGER IF NOT EXISTS given_up_for_good AFTER UPDATE ON main.outcome
WHEN OLD.state = 'abandoned' AND NEW.state IN ('confirming', 'confirmed') AND NEW.fence <= OLD.fence
BEGIN INSERT INTO decided_again VALUES (NEW.hold_id, NEW.state, OLD.fence); END;
"""
"""SQLite itself sees each change, also one that nothing shows any more a moment later."""


class Decided(NamedTuple):
    state: str
    fence: int


class Offer(NamedTuple):
    capacity: int
    seats_each: int
    """By shift: that one person serves."""


class Assigned(NamedTuple):
    site: str
    claimed: str
    hold_id: str
    slot: str
    busy_from: str
    busy_until: str
    seats: int


class Books:
    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql
        sql.executescript(_NOTE_WHAT_IS_DECIDED_AGAIN)

    def decided_again(self) -> list[tuple[str, str, int]]:
        """Hold, what it became, and the fence of the pin that had been given up before."""
        return self._sql.execute("SELECT hold_id, state, fence FROM temp.decided_again").fetchall()

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

    def is_being_paid(self, site: str, hold_id: str) -> bool:
        """Whether it is Stripe that says what becomes of a hold, or somebody who has paid too late."""
        return bool(
            self._sql.execute(
                "SELECT 1 FROM attempt JOIN site ON site.id = site_id "
                "WHERE key = ? AND hold_id = ? AND attempt.state IN ('opening', 'open') UNION ALL "
                "SELECT 1 FROM alternative JOIN attempt ON attempt.id = attempt_id "
                "JOIN site ON site.id = alternative.site_id WHERE key = ? AND alternative.hold_id = ? "
                "AND alternative.state IN ('wanted', 'held') AND attempt.state = 'offering'",
                (site, hold_id, site, hold_id),
            ).fetchone()
        )

    def offer(self, site: str, service: str) -> Offer:
        """By shift with all people, of whom some may be off."""
        return Offer(
            *self._sql.execute(
                "SELECT capacity * CASE capacity_rule WHEN 'by_shift' THEN "
                "(SELECT count(*) FROM staff WHERE staff.site_id = site.id) ELSE 1 END, capacity "
                "FROM service JOIN site ON site.id = site_id WHERE site.key = ? AND service.key = ?",
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
            "LEFT JOIN booking ON meeting_id = meeting.id AND booking.state <> 'cancelled' WHERE starts_at >= ? "
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
            "SELECT site_id || '/' || hold_id AS id, 1 AS ordered, 0 AS decided FROM orders "
            "WHERE state NOT IN ('authorised', 'voided') AND NOT EXISTS (SELECT 1 FROM attempt "
            "WHERE attempt.site_id = orders.site_id AND attempt.hold_id = orders.hold_id AND seats_id IS NOT NULL) "
            "UNION ALL SELECT DISTINCT site_id || '/' || hold_id, 1, 0 FROM rescheduling WHERE NOT EXISTS ("
            "SELECT 1 FROM attempt WHERE seats_id = rescheduling.hold_id AND attempt.state <> 'paid') UNION ALL "
            "SELECT site_id || '/' || hold_id, 0, 1 FROM outcome WHERE state = 'confirmed'"
            ") GROUP BY id HAVING sum(ordered) <> 1 OR sum(decided) <> 1"
        ).fetchall()

    def assigned(self, since: str) -> list[Assigned]:
        """Who is to serve bookings that are not over."""
        rows = self._sql.execute(
            "SELECT key, claimed, hold_id, slot, busy_from, busy_until, seats FROM assignment "
            "JOIN site ON site.id = site_id WHERE freed_at IS NULL AND busy_until > ? ORDER BY assignment.id",
            (since,),
        )
        return [Assigned(*row) for row in rows]

    def is_freed(self, site: str, claimed: str, hold_id: str, slot: str) -> bool:
        found = self._sql.execute(
            "SELECT 1 FROM assignment JOIN site ON site.id = site_id "
            "WHERE key = ? AND claimed = ? AND hold_id = ? AND slot = ? AND freed_at IS NOT NULL",
            (site, claimed, hold_id, slot),
        )
        return found.fetchone() is not None

    def assigned_twice(self, since: str) -> list[tuple[str, str, str]]:
        """Names with two slots at the same time."""
        return self._sql.execute(
            "SELECT one.claimed, one.slot, other.slot FROM assignment AS one JOIN assignment AS other "
            "ON one.site_id = other.site_id AND one.claimed = other.claimed AND one.slot < other.slot "
            "AND one.busy_from < other.busy_until AND one.busy_until > other.busy_from "
            "WHERE one.freed_at IS NULL AND other.freed_at IS NULL AND one.busy_until > ?",
            (since,),
        ).fetchall()

    def badly_served(self, since: str) -> list[tuple[str, int, str, int]]:
        """Bookings by shift whose seats are not just those that somebody is to serve."""
        return self._sql.execute(
            "SELECT slot, seats, state, served FROM (SELECT meeting.slot, booking.seats, booking.state, "
            "(SELECT coalesce(sum(seats), 0) FROM assignment WHERE booking_id = booking.id AND freed_at IS NULL) "
            "AS served FROM booking JOIN meeting ON meeting.id = meeting_id JOIN service "
            "ON service.site_id = meeting.site_id AND service.key = meeting.service "
            "WHERE capacity_rule = 'by_shift' AND starts_at > ?) "
            "WHERE served <> CASE state WHEN 'confirmed' THEN seats ELSE 0 END",
            (since,),
        ).fetchall()

    def untold(self) -> int:
        return int(self._sql.execute("SELECT count(*) FROM outbox").fetchone()[0])
