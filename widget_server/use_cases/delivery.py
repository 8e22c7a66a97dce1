"""Telling Redis what SQL has decided: at once by whoever books or cancels, and by the worker what they could not."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from widget_server.clock import Clock
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.inspection import Inspection
from widget_server.engine.kept import KeptHold
from widget_server.engine.reservations import Pin, Reservations
from widget_server.errors import Loading, NotFound, Refusal, StaleEpoch, Unavailable
from widget_server.store.attempts import Attempts
from widget_server.store.bookings import Bookings
from widget_server.store.outbox import Outbox, UntoldEvent
from widget_server.store.sites import Sites
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.served import is_shared

OUTBOX_BATCH = 100
_BACK_OFF_MAX = timedelta(seconds=2)
"""Redis is asked again soon after it was away: within seconds it shall know what is booked. Until then it is left
alone, as each call to it costs a second."""

_BUFFERS_MAX = timedelta(days=1)
"""Whoever serves one of two slots so far apart may serve the other."""

_log = structlog.get_logger()


class Delivery:
    def __init__(
        self,
        *,
        catalog: Catalog,
        engine: Reservations,
        inspection: Inspection,
        sites: Sites,
        store: Bookings,
        attempts: Attempts,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._inspection = inspection
        self._sites = sites
        self._store = store
        self._attempts = attempts
        self._outbox = outbox
        self._clock = clock
        self._away_until: dict[str, datetime] = {}
        """Partition -> so long nothing of it is told, as its server was away."""

    async def tell_booked(self, site: Site, order_id: str, fence: int) -> None:
        """Tell the engine that a hold has become a booking; where that fails, its event in the outbox remains."""
        with suppress(Unavailable):
            await self._tell_booked(site, order_id, fence)

    async def tell_freed(self, site: Site, freed: Sequence[BookedSeats]) -> None:
        """Tell the engine of seats that a cancellation freed; likewise."""
        with suppress(Unavailable):
            await self._engine.set_booked(site, freed)
            await self._tell_freed_people(site, freed)

    async def tell_truth(self, site: Site, slots: Sequence[Slot]) -> None:
        """SQL has refused seats that Redis believed free: tell Redis what is booked of them, and who is busy."""
        _log.warning("wall_held", site=site.key, slots=[slot.id for slot in slots])
        with suppress(Unavailable):
            await self._engine.set_booked(site, await self._store.booked_in(site.id, slots))
            since, until = min(slot.starts_at for slot in slots), max(slot.ends_at for slot in slots)
            busy = await self._store.assignments(site.id, since - _BUFFERS_MAX, until + _BUFFERS_MAX)
            await self._engine.assign(site, busy)

    async def deliver(self) -> int:
        """Tell the engine what it has not been told yet, and return how many events that were.

        One that cannot be told waits, and so do all others of a partition whose server is away; nobody else does.
        """
        ripe = await self._outbox.ripe(OUTBOX_BATCH, at=self._clock.now(), without=self._away())
        told = await self._told_already(ripe)
        if len(told) < len(ripe):
            events = await self._outbox.due(OUTBOX_BATCH, at=self._clock.now(), without=self._away())
            told += [event.id for event in events if event.id not in told and await self._tell(event)]
        if told:
            await self._outbox.done(told)
        return len(ripe)

    async def resolve(self, site_key: str, hold_id: str) -> bool:
        """A pin that nobody ended in time: whatever SQL says became of it, or nothing, which is then final. False where
        Redis or SQL was not there.

        Whoever named it may have meant an earlier pin of the same hold. While somebody may be paying for it, Stripe
        says what becomes of it, and whoever settles attempts asks.
        """
        try:
            site = (await self._catalog.find(site_key)).site
            pin = await self._engine.pinned(site, hold_id)
            if pin is None or not await self._may_end(site, hold_id, pin):
                return True
            if await self._attempts.waits(site.id, hold_id):
                return True
            if (await self._store.give_up(site.id, hold_id, pin.fence)).is_nothing:
                await self._engine.unpin(site, hold_id, fence=pin.fence, release=True)
            else:
                await self._tell_booked(site, hold_id, pin.fence)
        except (NotFound, Unavailable, StaleEpoch) as problem:
            # The sweep names it again in a few seconds, once its time is over.
            self._catalog.forget(site_key)
            _log.warning("not_resolved_yet", site=site_key, reason=str(problem))
            return isinstance(problem, NotFound)
        except Exception:
            _log.exception("worker_failed", task="resolve", site=site_key)
        return True

    async def _may_end(self, site: Site, hold_id: str, pin: Pin) -> bool:
        """Whether its time is over, or SQL knows what became of it."""
        return pin.now >= pin.resolve_by or bool(await self._store.decided(site.id, {hold_id: pin.fence}))

    async def settle_pins(self, sites: Sequence[Site]) -> set[str]:
        """End all pins that have an outcome in SQL, and return the keys of the sites of which that could be done."""
        epochs = zip(sites, await self._inspection.epochs(sites), strict=True)
        loaded = {site.key: site for site, epoch in epochs if epoch == site.epoch}
        settled = set(loaded)
        for partition in {site.partition for site in loaded.values()}:
            async for refs in self._inspection.due(partition):
                for site_key in sorted({site_key for site_key, _ in refs} & loaded.keys()):
                    of_site = [hold_id for key, hold_id in refs if key == site_key]
                    if not await self._settle(loaded[site_key], of_site):
                        settled.discard(site_key)
        return settled

    async def _settle(self, site: Site, hold_ids: Sequence[str]) -> bool:
        """False where one of them has to be looked at again."""
        fences = await self._inspection.fences(site, hold_ids)
        are_settled = True
        for hold_id in await self._store.decided(site.id, fences) if fences else ():
            _log.warning("pin_settled", site=site.key)
            are_settled &= await self.resolve(site.key, hold_id)
        return are_settled

    async def _tell_booked(self, site: Site, order_id: str, fence: int) -> None:
        """Raises Unavailable."""
        booked = await self._store.booked_after(site.id, order_id)
        await self._engine.commit(site, order_id, fence=fence, booked=booked)
        if is_shared((await self._catalog.find(site.key)).schedule):  # others need no look into SQL
            await self._tell_freed_people(site, booked)

    async def _told_already(self, events: Sequence[UntoldEvent]) -> list[int]:
        """Those of which whoever booked or cancelled has told: nearly all of them.

        To see that takes one look at SQL and one at Redis for all. So nobody who books pays for a second write, and
        what is left to be told is what went wrong.
        """
        in_sql = await self._outbox.seats_of([event.id for event in events]) if events else {}
        told: list[int] = []
        for site in await self._open_sites(events):
            of_site = [event for event in events if event.site_key == site.key]
            try:
                told += await self._told_of(site, of_site, in_sql)
            except Unavailable as problem:
                self._leave_alone(site.partition, problem)
            except Exception:
                _log.exception("worker_failed", task="deliver", site=site.key)
        return told

    async def _open_sites(self, events: Sequence[UntoldEvent]) -> list[Site]:
        """The sites of these events that this Redis knows in their epoch. All servers are asked at once."""
        by_partition: defaultdict[str, list[Site]] = defaultdict(list)
        for site_key in dict.fromkeys(event.site_key for event in events):
            if (site := await self._sites.by_key(site_key)) is not None:
                by_partition[site.partition].append(site)
        found = await asyncio.gather(*(self._open_in(partition, of) for partition, of in by_partition.items()))
        return [site for sites in found for site in sites]

    async def _open_in(self, partition: str, sites: Sequence[Site]) -> list[Site]:
        try:
            epochs = await self._inspection.epochs(sites)
        except Unavailable as problem:
            self._leave_alone(partition, problem)
            return []
        except Exception:
            _log.exception("worker_failed", task="deliver", partition=partition)
            return []
        return [site for site, epoch in zip(sites, epochs, strict=True) if epoch == site.epoch]

    def _leave_alone(self, partition: str, problem: Unavailable) -> None:
        if partition not in self._away():
            _log.warning("not_told_yet", partition=partition, reason=problem.message)
        self._away_until[partition] = self._clock.now() + _BACK_OFF_MAX

    def _away(self) -> list[str]:
        now = self._clock.now()
        return [partition for partition, until in self._away_until.items() if now < until]

    async def _told_of(
        self, site: Site, events: Sequence[UntoldEvent], in_sql: Mapping[int, Sequence[BookedSeats]]
    ) -> list[int]:
        slots = list(dict.fromkeys(seats.slot for event in events for seats in in_sql[event.id]))
        known = dict(zip(slots, await self._inspection.booked(site, slots), strict=True))
        holds = await self._inspection.holds(site, [event.order_id for event in events])
        freed = {one.slot for one in await self._store.freed_in(site.id, slots)}
        return [
            event.id
            for event in events
            if not _is_pinned(holds[event.order_id], event.fence)
            and freed.isdisjoint(seats.slot for seats in in_sql[event.id])
            and all(known[seats.slot] == (seats.booked, seats.version) for seats in in_sql[event.id])
        ]

    async def _tell_freed_people(self, site: Site, booked: Sequence[BookedSeats]) -> None:
        """Whoever was to serve bookings of these slots and does no more is free, also if a late commit claims them."""
        freed = await self._store.freed_in(site.id, [seats.slot for seats in booked])
        if freed:
            await self._engine.assign(site, freed)

    async def _tell(self, event: UntoldEvent) -> bool:
        site = await self._sites.by_key(event.site_key)
        if site is not None and site.partition in self._away():
            return False  # it comes back when the time is over for which it was claimed
        try:
            await self._tell_of(site, event)
        except (Refusal, StaleEpoch) as problem:
            if isinstance(problem, Unavailable) and not isinstance(problem, Loading) and site is not None:
                self._leave_alone(site.partition, problem)
            why = str(problem)
        except Exception as problem:
            _log.exception("worker_failed", task="deliver", site=event.site_key)
            why = type(problem).__name__
        else:
            return True
        later = min(timedelta(seconds=1 + event.tries), _BACK_OFF_MAX)
        await self._outbox.failed(event.id, why, self._clock.now() + later)
        return False

    async def _tell_of(self, site: Site | None, event: UntoldEvent) -> None:
        if site is None:
            raise NotFound("There is no such site.")
        booked = await self._store.booked_after(event.site_id, event.order_id)
        if event.fence is not None:  # it is about a pinned hold, which is to end with it
            await self._engine.commit(site, event.order_id, fence=event.fence, booked=booked)
        else:
            await self._engine.set_booked(site, booked)
        await self._tell_freed_people(site, booked)


def _is_pinned(hold: KeptHold | None, fence: int | None) -> bool:
    return fence is not None and hold is not None and hold.state is HoldState.PAYING and hold.fence == fence
