"""The only place that turns claims of the feed into seats of all the slots they touch, before widgets are told.

Only sites with services by shift are looked at, each from the first that is asked about it on, or from when it began to
have such services while widgets of it are open: these may ask another process. What cannot be worked out, as SQL is
away or the schedule is just being changed, is passed on as it is: whoever has seen seats worked out does not believe
it, and as soon as it can be, the site's widgets are told to read again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from widget_server.domain.events import ScheduleMoved, SeatsMoved, Update
from widget_server.domain.sites import Site
from widget_server.errors import Loading, NotFound, StaleEpoch, Unavailable
from widget_server.live.hub import Hub
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.known_seats import DayKey, KnownSeats
from widget_server.use_cases.served import Served, Wanted, diaries_of, is_shared

SITES_MAX = 200
_READS_MAX = 3
_PATIENCE_S, _PAUSE_S = 0.5, 1.0
"""The feed waits so long for SQL at most, and after that no more for a while, of whichever site it tells: a SQL that
hangs would hold it up once for each of them."""

KeepSeats = Callable[[Site], KnownSeats]
"""What is known of a site, and kept true from now on."""
Read = Callable[[Site, KnownSeats, Sequence[DayKey], Wanted], Awaitable[None]]
"""Make these days and diaries known. Raises Loading, StaleEpoch, Unavailable."""


class _Shared:
    """A site that is looked at."""

    __slots__ = ("has_missed", "partition", "served", "version")

    def __init__(self, partition: str) -> None:
        self.partition = partition
        self.served: Served | None = None
        """None while its schedule, or what was known of it, is not true any more."""
        self.has_missed = True
        """Something was published as the feed told it; so it may have been before this site was looked at."""
        self.version = 0
        """The newest of its schedule that was heard of."""


class Retelling:
    def __init__(self, *, catalog: Catalog, hub: Hub, keep_seats: KeepSeats, read: Read) -> None:
        self._catalog = catalog
        self._hub = hub
        self._keep_seats = keep_seats
        self._read = read
        self._sites: OrderedDict[str, _Shared] = OrderedDict()
        self._try_again_at_s = 0.0
        """Of all sites."""

    def __contains__(self, site_key: str) -> bool:
        return site_key in self._sites

    def expect(self, site: Site) -> None:
        """Somebody looks at this site: what moves its seats is worked out as soon as that can be."""
        self._expect(site.key, site.partition)

    def hear(self, partition: str, update: Update) -> None:
        """As `expect`, where widgets are open and this may be the first schedule by which people are shared."""
        if not isinstance(update, SeatsMoved) and self._hub.is_watched(update.site_key):
            self._expect(update.site_key, partition)

    def serve(self, listing: Listing, seats: KnownSeats, followed_to: str) -> Served:
        """From here on, what moves the seats of this site is worked out as of this schedule."""
        self.expect(listing.site)
        shared = self._sites[listing.site.key]
        served = shared.served
        if served is None or served.schedule is not listing.schedule or served.known is not seats:
            served = shared.served = Served(listing.site, listing.schedule, seats)
        self._own_up(listing.site.key, shared, followed_to)
        return served

    def forget(self, partition: str) -> None:
        """All that was known of this partition's sites is not kept true any more."""
        for shared in self._sites.values():
            if shared.partition == partition:
                shared.served = None

    def drop(self, site_key: str) -> None:
        """What was known of this site is not kept true any more."""
        if (shared := self._sites.get(site_key)) is not None:
            shared.served = None

    def miss(self, site_key: str) -> None:
        """Something of this site was published as the feed told it."""
        if (shared := self._sites.get(site_key)) is not None:
            shared.has_missed = True

    async def publish(self, partition: str, update: Update) -> None:
        """Tell the widgets of a site that is looked at; what is known in memory has the update already."""
        site_key, shared = update.site_key, self._sites[update.site_key]
        if not isinstance(update, SeatsMoved):
            self._hub.publish(partition, update)
            await self._hear_of_schedule(update, shared)
            return
        if shared.served is None:
            await self._renew(site_key, shared)
        worked_out = await self._work_out(update, shared.served) if shared.served is not None else None
        is_whole = worked_out is not None or site_key not in self._sites  # as it shares nobody any more
        self._hub.publish(partition, worked_out or update, is_believed=is_whole)
        if worked_out is None:
            shared.has_missed = True
        else:
            self._own_up(site_key, shared, update.feed_id)

    async def look_again(self, partition: str, followed_to: str) -> None:
        """A moment has passed: a time to try once more what could not be worked out."""
        for site_key, shared in list(self._sites.items()):
            if shared.partition != partition or not shared.has_missed or not self._hub.is_watched(site_key):
                continue
            if shared.served is None and not self._is_pausing():
                self._catalog.forget(site_key)
                await self._renew(site_key, shared)
            if shared.served is not None:
                self._own_up(site_key, shared, followed_to)

    def _expect(self, site_key: str, partition: str) -> None:
        self._sites.setdefault(site_key, _Shared(partition))
        self._sites.move_to_end(site_key)
        while len(self._sites) > SITES_MAX:
            others = (key for key in self._sites if key != site_key and not self._hub.is_watched(key))
            left_alone = next(others, None)
            if left_alone is None:
                return
            del self._sites[left_alone]

    async def _hear_of_schedule(self, update: Update, shared: _Shared) -> None:
        served = shared.served
        shared.version = max(shared.version, update.version) if isinstance(update, ScheduleMoved) else 0
        if served is not None and served.schedule.version >= shared.version > 0:
            return
        shared.served = None
        if not isinstance(update, ScheduleMoved) or update.settled:
            await self._renew(update.site_key, shared)
        if shared.served is not None:
            self._own_up(update.site_key, shared, update.feed_id)

    async def _renew(self, site_key: str, shared: _Shared) -> None:
        if self._is_pausing():
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                listing = await self._catalog.find(site_key)
        except (Unavailable, TimeoutError):
            self._try_again_at_s = asyncio.get_running_loop().time() + _PAUSE_S
            if site_key in self._sites:  # if only this one cannot be read, it is not in the way of the others
                self._sites.move_to_end(site_key)
            return
        except NotFound:
            self._sites.pop(site_key, None)
            return
        if listing.schedule.version < shared.version:
            return
        if not is_shared(listing.schedule):
            self._sites.pop(site_key, None)
            return
        seats = self._keep_seats(listing.site)
        if listing.schedule.version >= seats.schedule_version:
            seats.keep_up_with(listing.schedule.version)
            shared.served = Served(listing.site, listing.schedule, seats)

    def _is_pausing(self) -> bool:
        return asyncio.get_running_loop().time() < self._try_again_at_s

    async def _work_out(self, update: SeatsMoved, served: Served) -> SeatsMoved | None:
        """With all slots whose seats it moves, and nobody's claims; None where that cannot be known just now."""
        moved = served.moved_by(update)
        days = tuple(dict.fromkeys((one.slot.service, one.slot.starts_at.date()) for one in moved))
        wanted = diaries_of(moved)
        for _ in range(_READS_MAX):
            if served.knows(days, wanted):
                worked_out = {one.slot.id: served.seats_of(one) for one in moved}
                return update._replace(seats=tuple((dict(update.seats) | worked_out).items()), claims=())
            try:
                await self._read(served.site, served.known, days, wanted)
            except (Loading, StaleEpoch, Unavailable):
                return None
        return None

    def _own_up(self, site_key: str, shared: _Shared, feed_id: str) -> None:
        """Whoever was told what could not be believed is told to read again."""
        if shared.has_missed:
            shared.has_missed = False
            self._hub.doubt(site_key, feed_id)
