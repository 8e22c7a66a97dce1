"""Keeping Redis and SQL together: all that a worker does, and what others ask of it meanwhile."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from widget_server.clock import Clock, from_ms
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.feed import Feed
from widget_server.engine.inspection import Inspection
from widget_server.engine.mending import Mending
from widget_server.engine.reservations import Reservations
from widget_server.errors import Refusal
from widget_server.store.attempts import Attempts
from widget_server.store.audit import Audits
from widget_server.store.bookings import Bookings
from widget_server.store.outbox import Outbox
from widget_server.store.sites import Sites
from widget_server.use_cases.auditing import LOOK_AGAIN_AFTER, Auditing
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.delivery import Delivery
from widget_server.use_cases.forever import forever
from widget_server.use_cases.rebuilding import Rebuilding
from widget_server.use_cases.rounds import ROUND_LENGTH, Rounds

RESOLVE_AGAIN_AFTER = timedelta(seconds=2)
"""A pin that could not be resolved, as SQL was away, is within seconds of its return."""
CLOCK_STEP_MAX = timedelta(seconds=2)
PRUNE_EVERY_S = 600.0
PINS_WAITING_MAX = 1_000
"""So many pins past their time wait for SQL to say what became of them; the sweep names all others again."""
WORKERS_FIRST_S = (2.0, 3.0)
"""Between these two: so long does a web process leave a loss to the workers, who look after it at once."""
_LOOK_EVERY_S = 1.0

_log = structlog.get_logger()


class Reconciliation:
    def __init__(
        self,
        *,
        catalog: Catalog,
        engine: Reservations,
        inspection: Inspection,
        mending: Mending,
        feed: Feed,
        sites: Sites,
        store: Bookings,
        attempts: Attempts,
        outbox: Outbox,
        audits: Audits,
        clock: Clock,
        round_length: timedelta = ROUND_LENGTH,
        look_again_after: timedelta = LOOK_AGAIN_AFTER,
    ) -> None:
        self._engine = engine
        self._inspection = inspection
        self._feed = feed
        self._sites = sites
        self._store = store
        self._attempts = attempts
        self._clock = clock
        self._looked_at: set[str] = set()
        """Partitions of which everything was looked at after the start."""
        self._clocks_ahead: defaultdict[str, timedelta] = defaultdict(timedelta)
        self._lost: defaultdict[str, set[str]] = defaultdict(set)
        """Partition -> entries of its feed that are gone, and nobody here has looked after it yet."""
        self._heard_of_losses: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._unsettled: dict[str, set[str]] = {}
        """Partition -> sites whose pins may have an outcome that this Redis does not know. None: of all of them."""
        self._overdue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(PINS_WAITING_MAX)
        self._delivering = asyncio.Lock()
        self._delivery = Delivery(
            catalog=catalog,
            engine=engine,
            inspection=inspection,
            sites=sites,
            store=store,
            attempts=attempts,
            outbox=outbox,
            clock=clock,
        )
        self.auditing = Auditing(
            inspection=inspection, audits=audits, sites=sites, clock=clock, look_again_after=look_again_after
        )
        self.rebuilding = Rebuilding(
            catalog=catalog,
            engine=engine,
            inspection=inspection,
            mending=mending,
            auditing=self.auditing,
            sites=sites,
            store=store,
            attempts=attempts,
            clock=clock,
        )
        self._rounds = Rounds(
            auditing=self.auditing,
            rebuilding=self.rebuilding,
            audits=audits,
            sites=sites,
            clock=clock,
            length=round_length,
        )

    async def run(self, partition: str) -> None:
        """All a worker does, until cancelled. Any number of workers may run: everything here may be done twice."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("fill", lambda: self._fill_or_wait(partition)))
            tasks.create_task(forever("sweep", lambda: self._sweep(partition)))
            tasks.create_task(forever("resolve", self._resolve_next))
            tasks.create_task(forever("deliver", self._deliver_or_wait))
            tasks.create_task(forever("watch", lambda: self._watch_for_losses(partition)))
            tasks.create_task(forever("audit", lambda: self._go_round(partition)))
            tasks.create_task(forever("clock", lambda: self._watch_clock(partition)))
            tasks.create_task(forever("prune", lambda: self._prune_or_wait(partition)))

    def hear_of_loss(self, partition: str, feed_id: str) -> None:
        """This entry of the feed is gone: whoever follows it here has noticed. `stand_in` looks after that."""
        self._lost[partition].add(feed_id)
        self._heard_of_losses[partition].set()

    async def stand_in(self, partition: str) -> None:
        """All that a web process does about losses, until cancelled: what workers do, should none of them be there.

        A widget may have read what has been lost since, and only a new epoch says that it counts no more. One loss is
        one epoch, whoever is first, so it does no harm where a worker is only late.
        """
        await forever("stand_in", lambda: self._stand_in(partition))

    def has_to_stand_in(self, partition: str) -> bool:
        """Whether `stand_in` has something before it."""
        return self._heard_of_losses[partition].is_set()

    async def tell_booked(self, site: Site, order_id: str, fence: int) -> None:
        """Tell the engine that a hold has become a booking; where that fails, the worker does."""
        await self._delivery.tell_booked(site, order_id, fence)

    async def tell_freed(self, site: Site, freed: Sequence[BookedSeats]) -> None:
        """Tell the engine of seats that a cancellation freed; likewise."""
        await self._delivery.tell_freed(site, freed)

    async def mend(self, site: Site, slots: Sequence[Slot]) -> None:
        """SQL has refused seats that Redis believed free: tell Redis what is booked of these slots."""
        await self._delivery.tell_truth(site, slots)

    async def deliver(self) -> int:
        """Tell the engine what it has not been told yet, and return how many events that were."""
        return await self._delivery.deliver()

    async def ensure_loaded(self, site_key: str) -> None:
        """Fill the site if this Redis does not know it in this epoch. Raises NotFound; Loading while another does."""
        await self.rebuilding.ensure_loaded(site_key)

    async def fill(self, site_key: str) -> int:
        """Write what is booked into Redis anew, under a new epoch, and return how many slots. Live holds go on.

        Raises NotFound; Loading while another process does the same.
        """
        return await self.rebuilding.fill(site_key)

    async def sweep(self, partition: str) -> int:
        """End all holds that are due, resolve pins that nobody did, and return how many holds ended."""
        ended, overdue = await self._end_due(partition)
        for site_key, hold_id in overdue:
            await self._delivery.resolve(site_key, hold_id)
        return ended

    async def prune(self, partition: str) -> int:
        """Forget what nobody needs any more, and return how much: pins given up, deeds of operators, attempts to pay
        that came to nothing, all of them long ago.
        """
        at = self._clock.now()
        sites = await self._sites_of(partition)
        pruned = [await self._store.prune(site.id, at) + await self._attempts.prune(site.id, at) for site in sites]
        return sum(pruned)

    async def _sweep(self, partition: str) -> None:
        """Holds end on time also while SQL is slow: its pins are for another task."""
        _, overdue = await self._end_due(partition)
        with suppress(asyncio.QueueFull):
            for pin in overdue:
                self._overdue.put_nowait(pin)
        await self._feed.wait_until(partition, None)

    async def _end_due(self, partition: str) -> tuple[int, list[tuple[str, str]]]:
        """How many holds ended, and the pins past their time, by site key and hold id."""
        ended, overdue = 0, list[tuple[str, str]]()
        while True:
            swept = await self._engine.sweep(partition, retry=RESOLVE_AGAIN_AFTER)
            ended += swept.ended
            overdue += swept.to_resolve
            if swept.next_due is None or swept.next_due > swept.now:
                return ended, overdue

    async def _resolve_next(self) -> None:
        site_key, hold_id = await self._overdue.get()
        await self._delivery.resolve(site_key, hold_id)

    async def _deliver_or_wait(self) -> None:
        """For all partitions: of their tasks one is at it, and the others wait."""
        async with self._delivering:
            if not await self.deliver():
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _prune_or_wait(self, partition: str) -> None:
        if not await self.prune(partition):
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _fill_or_wait(self, partition: str) -> None:
        await self._look_after(partition)
        await asyncio.sleep(_LOOK_EVERY_S)

    async def _watch_for_losses(self, partition: str) -> None:
        """A feed without the entry read last means a Redis that has forgotten something: count everything anew.

        What was forgotten while nobody watched is not to be seen in the feed: the audit finds it.
        """
        async for lost in self._feed.losses(partition, await self._feed.last_id(partition)):
            _log.error("redis_lost_updates", partition=partition)
            self._lost[partition].add(lost.after_id)
            with suppress(Refusal):  # watching goes on, and the next look comes within a second
                await self._look_after(partition)

    async def _stand_in(self, partition: str) -> None:
        heard = self._heard_of_losses[partition]
        await heard.wait()
        await asyncio.sleep(random.uniform(*WORKERS_FIRST_S))  # noqa: S311
        if await self._look_after(partition) and not self._lost[partition]:
            heard.clear()

    async def _go_round(self, partition: str) -> None:
        if partition not in self._looked_at:
            await self._rounds.first(partition)
            self._looked_at.add(partition)
        await self._rounds.go_round(partition)

    async def _look_after(self, partition: str) -> bool:
        """That all sites are there, and what was lost is counted anew; False where something waits for the next look.

        A pin of which Redis has lost how it ended gets its end from SQL, at once; one without an outcome has its time.
        """
        sites = await self._sites_of(partition)
        for feed_id in sorted(self._lost[partition]):
            await self.rebuilding.doubt_since(sites, feed_id)
            self._lost[partition].discard(feed_id)
            self._unsettled.pop(partition, None)
        are_filled = await self.rebuilding.fill_all(sites)
        unsettled = self._unsettled.setdefault(partition, {site.key for site in sites})
        if unsettled:
            again = await self._sites_of(partition)  # some of them are in another epoch by now
            unsettled -= await self._delivery.settle_pins([site for site in again if site.key in unsettled])
        return are_filled and not unsettled

    async def _sites_of(self, partition: str) -> list[Site]:
        return await self._sites.of_partition(partition)

    async def _watch_clock(self, partition: str) -> None:
        """Where the clock by which holds end steps away from ours, somebody should look at it: it never goes back, and
        stays ahead where the clock of Redis's machine was so once.
        """
        ahead = from_ms(await self._inspection.now_ms(partition)) - self._clock.now()
        if abs(ahead - self._clocks_ahead[partition]) > CLOCK_STEP_MAX:
            _log.warning("redis_clock_stepped", partition=partition, ahead_s=round(ahead.total_seconds()))
            self._clocks_ahead[partition] = ahead
        await asyncio.sleep(_LOOK_EVERY_S)
