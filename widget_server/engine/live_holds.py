"""The only place that finds all live holds of a site, for its operator. It reads, and only a bounded part."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from widget_server.clock import from_ms
from widget_server.domain.holds import Hold, HoldState
from widget_server.domain.sites import Site
from widget_server.engine import kept, keys
from widget_server.engine.connection import Connection
from widget_server.engine.kept import KeptHold
from widget_server.errors import HoldEnded

READ_AT_ONCE = 1_000
READ_MAX = 10_000
"""So many holds of a partition, the first to end first, are looked through for those of one site."""
FOUND_MAX = 200


@dataclass(frozen=True, slots=True)
class LiveHold:
    hold: Hold
    attempt: str
    """Which attempt has pinned it; empty while it is only held."""
    secret_hash: str = field(repr=False)
    """As it is kept, so that an operator can do what the visitor could."""


@dataclass(frozen=True, slots=True)
class FoundHolds:
    now: datetime
    """The partition's clock."""
    holds: tuple[LiveHold, ...]
    """The first to end first."""
    is_all: bool
    """False where there may be more, that end later."""


class LiveHolds:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_site(self, site: Site) -> FoundHolds:
        """Raises Unavailable."""
        ids, is_all = await self._ids(site)
        found, now_ms = await self._read(site, ids)
        holds = [hold for hold in found if hold.hold.state in (HoldState.HELD, HoldState.PAYING)]
        return FoundHolds(from_ms(now_ms), tuple(holds), is_all)

    async def find(self, site: Site, hold_id: str) -> LiveHold:
        """Raises HoldEnded, also where there has never been one; Unavailable."""
        found, _ = await self._read(site, [hold_id])
        if not found or found[0].hold.state not in (HoldState.HELD, HoldState.PAYING):
            raise HoldEnded("This hold has ended.")
        return found[0]

    async def _ids(self, site: Site) -> tuple[list[str], bool]:
        due, mine = keys.of_partition(site.partition).due, keys.due_member(site.key, "")
        ids: list[str] = []
        for first in range(0, READ_MAX, READ_AT_ONCE):
            (members,) = await self._connection.read(("ZRANGE", due, first, first + READ_AT_ONCE - 1))
            ids += [member.removeprefix(mine) for member in members if member.startswith(mine)]
            if len(ids) > FOUND_MAX:
                return ids[:FOUND_MAX], False
            if len(members) < READ_AT_ONCE:
                return ids, True
        return ids, False

    async def _read(self, site: Site, ids: Sequence[str]) -> tuple[list[LiveHold], int]:
        of_site = keys.of_site(site.partition, site.key)
        reads = [("HMGET", of_site.hold(hold_id), *kept.HOLD_FIELDS) for hold_id in ids]
        *answers, clock, time = await self._connection.read(*reads, *kept.clock_reads(of_site.partition.clock))
        now_ms = kept.now_ms(clock, time)
        pairs = zip(ids, answers, strict=True)
        found = [kept.kept_hold(site.key, hold_id, answer) for hold_id, answer in pairs]
        return [_live(hold, now_ms) for hold in found if hold is not None], now_ms


def _live(hold: KeptHold, now_ms: int) -> LiveHold:
    is_pinned = hold.state is HoldState.PAYING
    return LiveHold(hold.as_of(now_ms), hold.attempt if is_pinned else "", hold.secret_hash)
