"""What is free: a month to read, and a feed that tells every change.

While the feed is heard, a warm process answers from memory, with no Redis and no SQL. As soon as it falls silent,
nothing in memory counts and every answer is read anew.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import structlog

from widget_server.clock import Clock
from widget_server.domain import policies
from widget_server.domain.claims import Diary
from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Seats
from widget_server.engine.feed import Lost, Trimmed, Unreadable
from widget_server.errors import Fault, Loading, StaleEpoch, Unavailable
from widget_server.live.channel import Reader
from widget_server.live.hub import Hub
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.known_diaries import DiaryKey
from widget_server.use_cases.known_seats import DayKey, ExpectedDays, KnownSeats
from widget_server.use_cases.month import Month, SeatsOf, Sheet
from widget_server.use_cases.retelling import Retelling
from widget_server.use_cases.served import Served, Wanted, diaries_of, is_shared

SITES_MAX = 200
SHEETS_MAX = 128
WARMED_BY = 1_000
"""So many updates of before its start does a process know, for widgets that come from another one."""
_TRIES_MAX = 8
SILENT_MAX_S = 3.0
"""The feed says at least once a second that there is nothing new. Silent for longer, others may know what we do not."""
_PAUSE_S = 0.5
_LOOK_AGAIN_S = 1.0
"""So often is it tried to work out what could not be, also where something is told all the time."""

SeatsRead = tuple[str, int, int, Mapping[str, Seats]]
"""The feed's last id before reading, the gate's schedule version and epoch, and the seats of every touched slot."""
MonthKey = tuple[str, str, date, date]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """The last update that open widgets know of, if they have heard of all there is."""

    feed_id: str
    ago_s: float | None
    """None where following began there, and nothing was told since."""


class Reservations(Protocol):
    async def seats_of_days(self, site: Site, service: str, days: Sequence[date]) -> SeatsRead: ...

    async def days_and_diaries(
        self, site: Site, days: Sequence[DayKey], diaries: Sequence[DiaryKey]
    ) -> tuple[SeatsRead, Mapping[DiaryKey, Diary]]: ...


class Feed(Protocol):
    async def last_id(self, partition: str) -> str: ...

    async def tail(self, partition: str, count: int) -> Sequence[Update]: ...

    def follow(self, partition: str, from_id: str | None = None) -> AsyncIterator[list[Update] | Lost]: ...


class Scheduling(Protocol):
    async def catch_up(self, site: Site, gate_version: int) -> None: ...


class Reconciliation(Protocol):
    async def ensure_loaded(self, site_key: str) -> object: ...

    def hear_of_loss(self, partition: str, feed_id: str) -> None: ...

    async def stand_in(self, partition: str) -> None: ...


class Availability:
    def __init__(
        self,
        *,
        catalog: Catalog,
        engine: Reservations,
        feed: Feed,
        hub: Hub,
        scheduling: Scheduling,
        reconciliation: Reconciliation,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._feed = feed
        self._hub = hub
        self._scheduling = scheduling
        self._reconciliation = reconciliation
        self._clock = clock
        self._following: set[str] = set()
        self._followed_to: dict[str, str] = {}
        self._heard_at_s: dict[str, float] = {}
        self._told_at_s: dict[str, float] = {}
        self._looked_again_at_s: dict[str, float] = {}
        self._known: OrderedDict[str, KnownSeats] = OrderedDict()
        self._sheets: OrderedDict[MonthKey, _KeptSheet] = OrderedDict()
        self._retelling = Retelling(
            catalog=catalog,
            hub=hub,
            keep_seats=self._keep_seats_of,
            read=self._read_missing,
            followed_to=self._followed_to.get,
        )

    async def month(self, site_key: str, service: str, first: date, last: date) -> Month:
        """The slots that start on these days of the site's zone, both included, with their seats.

        Raises InvalidRequest, NotFound, and Unavailable where Redis or SQL is needed and not there.
        """
        policies.may_read_range(first, last)
        for _ in range(_TRIES_MAX):
            listing = await self._listing(site_key, service)
            kept = self._kept_sheet((site_key, service, first, last), listing.schedule)
            seats = self._seats_of(listing.site)
            if await self._is_ready(listing, kept, seats):
                seats_of = self._served(listing, seats).seats if kept.diaries else seats.seats
                feed_id = self._known_to(site_key, seats)
                return kept.fill_in(seats, seats_of, feed_id=feed_id, now=self._clock.now())
        raise Unavailable("This site is being changed just now. Please try again.")

    async def watch(self, site_key: str, last_event_id: str | None, network: str) -> Reader:
        """A reader of every change of this site from now on, or from an earlier event on.

        Raises NotFound, and Unavailable where too many are open already.
        """
        listing = await self._catalog.find(site_key)
        site = listing.site
        if is_shared(listing.schedule):
            self._retelling.expect(site)
            if (seats := self._seats_of(site)).schedule_version <= listing.schedule.version:
                self._served(listing, seats)
        known = self._known.get(site_key)
        epoch = known.epoch if known else site.epoch
        return self._hub.subscribe(site_key, last_event_id, partition=site.partition, epoch=epoch, network=network)

    async def follow(self, partition: str) -> None:
        """Keep memory true and open widgets informed, until cancelled. One such task runs for each partition."""
        self._following.add(partition)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_again(partition))
                tasks.create_task(self._reconciliation.stand_in(partition))
        finally:
            self._retelling.stop()

    def heard_ago_s(self, partition: str) -> float | None:
        """How long ago the feed said the last thing, if only that there is nothing new; None while it is not heard."""
        heard_at_s = self._heard_at_s.get(partition)
        return None if heard_at_s is None else asyncio.get_running_loop().time() - heard_at_s

    @property
    def followed(self) -> Collection[str]:
        return self._following

    def told(self, partition: str) -> Told | None:
        """Up to where widgets are told; None while the feed is not followed."""
        feed_id, told_at_s = self._followed_to.get(partition), self._told_at_s.get(partition)
        if feed_id is None:
            return None
        return Told(feed_id, None if told_at_s is None else asyncio.get_running_loop().time() - told_at_s)

    async def check(self) -> None:
        """Raises Unavailable where feeds should be followed and none is heard."""
        if self._following and not any(map(self._is_heard, self._following)):
            raise Unavailable("Changes of seats are not heard just now.")

    async def miss_none(self) -> None:
        """Raises Fault where some feeds are heard and others are not."""
        missed = sorted(partition for partition in self._following if not self._is_heard(partition))
        if 0 < len(missed) < len(self._following):
            of_all = f"{len(missed)} of {len(self._following)} partitions"
            raise Fault(f"Changes of seats are not heard just now in {of_all}: {', '.join(missed)}.")

    async def _follow_again(self, partition: str) -> None:
        """Whatever goes wrong on the way, it begins anew: nobody else would tell the widgets."""
        while True:
            try:
                await self._follow(partition)
            except Exception as problem:
                _log.error("feed_not_followed", partition=partition, exc_info=problem)
            finally:
                self._forget(partition)
            await asyncio.sleep(_PAUSE_S)

    async def _follow(self, partition: str) -> None:
        start = await self._begin_warm(partition)
        async for news in self._feed.follow(partition, start):
            if isinstance(news, Unreadable):
                _log.warning("feed_not_understood", partition=partition)
            elif isinstance(news, Trimmed):
                _log.warning("feed_read_too_late", partition=partition)
            elif isinstance(news, Lost):
                self._reconciliation.hear_of_loss(partition, news.after_id)
            if isinstance(news, Lost):
                self._begin(partition, news.last_id, told_since=news.last_id)
            else:
                await self._take_in(partition, news)

    async def _listing(self, site_key: str, service: str) -> Listing:
        listing = await self._catalog.find(site_key)
        if service not in listing.schedule.services and not self._is_heard(listing.site.partition):
            self._catalog.forget(site_key)  # a new service may have been added and nobody told us
            listing = await self._catalog.find(site_key)
        policies.service_of(listing.schedule, service)
        return listing

    async def _is_ready(self, listing: Listing, kept: "_KeptSheet", seats: KnownSeats) -> bool:
        """False if something has changed on the way, so that all of it has to be looked at again."""
        site, days, diaries = listing.site, kept.sheet.days, kept.diaries
        if diaries:
            seats.keep_up_with(listing.schedule.version)
        try:
            if not kept.is_known(seats):
                await self._read_missing(site, seats, days, diaries)
        except (Loading, StaleEpoch):
            self._catalog.forget(site.key)
            await self._reconciliation.ensure_loaded(site.key)
            return False
        if listing.schedule.version < seats.schedule_version:
            await self._catch_up(site, seats)
            return False
        return kept.is_known(seats)

    async def _read_missing(self, site: Site, seats: KnownSeats, days: Sequence[DayKey], diaries: Wanted) -> None:
        if seats.knows(days) and seats.diaries.knows(diaries):
            return
        async with seats.reading:  # one at a time: hundreds of widgets that open at once need the same days
            expected, names = seats.expect(days), seats.diaries.expect(diaries)
            try:
                if expected or names:
                    await self._read(site, seats, expected, names)
            finally:
                seats.diaries.expect_no_more(names)

    async def _read(self, site: Site, seats: KnownSeats, expected: ExpectedDays, names: Sequence[DiaryKey]) -> None:
        (read_at, schedule_version, epoch, read), diaries = await self._ask(site, list(expected), names)
        if names or seats.diaries.days:
            seats.keep_up_with(schedule_version)
        seats.hear_of_schedule(schedule_version)
        if epoch != seats.epoch:
            # Of another epoch than what we know; so are the updates that came meanwhile.
            self._catalog.forget(site.key)
            seats.begin_anew(epoch)
        else:
            seats.take_in(expected, read, read_at=read_at)
            seats.diaries.take_in(names, diaries)

    async def _ask(
        self, site: Site, days: Sequence[DayKey], names: Sequence[DiaryKey]
    ) -> tuple[SeatsRead, Mapping[DiaryKey, Diary]]:
        if names or len({service for service, _ in days}) > 1:
            return await self._engine.days_and_diaries(site, days, names)
        return await self._engine.seats_of_days(site, days[0][0], [day for _, day in days]), {}

    async def _catch_up(self, site: Site, seats: KnownSeats) -> None:
        async with seats.catching_up:
            if (await self._catalog.find(site.key)).schedule.version < seats.schedule_version:
                self._catalog.forget(site.key)
                await self._scheduling.catch_up(site, seats.schedule_version)

    def _seats_of(self, site: Site) -> KnownSeats:
        """What is known of this site. While its feed is silent that is nothing, and nothing is kept."""
        if not self._is_heard(site.partition):
            return KnownSeats(site.partition, site.epoch)
        return self._keep_seats_of(site)

    def _keep_seats_of(self, site: Site) -> KnownSeats:
        known = self._known.setdefault(site.key, KnownSeats(site.partition, site.epoch))
        self._known.move_to_end(site.key)
        if len(self._known) > SITES_MAX:
            self._drop(next(iter(self._known)))
        return known

    def _served(self, listing: Listing, seats: KnownSeats) -> Served:
        if self._known.get(listing.site.key) is seats:
            return self._retelling.serve(listing, seats, self._followed_to[seats.partition])
        return Served(listing.site, listing.schedule, seats)

    def _known_to(self, site_key: str, seats: KnownSeats) -> str:
        """Up to which update of the feed an answer from these seats has them all."""
        is_kept = self._known.get(site_key) is seats
        return self._followed_to[seats.partition] if is_kept else seats.read_at

    def _kept_sheet(self, key: MonthKey, schedule: Schedule) -> "_KeptSheet":
        kept = self._sheets.get(key)
        if kept is None or kept.sheet.schedule is not schedule:
            _, service, first, last = key
            slots = schedule.slots_between(service, first, last)
            kept = self._sheets[key] = _KeptSheet(Sheet(schedule, service, first, last), slots)
        self._sheets.move_to_end(key)
        if len(self._sheets) > SHEETS_MAX:
            self._sheets.popitem(last=False)
        return kept

    async def _begin_warm(self, partition: str) -> str:
        """Where to follow from. The hub also hears what was told before, for widgets that come from elsewhere."""
        while True:
            try:
                start = await self._feed.last_id(partition)
                tail = await self._feed.tail(partition, WARMED_BY)
            except Unavailable:
                await asyncio.sleep(_PAUSE_S)
                continue
            self._begin(partition, start, told_since=tail[0].feed_id if tail else start)
            for update in tail:
                self._hub.publish(partition, update)
                self._retelling.miss(update.site_key)
            self._hub.listen(partition, [update.feed_id for update in tail])
            return start

    def _begin(self, partition: str, start: str, *, told_since: str) -> None:
        """From here on we hear of everything; what we knew before may have missed something."""
        self._forget(partition)
        self._hub.follow_from(partition, told_since)
        self._followed_to[partition] = start
        self._heard_at_s[partition] = asyncio.get_running_loop().time()

    async def _take_in(self, partition: str, updates: Sequence[Update]) -> None:
        for update in updates:
            self._take_in_one(update)
            self._retelling.hear(partition, update)
            if update.site_key in self._retelling:
                await self._retelling.publish(partition, update)
            else:
                self._hub.publish(partition, update)
            self._followed_to[partition] = update.feed_id
        now_s = asyncio.get_running_loop().time()
        if updates:
            self._told_at_s[partition] = now_s
        if not updates or now_s - self._looked_again_at_s.get(partition, 0.0) >= _LOOK_AGAIN_S:
            self._looked_again_at_s[partition] = now_s
            self._retelling.look_again(partition, self._followed_to[partition])
        self._heard_at_s[partition] = asyncio.get_running_loop().time()

    def _take_in_one(self, update: Update) -> None:
        seats = self._known.get(update.site_key)
        if not isinstance(update, SeatsMoved):
            self._catalog.forget(update.site_key)
        match update:
            case SeatsMoved() if seats is not None:
                seats.apply(update)
            case ScheduleMoved(version=version) if seats is not None:
                seats.hear_of_schedule(version)
            case SiteReset(epoch=epoch) if seats is not None:
                seats.begin_anew(epoch)

    def _is_heard(self, partition: str) -> bool:
        heard_at_s = self._heard_at_s.get(partition)
        return heard_at_s is not None and asyncio.get_running_loop().time() - heard_at_s <= SILENT_MAX_S

    def _forget(self, partition: str) -> None:
        self._followed_to.pop(partition, None)
        self._heard_at_s.pop(partition, None)
        self._told_at_s.pop(partition, None)
        self._catalog.forget_all()
        self._retelling.forget(partition)
        for site_key in [key for key, known in self._known.items() if known.partition == partition]:
            self._drop(site_key)

    def _drop(self, site_key: str) -> None:
        """Also for whoever is just reading into it: no update reaches it any more."""
        known = self._known.pop(site_key)
        known.begin_anew(known.epoch)
        self._retelling.drop(site_key)


class _KeptSheet:
    """A sheet and its last answer, which serves until a seat moves or a minute passes."""

    __slots__ = ("_filled_at", "_known_in", "_month", "diaries", "sheet")

    def __init__(self, sheet: Sheet, slots: Sequence[OfferedSlot]) -> None:
        self.sheet = sheet
        self.diaries = diaries_of(slots)
        """Whose diaries say what is left; of slots that need nobody, none."""
        self._known_in: int | None = None
        self._filled_at: tuple[int, datetime] | None = None
        self._month: Month | None = None

    def is_known(self, seats: KnownSeats) -> bool:
        """Diaries are many, so they are looked for once until one is forgotten."""
        if self._known_in != seats.diaries.generation:
            if not seats.diaries.knows(self.diaries):
                return False
            self._known_in = seats.diaries.generation
        return seats.knows(self.sheet.days)

    def fill_in(self, seats: KnownSeats, seats_of: SeatsOf, *, feed_id: str, now: datetime) -> Month:
        filled_at = (seats.stamp, now.replace(second=0, microsecond=0))
        if self._month is None or self._filled_at != filled_at:
            self._month = self.sheet.fill_in(seats_of, epoch=seats.epoch, feed_id=feed_id, now=now)
            self._filled_at = filled_at
        return self._month
