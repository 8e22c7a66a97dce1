"""Where a site's widget was seen last: for operators who wonder whether it works on their own page."""

from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta

from widget_server.clock import Clock
from widget_server.domain.sites import Site
from widget_server.errors import Unavailable
from widget_server.store.sightings import Sighting
from widget_server.store.sightings import Sightings as StoredSightings

EVERY = timedelta(minutes=1)
SITES_KEPT = 10_000


class Sightings:
    def __init__(self, store: StoredSightings, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._noted_at: OrderedDict[int, datetime] = OrderedDict()

    async def of(self, site: Site) -> Sighting | None:
        return await self._store.of(site.id)

    async def note(self, site: Site, origin: str) -> None:
        """The widget was shown in a page of this origin. Only what may be counts, written once a minute at most.

        Nobody has to wait for a database that is gone: it will be seen again.
        """
        now, last = self._clock.now(), self._noted_at.get(site.id)
        if origin not in site.origins or (last is not None and now - last < EVERY):
            return
        self._noted_at[site.id] = now
        self._noted_at.move_to_end(site.id)
        if len(self._noted_at) > SITES_KEPT:
            self._noted_at.popitem(last=False)
        with suppress(Unavailable):
            await self._store.keep(site.id, Sighting(origin, now))
