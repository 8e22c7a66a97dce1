"""The only place that keeps sites and their schedules in memory, so that the hot paths need no SQL."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import NotFound, Unavailable
from widget_server.ids import is_key

LISTINGS_MAX = 10_000
_TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class Listing:
    """One site and what it offers, both of the same schedule version."""

    site: Site
    schedule: Schedule


class SiteSource(Protocol):
    async def by_key(self, key: str) -> Site | None: ...


class ScheduleSource(Protocol):
    async def load(self, site_id: int) -> Schedule: ...


class Catalog:
    """Reads a site once and keeps it until `forget` is called, which whoever follows the feed does on every change."""

    def __init__(self, sites: SiteSource, schedules: ScheduleSource) -> None:
        self._sites = sites
        self._schedules = schedules
        self._listings: OrderedDict[str, Listing] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Listing]] = {}
        self._under_way: set[asyncio.Task[Listing]] = set()
        """Also those whose outcome nobody wants any more."""

    async def find(self, site_key: str) -> Listing:
        """Raises NotFound for a site that does not exist, Unavailable without SQL."""
        listing = self._listings.get(site_key)
        if listing is None:
            if not is_key(site_key):
                raise NotFound("There is no such site.")
            # All who ask meanwhile wait for one reading, which goes on when the first of them has gone.
            reading = self._reading.get(site_key) or self._begin_to_read(site_key)
            listing = await asyncio.shield(reading)
        return listing

    def known(self, site_key: str) -> Listing | None:
        """As it is in memory: without waiting for anything, and without a refusal."""
        return self._listings.get(site_key)

    def forget(self, site_key: str) -> None:
        """What is just being read may be just what is to be forgotten: it serves who waits, and is not kept."""
        self._listings.pop(site_key, None)
        self._reading.pop(site_key, None)

    def forget_all(self) -> None:
        self._listings.clear()
        self._reading.clear()

    async def close(self) -> None:
        """Readings that go on although whoever asked has gone come to their end: else they would meet a database that
        was closed, and open it again."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin_to_read(self, site_key: str) -> asyncio.Task[Listing]:
        reading = self._reading[site_key] = asyncio.create_task(self._read(site_key))
        self._under_way.add(reading)
        reading.add_done_callback(self._under_way.discard)
        reading.add_done_callback(lambda done: self._keep(site_key, done))
        return reading

    async def _read(self, site_key: str) -> Listing:
        for _ in range(_TRIES_MAX):
            site = await self._sites.by_key(site_key)
            if site is None:
                raise NotFound("There is no such site.")
            schedule = await self._schedules.load(site.id)
            if schedule.version == site.schedule_version:
                return Listing(site, schedule)
        raise Unavailable("The schedule is being changed; try again in a moment.")

    def _keep(self, site_key: str, done: asyncio.Task[Listing]) -> None:
        failed = done.cancelled() or done.exception() is not None  # looked at even if nobody waits any more
        if self._reading.get(site_key) is not done:
            return
        del self._reading[site_key]
        if not failed:
            self._listings[site_key] = done.result()
            if len(self._listings) > LISTINGS_MAX:
                self._listings.popitem(last=False)
