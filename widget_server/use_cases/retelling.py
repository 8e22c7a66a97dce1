"""The only place that turns claims of the feed into seats of all the slots they touch, before widgets are told.

Only sites with services by shift are looked at, each from the first that is asked about it on, or from when it began to
have such services while widgets of it are open: these may ask another process. What cannot be worked out, as SQL is
away, the schedule is just being changed, or is only being read anew, is passed on as it is: whoever has seen seats
worked out does not believe it, and as soon as it can be, the site's widgets are told to read again. So the feed never
waits for SQL, which would hold up all sites for one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.sites import Site
from widget_server.errors import Loading, NotFound, StaleEpoch, Unavailable
from widget_server.live.hub import Hub
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.known_seats import DayKey, KnownSeats
from widget_server.use_cases.served import Served, Wanted, diaries_of, is_shared

SITES_MAX = 200
_READS_MAX = 3
READ_AT_ONCE_MAX = 8
"""Schedules of so many sites, as after a reset of all of them: others need SQL, too."""
_PATIENCE_S, _PAUSE_S = 5.0, 1.0
"""So long is SQL waited for, and after that it is not asked for a while, of whichever site."""

KeepSeats = Callable[[Site], KnownSeats]
"""What is known of a site, and kept true from now on."""
Read = Callable[[Site, KnownSeats, Sequence[DayKey], Wanted], Awaitable[None]]
"""Make these days and diaries known. Raises Loading, StaleEpoch, Unavailable."""
FollowedTo = Callable[[str], str | None]
"""The last update of this partition that was published; None while it is not followed."""


class _Shared:
    """A site that is looked at."""

    __slots__ = ("has_missed", "heard", "is_wanted", "partition", "served", "version")

    def __init__(self, partition: str) -> None:
        self.partition = partition
        self.served: Served | None = None
        """None while its schedule, or what was known of it, is not true any more."""
        self.has_missed = True
        """Something was published as the feed told it; so it may have been before this site was looked at."""
        self.version = 0
        """The newest of its schedule that was heard of."""
        self.heard = 0
        """How often something was after which a schedule that is just being read may be an older one."""
        self.is_wanted = False
        """Somebody reads its schedule, or is about to."""

    def doubt(self) -> None:
        self.served = None
        self.heard += 1


class Retelling:
    def __init__(
        self, *, catalog: Catalog, hub: Hub, keep_seats: KeepSeats, read: Read, followed_to: FollowedTo
    ) -> None:
        self._catalog = catalog
        self._hub = hub
        self._keep_seats = keep_seats
        self._read = read
        self._followed_to = followed_to
        self._sites: OrderedDict[str, _Shared] = OrderedDict()
        self._wanted: dict[str, _Shared] = {}
        """Those of the sites whose schedules are to be read, the longest wanted first."""
        self._reading: set[asyncio.Task[None]] = set()
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
                shared.doubt()

    def drop(self, site_key: str) -> None:
        """What was known of this site is not kept true any more."""
        if (shared := self._sites.get(site_key)) is not None:
            shared.doubt()

    def miss(self, site_key: str) -> None:
        """Something of this site was published as the feed told it."""
        if (shared := self._sites.get(site_key)) is not None:
            shared.has_missed = True

    async def publish(self, partition: str, update: Update) -> None:
        """Tell the widgets of a site that is looked at; what is known in memory has the update already."""
        site_key, shared = update.site_key, self._sites[update.site_key]
        if not isinstance(update, SeatsMoved):
            self._hub.publish(partition, update)
            self._hear_of_schedule(update, shared)
            return
        if shared.served is None:
            self._want(site_key, shared)
        worked_out = await self._work_out(update, shared.served) if shared.served is not None else None
        self._hub.publish(partition, worked_out or update, is_believed=worked_out is not None)
        if worked_out is None:
            shared.has_missed = True
        else:
            self._own_up(site_key, shared, update.feed_id)

    def look_again(self, partition: str, followed_to: str) -> None:
        """A moment has passed: a time to try once more what could not be worked out."""
        for site_key, shared in self._sites.items():
            if shared.partition != partition or not shared.has_missed or not self._hub.is_watched(site_key):
                continue
            if shared.served is not None:
                self._own_up(site_key, shared, followed_to)
            elif not shared.is_wanted and not self._is_pausing():
                self._catalog.forget(site_key)
                self._want(site_key, shared)

    def stop(self) -> None:
        """Nobody follows any feed any more."""
        self._want_none()
        for reading in self._reading:
            reading.cancel()

    def _expect(self, site_key: str, partition: str) -> None:
        self._sites.setdefault(site_key, _Shared(partition))
        self._sites.move_to_end(site_key)
        while len(self._sites) > SITES_MAX:
            others = (key for key in self._sites if key != site_key and not self._hub.is_watched(key))
            left_alone = next(others, None)
            if left_alone is None:
                return
            del self._sites[left_alone]

    def _hear_of_schedule(self, update: ScheduleMoved | SiteReset, shared: _Shared) -> None:
        served = shared.served
        shared.version = max(shared.version, update.version) if isinstance(update, ScheduleMoved) else 0
        if served is not None and served.schedule.version >= shared.version > 0:
            return
        shared.doubt()
        if isinstance(update, SiteReset) or update.settled:
            self._want(update.site_key, shared)

    def _want(self, site_key: str, shared: _Shared) -> None:
        if shared.is_wanted or self._is_pausing():
            return
        shared.is_wanted = True
        self._wanted[site_key] = shared
        if len(self._reading) < READ_AT_ONCE_MAX:
            reading = asyncio.create_task(self._read_wanted())
            self._reading.add(reading)
            reading.add_done_callback(self._reading.discard)

    async def _read_wanted(self) -> None:
        while self._wanted:
            site_key = next(iter(self._wanted))
            shared = self._wanted.pop(site_key)
            try:
                await self._renew(site_key, shared)
            finally:
                shared.is_wanted = False

    async def _renew(self, site_key: str, shared: _Shared) -> None:
        heard, listing = -1, None
        while heard != shared.heard:  # else it was changed while it was being read
            heard = shared.heard
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    listing = await self._catalog.find(site_key)
            except (Unavailable, TimeoutError):  # whatever else is wanted is, too, after a while
                self._try_again_at_s = asyncio.get_running_loop().time() + _PAUSE_S
                self._want_none()
                return
            except NotFound:
                listing = None
        if self._sites.get(site_key) is shared:
            self._take_up(site_key, shared, listing)

    def _take_up(self, site_key: str, shared: _Shared, listing: Listing | None) -> None:
        """From here on, what moves its seats is worked out; or it is looked at no more, as it shares nobody."""
        followed_to = self._followed_to(shared.partition)
        if listing is None or (listing.schedule.version >= shared.version and not is_shared(listing.schedule)):
            del self._sites[site_key]
            return
        if listing.schedule.version < shared.version or shared.served is not None or followed_to is None:
            return
        seats = self._keep_seats(listing.site)
        if listing.schedule.version >= seats.schedule_version:
            seats.keep_up_with(listing.schedule.version)
            shared.served = Served(listing.site, listing.schedule, seats)
            self._own_up(site_key, shared, followed_to)

    def _want_none(self) -> None:
        for shared in self._wanted.values():
            shared.is_wanted = False
        self._wanted.clear()

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
