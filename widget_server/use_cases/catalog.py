"""The only place that keeps sites and their schedules in memory, so that the hot paths need no SQL."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import NotFound, Unavailable

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
        self._forgotten = 0

    async def find(self, site_key: str) -> Listing:
        """Raises NotFound for a site that does not exist, Unavailable without SQL."""
        listing = self._listings.get(site_key)
        if listing is None:
            listing = await self._read(site_key)
        return listing

    def forget(self, site_key: str) -> None:
        self._forgotten += 1
        self._listings.pop(site_key, None)

    def forget_all(self) -> None:
        self._forgotten += 1
        self._listings.clear()

    async def _read(self, site_key: str) -> Listing:
        for _ in range(_TRIES_MAX):
            forgotten = self._forgotten
            site = await self._sites.by_key(site_key)
            if site is None:
                raise NotFound("There is no such site.")
            schedule = await self._schedules.load(site.id)
            if schedule.version == site.schedule_version:
                listing = Listing(site, schedule)
                # What was forgotten while we read may be what we read: serve it once, do not keep it.
                if forgotten == self._forgotten:
                    self._keep(site_key, listing)
                return listing
        raise Unavailable("The schedule is being changed; try again in a moment.")

    def _keep(self, site_key: str, listing: Listing) -> None:
        self._listings[site_key] = listing
        if len(self._listings) > LISTINGS_MAX:
            self._listings.popitem(last=False)
