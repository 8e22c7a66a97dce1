"""Filling a Redis that has lost a site, and mending one that lives.

An empty Redis is filled behind a closed gate, under a new epoch. In a living one only what is wrong is changed, slot by
slot: the gate stays open, and no hold ends.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from widget_server.clock import Clock
from widget_server.domain.bookings import BookedSeats, SeatCount
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.inspection import Inspection, parsed
from widget_server.engine.mending import HoldMending, Mending, SlotMending
from widget_server.engine.reservations import Reservations
from widget_server.errors import Loading, NotFound, Refusal
from widget_server.ids import new_id
from widget_server.store.bookings import Bookings
from widget_server.store.sites import Sites
from widget_server.use_cases.auditing import Auditing
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.findings import Finding, Kind

TAKEOVER_AFTER = timedelta(seconds=10)
"""A rebuild that has not finished by then is taken for dead, and another process does it."""
TAKEN_AGAIN_AFTER_S = 5.0
"""So often does one that takes longer say that it is not dead."""
RESTORED_BACK_TO = timedelta(days=1)
"""Meetings that began longer ago need no seats in Redis."""

_DAYS_AT_ONCE = 50
_UNDER_WAY_MAX = 3
_OF_SLOTS = (Kind.BOOKED, Kind.HELD, Kind.LINE, Kind.MISSING_LINE)
_OF_HOLDS = (Kind.DUE, Kind.BUDGET)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How far a rebuild has come."""

    filled: int = 0
    """Slots written anew, where Redis did not know their site."""
    looked_at: int = 0
    """Slots, of sites that it knows."""
    mended: int = 0
    """Slots and holds of these."""

    def __add__(self, more: "Rebuilt") -> "Rebuilt":
        return Rebuilt(self.filled + more.filled, self.looked_at + more.looked_at, self.mended + more.mended)


class Rebuilding:
    def __init__(
        self,
        *,
        catalog: Catalog,
        engine: Reservations,
        inspection: Inspection,
        mending: Mending,
        auditing: Auditing,
        sites: Sites,
        store: Bookings,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._inspection = inspection
        self._mending = mending
        self._auditing = auditing
        self._sites = sites
        self._store = store
        self._clock = clock
        self._filling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._scans: dict[str, asyncio.Task[dict[str, list[str]]]] = {}
        self._doubted: dict[str, int] = {}
        """Site key -> its epoch when Redis may have forgotten something: only a later one is to be believed."""

    async def rebuild(self, sites: Sequence[Site]) -> AsyncIterator[Rebuilt]:
        """Make Redis count what SQL says, while serving, and tell each step. Sites that Redis knows lose no hold.

        Raises Loading while another process fills one of them.
        """
        to_fill = await self._to_fill(sites)
        days = await self._days_of(to_fill)
        for site in to_fill:
            async with self._filling[site.key]:
                yield Rebuilt(filled=await self._fill(await self._site(site.key), days.get(site.key, [])))
        keys = {site.key for site in to_fill}
        living = {site.key: site for site in sites if site.key not in keys}
        async for look in self._auditing.look(list(living.values()), thoroughly=False):
            mended = await self.mend(living, look.suspicions)
            yield Rebuilt(looked_at=look.slots + look.meetings, mended=mended)

    async def mend(self, sites: dict[str, Site], findings: Iterable[Finding]) -> int:
        """Set right what can be, and return how many slots and holds had to be. Again: nothing more happens.

        Raises Loading where a site has been filled anew meanwhile; Unavailable.
        """
        by_site: defaultdict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            by_site[finding.site_key].append(finding)
        return sum([await self._mend(sites[site_key], of_site) for site_key, of_site in by_site.items()])

    async def ensure_loaded(self, site_key: str) -> None:
        """Fill the site if this Redis does not know it in this epoch. Raises NotFound; Loading while another does."""
        async with self._filling[site_key]:
            site = await self._site(site_key)
            if await self._to_fill([site]):
                await self._fill(site)

    async def fill(self, site_key: str) -> int:
        """Write what is booked into Redis anew, under a new epoch, and return how many slots. Live holds go on.

        Raises NotFound; Loading while another process does the same.
        """
        async with self._filling[site_key]:
            return await self._fill(await self._site(site_key))

    async def fill_all(self, sites: Sequence[Site]) -> None:
        """Fill those that this Redis does not know, after one look at all its keys; the others whatever one refuses."""
        to_fill = await self._to_fill(sites)
        days = await self._days_of(to_fill)
        for site in to_fill:
            try:
                async with self._filling[site.key]:
                    if await self._to_fill([await self._site(site.key)]):
                        await self._fill(await self._site(site.key), days.get(site.key, []))
            except Refusal as problem:
                _log.warning("not_filled_yet", site=site.key, reason=problem.message)

    def doubt(self, sites: Iterable[Site]) -> None:
        """Redis may have forgotten something of these: whoever needs one of them next fills it anew."""
        self._doubted.update((site.key, site.epoch) for site in sites)

    async def _mend(self, site: Site, findings: Sequence[Finding]) -> int:
        lines: defaultdict[Slot, list[tuple[str, int]]] = defaultdict(list)
        for finding in findings:
            for slot in finding.slots if finding.kind in _OF_SLOTS else ():
                lines[slot] += finding.lines
        mended = await self._mending.slots(site, await self._slot_mendings(site, lines)) if lines else 0
        holds = [
            HoldMending(one.hold_id, *one.budgets)
            for one in findings
            if one.kind in _OF_HOLDS and one.hold_id is not None and one.budgets is not None
        ]
        return mended + await self._mending.holds(site, holds)

    async def _slot_mendings(self, site: Site, lines: dict[Slot, list[tuple[str, int]]]) -> list[SlotMending]:
        """Redis is read before SQL, as in an audit: then whatever Redis has been told, SQL has."""
        counted = await self._inspection.counted(site, list(lines))
        in_sql = {seats.slot: seats for seats in await self._store.booked_in(site.id, list(lines))}
        wanted = []
        for slot, one in counted.items():
            seats = in_sql.get(slot, BookedSeats(slot, 0, 0))
            doubted = tuple(dict.fromkeys(lines[slot]))
            wanted.append(SlotMending(slot, seats.booked, seats.version, one.booked_version, doubted))
        return wanted

    async def _fill(self, site: Site, days: Sequence[str] | None = None) -> int:
        """The gate is closed first, then the epoch raised in SQL, then read: what is confirmed later must be newer."""
        rebuilder, wanted = new_id(), site.epoch + 1
        if not await self._close_gate(site, wanted, rebuilder):
            return await self._fill(await self._site(site.key), days)
        epoch = await self._sites.raise_epoch(site.id, at=self._clock.now())
        if epoch != wanted and not await self._close_gate(site, epoch, rebuilder):
            return await self._fill(await self._site(site.key), days)
        count = await self._restore(site, epoch, rebuilder, days)
        if not await self._engine.open(site, rebuilder, (await self._site(site.key)).schedule_version):
            raise Loading("Another process is filling this site.")
        self._catalog.forget(site.key)
        _log.info("site_filled", site=site.key, epoch=epoch, slots=count)
        return count

    async def _restore(self, site: Site, epoch: int, rebuilder: str, days: Sequence[str] | None) -> int:
        """How many slots. Some chunks are under way at once, so that Redis works on one while the next is made."""
        count, under_way = 0, deque[asyncio.Task[bool]]()
        loop = asyncio.get_running_loop()
        taken_at_s = loop.time()
        try:
            async for chunk in self._to_restore(site, days):
                if loop.time() - taken_at_s > TAKEN_AGAIN_AFTER_S:
                    _must_be_ours(await self._close_gate(site, epoch, rebuilder))
                    taken_at_s = loop.time()
                under_way.append(asyncio.create_task(self._engine.restore(site, rebuilder, chunk)))
                count += len(chunk)
                if len(under_way) >= _UNDER_WAY_MAX:
                    _must_be_ours(await under_way.popleft())
            while under_way:
                _must_be_ours(await under_way.popleft())
        finally:
            for restoring in under_way:
                restoring.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        return count

    async def _close_gate(self, site: Site, epoch: int, rebuilder: str) -> bool:
        """False where an older SQL was put back, which by now counts on from the epochs that Redis has seen."""
        busy = await self._engine.rebuild(site, epoch, rebuilder, TAKEOVER_AFTER)
        if busy is None:
            return True
        if busy.epoch > (await self._site(site.key)).epoch + 1:  # one ahead is whoever is filling it now
            await self._sites.raise_epoch(site.id, above=busy.epoch)
            return False
        raise Loading("Seats are being read back; try again in a moment.")

    async def _to_restore(self, site: Site, days: Sequence[str] | None) -> AsyncIterator[list[SeatCount]]:
        """What SQL says is booked, then none of the slots that only Redis knows: held ones, and those of a later SQL.

        That is told in version 0, so that whatever SQL says of them first is newer. `days` may have been found before
        the gate was closed: a slot that somebody touched since then counts right by itself.
        """
        since = self._clock.now() - RESTORED_BACK_TO
        in_sql: set[str] = set()
        async for booked in self._store.booked_of(site.id, since):
            in_sql.update(count.slot_id for count in booked)
            yield booked
        found = (await self._days_of([site])).get(site.key, []) if days is None else days
        for at in range(0, len(found), _DAYS_AT_ONCE):
            ids = await self._inspection.ids_of_days(site, found[at : at + _DAYS_AT_ONCE])
            slots = parsed(slot_id for slot_id in ids if slot_id not in in_sql)
            yield [SeatCount(slot.id, 0, 0) for slot in slots if slot.starts_at >= since]

    async def _to_fill(self, sites: Sequence[Site]) -> list[Site]:
        """Those that this Redis does not know in their epoch, or whose epoch is doubted."""
        epochs = zip(sites, await self._inspection.epochs(sites), strict=True)
        return [site for site, epoch in epochs if epoch != site.epoch or epoch <= self._doubted.get(site.key, 0)]

    async def _days_of(self, sites: Iterable[Site]) -> dict[str, list[str]]:
        """Site key -> days of which Redis counts seats. All who fill at once share one look at all the keys."""
        days: dict[str, list[str]] = {}
        for partition in {site.partition for site in sites}:
            scan = self._scans.get(partition)
            if scan is None:
                scan = self._scans[partition] = asyncio.create_task(self._inspection.days(partition))
                scan.add_done_callback(partial(self._scanned, partition))
            days |= await asyncio.shield(scan)
        return days

    def _scanned(self, partition: str, scan: asyncio.Task[dict[str, list[str]]]) -> None:
        del self._scans[partition]
        if not scan.cancelled():
            scan.exception()  # whoever asked may be gone; then nobody else would look at it

    async def _site(self, site_key: str) -> Site:
        site = await self._sites.by_key(site_key)
        if site is None:
            raise NotFound("There is no such site.")
        return site


def _must_be_ours(is_ours: bool) -> None:
    if not is_ours:
        raise Loading("Another process is filling this site.")
