"""Keeping Redis and SQL together: sweep what is due, resolve what is stuck, tell what is booked, fill what is empty."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from widget_server.clock import Clock
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.orders import OutcomeState
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.feed import Feed, Lost, Unreadable
from widget_server.engine.inspection import Inspection
from widget_server.engine.reservations import Reservations
from widget_server.errors import Loading, NotFound, Refusal, StaleEpoch, Unavailable
from widget_server.ids import new_id
from widget_server.store.bookings import Bookings
from widget_server.store.outbox import Outbox, UntoldEvent
from widget_server.store.sites import Sites
from widget_server.use_cases.catalog import Catalog

RESOLVE_AGAIN_AFTER = timedelta(seconds=5)
TAKEOVER_AFTER = timedelta(seconds=30)
"""A rebuild that has not finished by then is taken for dead, and another process does it."""
RESTORED_BACK_TO = timedelta(days=1)
"""Meetings that began longer ago need no seats in Redis."""
CLOCK_STEP_MAX = timedelta(seconds=2)
OUTBOX_BATCH = 100
_BACK_OFF_MAX = timedelta(minutes=5)
_LOOK_EVERY_S = 1.0
_FAILED_PAUSE_S = 1.0

_log = structlog.get_logger()


class Reconciliation:
    def __init__(
        self,
        *,
        catalog: Catalog,
        engine: Reservations,
        inspection: Inspection,
        feed: Feed,
        sites: Sites,
        store: Bookings,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._inspection = inspection
        self._feed = feed
        self._sites = sites
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._filling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._doubted: dict[str, int] = {}
        """Site key -> its epoch when Redis may have forgotten something: only a later one is to be believed."""
        self._clock_offsets: dict[str, timedelta] = {}

    async def run(self, partition: str) -> None:
        """All a worker does, until cancelled. Any number of workers may run: everything here may be done twice."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_forever("fill", lambda: self._fill_or_wait(partition)))
            tasks.create_task(_forever("sweep", lambda: self._sweep(partition)))
            tasks.create_task(_forever("deliver", self._deliver_or_wait))
            tasks.create_task(_forever("watch", lambda: self._watch_for_losses(partition)))
            tasks.create_task(_forever("clock", lambda: self._watch_clock(partition)))

    async def tell_booked(self, site: Site, order_id: str, fence: int) -> None:
        """Tell the engine that a hold has become a booking; where that fails, its event in the outbox remains."""
        with suppress(Unavailable):
            booked = await self._store.booked_after(site.id, order_id)
            await self._engine.commit(site, order_id, fence=fence, booked=booked)

    async def tell_freed(self, site: Site, freed: Sequence[BookedSeats]) -> None:
        """Tell the engine of seats that a cancellation freed; likewise."""
        with suppress(Unavailable):
            await self._engine.set_booked(site, freed)

    async def mend(self, site: Site, slots: Sequence[Slot]) -> None:
        """SQL has refused seats that Redis believed free: tell Redis what is booked of these slots."""
        _log.warning("wall_held", site=site.key, slots=[slot.id for slot in slots])
        with suppress(Unavailable):
            await self._engine.set_booked(site, await self._store.booked_in(site.id, slots))

    async def sweep(self, partition: str) -> int:
        """End all holds that are due, resolve pins that nobody did, and return how many holds ended."""
        ended = 0
        while True:
            swept = await self._engine.sweep(partition, retry=RESOLVE_AGAIN_AFTER)
            ended += swept.ended
            for site_key, hold_id in swept.to_resolve:
                await self._resolve(site_key, hold_id)
            if swept.next_due is None or swept.next_due > swept.now:
                return ended

    async def deliver(self) -> int:
        """Tell the engine what it has not been told yet, and return how many events that were."""
        events = await self._outbox.due(OUTBOX_BATCH, at=self._clock.now())
        told = [event.id for event in events if await self._tell(event)]
        if told:
            await self._outbox.done(told)
        return len(events)

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

    async def _fill(self, site: Site) -> int:
        """The gate is closed first, then the epoch raised in SQL, then read: what is confirmed later must be newer."""
        rebuilder, wanted = new_id(), site.epoch + 1
        if not await self._close_gate(site, wanted, rebuilder):
            return await self._fill(await self._site(site.key))
        epoch = await self._sites.raise_epoch(site.id)
        if epoch != wanted and not await self._close_gate(site, epoch, rebuilder):
            return await self._fill(await self._site(site.key))
        count = 0
        async for chunk in self._to_restore(site):
            if not await self._engine.restore(site, rebuilder, chunk):
                raise Loading("Another process is filling this site.")
            count += len(chunk)
        if not await self._engine.open(site, rebuilder, (await self._site(site.key)).schedule_version):
            raise Loading("Another process is filling this site.")
        self._catalog.forget(site.key)
        _log.info("site_filled", site=site.key, epoch=epoch, slots=count)
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

    async def _to_restore(self, site: Site) -> AsyncIterator[list[BookedSeats]]:
        """What SQL says is booked, then none of the slots that only Redis knows: held ones, and those of a later SQL.

        That is told in version 0, so that whatever SQL says of them first is newer.
        """
        since = self._clock.now() - RESTORED_BACK_TO
        in_sql: set[Slot] = set()
        async for booked in self._store.booked_of(site.id, since):
            in_sql.update(seats.slot for seats in booked)
            yield booked
        async for slots in self._inspection.touched(site):
            yield [BookedSeats(slot, 0, 0) for slot in slots if slot not in in_sql and slot.starts_at >= since]

    async def _to_fill(self, sites: Sequence[Site]) -> list[Site]:
        """Those that this Redis does not know in their epoch, or whose epoch is doubted."""
        epochs = zip(sites, await self._inspection.epochs(sites), strict=True)
        return [site for site, epoch in epochs if epoch != site.epoch or epoch <= self._doubted.get(site.key, 0)]

    async def _site(self, site_key: str) -> Site:
        site = await self._sites.by_key(site_key)
        if site is None:
            raise NotFound("There is no such site.")
        return site

    async def _resolve(self, site_key: str, hold_id: str) -> None:
        """A pin that nobody ended in time: whatever SQL says became of it, or nothing, which is then final."""
        try:
            site = (await self._catalog.find(site_key)).site
            pin = await self._engine.pinned(site, hold_id)
            if pin is None:
                return
            if await self._store.give_up(site.id, hold_id, pin.fence) is OutcomeState.ABANDONED:
                await self._engine.unpin(site, hold_id, fence=pin.fence, release=True)
            else:
                await self.tell_booked(site, hold_id, pin.fence)
        except (NotFound, Unavailable, StaleEpoch) as problem:
            # The sweep names it again in a few seconds.
            self._catalog.forget(site_key)
            _log.warning("not_resolved_yet", site=site_key, reason=str(problem))

    async def _tell(self, event: UntoldEvent) -> bool:
        try:
            site = await self._site(event.site_key)
            booked = await self._store.booked_after(event.site_id, event.order_id)
            if event.fence is not None:  # it is about a pinned hold, which is to end with it
                await self._engine.commit(site, event.order_id, fence=event.fence, booked=booked)
            else:
                await self._engine.set_booked(site, booked)
        except Refusal as refusal:
            later = min(timedelta(seconds=2**event.tries), _BACK_OFF_MAX)
            await self._outbox.failed(event.id, refusal.message, self._clock.now() + later)
            return False
        return True

    async def _sweep(self, partition: str) -> None:
        await self.sweep(partition)
        await self._feed.wait_until(partition, None)

    async def _deliver_or_wait(self) -> None:
        if not await self.deliver():
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _fill_or_wait(self, partition: str) -> None:
        await self._fill_all(await self._sites_of(partition))
        await asyncio.sleep(_LOOK_EVERY_S)

    async def _watch_for_losses(self, partition: str) -> None:
        """A feed without the entry read last means a Redis that has forgotten something: count everything anew.

        So does a start, for what was forgotten while nobody watched is not to be seen. It costs each open widget a
        reset, and Redis one look at all its keys for each site.
        """
        last_id = await self._feed.last_id(partition)
        await self._count_anew(partition)
        async for news in self._feed.follow(partition, last_id):
            match news:
                case Unreadable():
                    _log.warning("feed_not_understood", partition=partition)
                case Lost():
                    _log.error("redis_lost_updates", partition=partition)
                    await self._count_anew(partition)

    async def _count_anew(self, partition: str) -> None:
        """Sites that cannot be filled now are doubted until they are, by whomever."""
        sites = await self._sites_of(partition)
        self._doubted.update((site.key, site.epoch) for site in sites)
        await self._fill_all(sites)

    async def _fill_all(self, sites: Sequence[Site]) -> None:
        for site in await self._to_fill(sites):
            await _tried("fill", self.ensure_loaded(site.key))

    async def _sites_of(self, partition: str) -> list[Site]:
        return [site for site in await self._sites.all() if site.partition == partition]

    async def _watch_clock(self, partition: str) -> None:
        """Where the clock of Redis's machine went back, deadlines are kept right, but somebody should look at it."""
        offset = await self._inspection.clock_offset(partition)
        if abs(offset) > CLOCK_STEP_MAX and offset != self._clock_offsets.get(partition):
            _log.warning("redis_clock_stepped", partition=partition, offset_s=offset.total_seconds())
        self._clock_offsets[partition] = offset
        await asyncio.sleep(_LOOK_EVERY_S)


async def _forever(name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Again and again; what is not there now may be there in a second."""
    while True:
        if not await _tried(name, step()):
            await asyncio.sleep(_FAILED_PAUSE_S)


async def _tried(name: str, step: Awaitable[None]) -> bool:
    """Whether it went well. What nobody foresaw must not end the worker either, nor a server that runs with it."""
    try:
        await step
    except Refusal as problem:
        _log.warning("worker_waits", task=name, reason=problem.message)
    except Exception:
        _log.exception("worker_failed", task=name)
    else:
        return True
    return False
