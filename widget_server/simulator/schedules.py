"""The only place that lets processes share what they have read of a schedule, as long as nobody has written since."""

import sqlite3
from dataclasses import dataclass, field

from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.simulator.database import SimulatedDatabase
from widget_server.store import schedule
from widget_server.store.tables import (
    BlackoutRow,
    DayOffRow,
    OpeningRow,
    PaymentAccountRow,
    ServiceRow,
    ShiftRow,
    ShiftServiceRow,
    SiteRow,
    SlotRuleRow,
    StaffRow,
    StaffServiceRow,
)

_MADE_OF = (
    *(SiteRow, ServiceRow, OpeningRow, SlotRuleRow, BlackoutRow, PaymentAccountRow),
    *(StaffRow, StaffServiceRow, ShiftRow, ShiftServiceRow, DayOffRow),
)
_COUNT_WRITES = """
CREATE TEMP TABLE IF NOT EXISTS written (count INTEGER NOT NULL);
DELETE FROM temp.written;
INSERT INTO temp.written VALUES (0);
"""
_COUNT_WRITE = """
CREATE TEMP TRIGGER IF NOT EXISTS {verb}_{table} AFTER {verb} ON main.{table}
BEGIN UPDATE written SET count = count + 1; END;
"""


@dataclass(slots=True)
class KnownSchedules:
    """By the site's id, with how much had been written to any schedule."""

    raw: sqlite3.Connection
    known: dict[int, tuple[int, Site, Schedule]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """SQLite itself counts what is written, so that it goes with its transaction."""
        tables = [row.__tablename__ for row in _MADE_OF]
        triggers = [
            _COUNT_WRITE.format(verb=verb, table=table) for table in tables for verb in ("INSERT", "UPDATE", "DELETE")
        ]
        self.raw.executescript(_COUNT_WRITES + "".join(triggers))

    def written(self) -> int:
        (count,) = self.raw.execute("SELECT count FROM temp.written").fetchone()
        return int(count)


class SharedSchedules(schedule.Schedules):
    """What was read and not written since is not read again, nor worked out again what is offered on which day."""

    def __init__(self, database: SimulatedDatabase, shared: KnownSchedules) -> None:
        super().__init__(database)
        self._shared = shared

    async def load_with_site(self, site_id: int) -> tuple[Site, Schedule]:
        async with self._db.snapshot() as session:
            written, known = self._shared.written(), self._shared.known.get(site_id)
            if known is None or known[0] != written:
                site, read = await schedule.read_schedule(session, site_id)
                same = known is not None and known[2] == read
                known = self._shared.known[site_id] = (written, site, known[2] if known and same else read)
        return known[1:]
