"""Letting go of slots that were kept for somebody, once nobody has them any more."""

import asyncio

from widget_server.clock import Clock
from widget_server.store.sites import Sites
from widget_server.store.slot_rules import KeptSlots as StoredKeptSlots
from widget_server.use_cases.edits import Edits
from widget_server.use_cases.forever import forever

_SITES_AT_ONCE = 100
_LOOK_EVERY_S = 30.0


class KeptSlots:
    def __init__(self, *, kept_slots: StoredKeptSlots, edits: Edits, sites: Sites, clock: Clock) -> None:
        self._kept_slots = kept_slots
        self._edits = edits
        self._sites = sites
        self._clock = clock

    async def let_go(self) -> int:
        """At every site where there are any, and at how many that was. Raises Loading and Unavailable."""
        keys = await self._kept_slots.without_bookings(self._clock.now(), limit=_SITES_AT_ONCE)
        sites = [site for site in [await self._sites.by_key(key) for key in keys] if site is not None]
        return sum([await self._edits.let_go_of_kept(site) for site in sites])

    async def run(self) -> None:
        """Again and again, until cancelled. Any number of workers may run."""
        await forever("let go", self._let_go_and_wait)

    async def _let_go_and_wait(self) -> None:
        await self.let_go()
        await asyncio.sleep(_LOOK_EVERY_S)
