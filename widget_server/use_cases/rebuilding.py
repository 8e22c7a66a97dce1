"""Filling a Redis that has lost a site, and mending one that lives.

An empty Redis is filled behind a closed gate, under a new epoch. In a living one only what is wrong is changed, slot by
slot: the gate stays open, and no hold ends.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from widget_server.clock import Clock
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.feed import is_after
from widget_server.engine.inspection import Inspection
from widget_server.engine.kept import DiaryEntry, entries_of
from widget_server.engine.mending import ClaimMending, HoldMending, Mending, SlotMending
from widget_server.engine.reservations import Reservations
from widget_server.engine.restoring import NEVER_ENOUGH, Busy, Filled
from widget_server.errors import Loading, NotFound, Refusal, Unavailable
from widget_server.ids import new_id
from widget_server.store.attempts import Attempts
from widget_server.store.bookings import Bookings
from widget_server.store.sites import Sites
from widget_server.use_cases.auditing import Auditing
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.findings import Finding, Kind
from widget_server.use_cases.restoring import TAKEOVER_AFTER, Lines, Restoring, must_be_ours

SIGN_EVERY_S = 0.4
"""Far more often than `TAKEOVER_AFTER`, also while SQL takes its time."""

_ASSIGNED_MAX = 3
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
        attempts: Attempts,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._inspection = inspection
        self._mending = mending
        self._auditing = auditing
        self._sites = sites
        self._store = store
        self._attempts = attempts
        self._clock = clock
        self._restoring = Restoring(catalog=catalog, engine=engine, store=store, clock=clock)
        self._filling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._scans: dict[str, asyncio.Task[dict[str, dict[str, list[str]]]]] = {}
        self._doubted: dict[str, int] = {}
        """Site key -> its epoch when Redis may have forgotten something: only a later one is to be believed."""

    async def rebuild(self, sites: Sequence[Site]) -> AsyncIterator[Rebuilt]:
        """Make Redis count what SQL says, while serving, and tell each step. Sites that Redis knows lose no hold.

        One that it knew in another epoch is filled, and then looked at like the others: a filling tells it what SQL
        knows, and an older SQL does not know whose bookings still stand in its diaries.

        Raises Loading while another process fills one of them.
        """
        to_fill = await self._to_fill(sites)
        days = await self._days_of(to_fill)
        living = {site.key: site for site in sites}
        for site in to_fill:
            async with self._filling[site.key]:
                yield Rebuilt(filled=await self._fill(site.key, days.get(site.key, {})))
            if site.key in days:
                living[site.key] = await self._site(site.key)  # in its new epoch
            else:
                del living[site.key]
        async for look in self._auditing.look(list(living.values()), thoroughly=False):
            mended = await self.mend(living, look.suspicions)
            yield Rebuilt(looked_at=look.slots + look.meetings, mended=mended)
        for site in living.values():
            yield Rebuilt(mended=await self._restoring.assign(site))

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
            if await self._to_fill([await self._site(site_key)]):
                await self._fill(site_key)

    async def fill(self, site_key: str) -> int:
        """Write what is booked into Redis anew, under a new epoch, and return how many slots. Live holds go on.

        Raises NotFound; Loading while another process does the same.
        """
        async with self._filling[site_key]:
            return await self._fill(site_key, in_any_case=True)

    async def fill_all(self, sites: Sequence[Site]) -> bool:
        """Fill those that this Redis does not know, after one look at all its keys; whatever is wrong with one of them,
        the others. False where one could not be filled.
        """
        to_fill, are_filled = await self._to_fill(sites), True
        days = await self._days_of(to_fill)
        for site in to_fill:
            try:
                async with self._filling[site.key]:
                    if await self._to_fill([await self._site(site.key)]):
                        await self._fill(site.key, days.get(site.key, {}))
            except Refusal as problem:
                are_filled = False
                _log.warning("not_filled_yet", site=site.key, reason=problem.message)
            except Exception:
                are_filled = False
                _log.exception("worker_failed", task="fill", site=site.key)
        return are_filled

    def doubt(self, sites: Iterable[Site]) -> None:
        """Redis may have forgotten something of these: whoever needs one of them next fills it anew."""
        for site in sites:
            self._doubt(site.key, site.epoch)

    async def doubt_since(self, sites: Sequence[Site], feed_id: str) -> None:
        """Likewise, because an entry of the feed is gone, unless a filling has begun since then. Raises Unavailable.

        What stood before a filling began was in this Redis at that time, with all that was told before it. So a filling
        that began after a lost entry began after the loss: of all who notice a loss, one fills.
        """
        for site, filling in zip(sites, await self._inspection.fillings(sites), strict=True):
            if filling is not None and not is_after(filling.begun_at, feed_id):
                self._doubt(site.key, filling.epoch)

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
        mended += await self._mend_claims(site, [one.claim for one in findings if one.claim is not None])
        return mended + await self._mending.holds(site, holds)

    async def _mend_claims(self, site: Site, entries: Sequence[DiaryEntry]) -> int:
        """Bookings are claimed as SQL says, the others as their holds say: each was read before SQL, and if it has been
        booked since then it is another version by now, and left alone.
        """
        if not entries:
            return 0
        hold_ids = list(dict.fromkeys(entry.hold_id for entry in entries))
        slots = {claim.slot_id for entry in entries if (claim := entry.claim)}
        holds = await self._inspection.holds(site, hold_ids)
        mended, assigned = 0, None
        for _ in range(_ASSIGNED_MAX):  # again where one was cancelled, and Redis told so, before we told it otherwise
            before, assigned = assigned, await self._store.assignments_of(site.id, hold_ids, slots)
            if assigned == before:
                break
            mended += await self._engine.assign(site, assigned)
        booked = set(entries_of(assigned or ()))
        versions = {hold_id: hold.version if hold is not None else None for hold_id, hold in holds.items()}
        doubted = [ClaimMending(entry, versions[entry.hold_id]) for entry in entries if entry not in booked]
        return mended + await self._mending.claims(site, doubted)

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

    async def _fill(self, site_key: str, days: Lines | None = None, *, in_any_case: bool = False) -> int:
        """How many slots; none where another process has done it meanwhile, unless `in_any_case`."""
        site, rebuilder = await self._site(site_key), new_id()
        enough = NEVER_ENOUGH if in_any_case else self._enough(site)
        answer = await self._engine.rebuild(site, site.epoch + 1, rebuilder, TAKEOVER_AFTER, enough=enough)
        if answer is not None:
            is_filled = await self._is_filled(site, answer)
            return 0 if is_filled else await self._fill(site_key, days, in_any_case=in_any_case)
        async with self._giving_signs(site, rebuilder):
            return await self._fill_closed(site, rebuilder, days)

    async def _fill_closed(self, site: Site, rebuilder: str, days: Lines | None) -> int:
        """The gate is closed first, then the epoch raised in SQL, then read: what is confirmed later must be newer."""
        epoch = await self._sites.raise_epoch(site.id, at=self._clock.now())
        if epoch != site.epoch + 1:
            must_be_ours(await self._engine.rebuild(site, epoch, rebuilder, TAKEOVER_AFTER) is None)
        restored = await self._restoring.restore(site, rebuilder, self._lines_of(site, days))
        schedule_version = (await self._site(site.key)).schedule_version
        must_be_ours(await self._engine.open(site, rebuilder, schedule_version))
        with suppress(Unavailable):  # what could not be had again is seen to at once; otherwise within a minute
            await self._attempts.wake(site.id, self._clock.now(), paying=restored.lost > 0)
        self._catalog.forget(site.key)
        _log.info(
            "site_filled", site=site.key, epoch=epoch, slots=restored.slots, pins=restored.pins, pins_lost=restored.lost
        )
        return restored.slots

    async def _is_filled(self, site: Site, answer: Busy | Filled) -> bool:
        """Whether the gate is open, as another process has filled it. Raises Loading while it does.

        False where an older SQL was put back, which by now counts on from the epochs that Redis has seen.
        """
        known = (await self._site(site.key)).epoch
        if isinstance(answer, Filled) and answer.epoch <= known:
            return True
        if isinstance(answer, Busy) and answer.epoch <= known + 1:  # one ahead is whoever is filling it now
            raise Loading("Seats are being read back; try again in a moment.")
        await self._sites.raise_epoch(site.id, above=answer.epoch)
        return False

    @asynccontextmanager
    async def _giving_signs(self, site: Site, rebuilder: str) -> AsyncIterator[None]:
        """As long as we are here, others shall know that we live; should one have taken over, `restore` says so."""

        async def give_signs() -> None:
            while True:
                await asyncio.sleep(SIGN_EVERY_S)
                with suppress(Unavailable):
                    await self._engine.restore(site, rebuilder, TAKEOVER_AFTER)

        giving = asyncio.create_task(give_signs())
        try:
            yield
        finally:
            giving.cancel()
            await asyncio.wait([giving])

    async def _lines_of(self, site: Site, days: Lines | None) -> Lines:
        """`days` may be from before the gate was closed: what was held since then, Redis itself counts as held."""
        return days if days is not None else (await self._days_of([site])).get(site.key, {})

    def _doubt(self, site_key: str, epoch: int) -> None:
        self._doubted[site_key] = max(epoch, self._doubted.get(site_key, 0))

    def _enough(self, site: Site) -> int:
        """In which epoch it should be open at least."""
        return max(site.epoch, self._doubted.get(site.key, 0) + 1)

    async def _to_fill(self, sites: Sequence[Site]) -> list[Site]:
        """Those that this Redis does not know in their epoch, or whose epoch is doubted."""
        epochs = zip(sites, await self._inspection.epochs(sites), strict=True)
        return [site for site, epoch in epochs if epoch != site.epoch or epoch < self._enough(site)]

    async def _days_of(self, sites: Iterable[Site]) -> dict[str, dict[str, list[str]]]:
        """Site key -> days of which Redis knows anything. All who fill at once share one look at all the keys."""
        days: dict[str, dict[str, list[str]]] = {}
        for partition in {site.partition for site in sites}:
            scan = self._scans.get(partition)
            if scan is None:
                scan = self._scans[partition] = asyncio.create_task(self._inspection.days(partition))
                scan.add_done_callback(partial(self._scanned, partition))
            days |= await asyncio.shield(scan)
        return days

    def _scanned(self, partition: str, scan: asyncio.Task[dict[str, dict[str, list[str]]]]) -> None:
        del self._scans[partition]
        if not scan.cancelled():
            scan.exception()  # whoever asked may be gone; then nobody else would look at it

    async def _site(self, site_key: str) -> Site:
        site = await self._sites.by_key(site_key)
        if site is None:
            raise NotFound("There is no such site.")
        return site
