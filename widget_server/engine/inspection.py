"""The only place that looks at all Redis keeps of a partition. It reads, in small steps, while others are served."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine import kept, keys
from widget_server.engine.connection import Connection
from widget_server.engine.wire import Reply

SITES_AT_ONCE = 1_000
SCANNED_AT_ONCE = 1_000


class Inspection:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def touched(self, site: Site) -> AsyncIterator[list[Slot]]:
        """All slots of which this Redis counts seats, in chunks; some of them perhaps twice. Raises Unavailable.

        It looks at each key that Redis has: a second or so for a million of them, during which others are served.
        """
        cursor, days = "0", keys.of_site(site.partition, site.key).days
        while True:
            scan = ("SCAN", cursor, "MATCH", days, "COUNT", SCANNED_AT_ONCE)
            ((cursor, found),) = await self._connection.read(scan)
            fields = await self._connection.read(*(("HKEYS", day) for day in found)) if found else []
            for day, counted in zip(found, fields, strict=True):
                yield [Slot.parse(slot_id) for slot_id in keys.slot_ids(day, counted)]
            if cursor == "0":
                return

    async def epochs(self, sites: Sequence[Site]) -> list[int | None]:
        """The epoch in which each of the sites is open in this Redis; None where it is not. Raises Unavailable."""
        gates: list[Reply] = []
        for at in range(0, len(sites), SITES_AT_ONCE):
            chunk = [keys.of_site(site.partition, site.key).gate for site in sites[at : at + SITES_AT_ONCE]]
            gates += await self._connection.read(*(("HMGET", gate, *kept.GATE_FIELDS) for gate in chunk))
        return [int(epoch) if state == "OPEN" else None for epoch, state, _ in gates]

    async def clock_offset(self, partition: str) -> timedelta:
        """How far the partition's clock is from the one of Redis's machine. Raises Unavailable."""
        (offset,) = await self._connection.read(("HGET", keys.of_partition(partition).clock, "offset"))
        return timedelta(milliseconds=int(offset or 0))
