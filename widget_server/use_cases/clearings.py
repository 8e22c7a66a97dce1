"""Going on with clearings, or stopping them: what an edit does to many bookings happens to some of them at a time."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.sites import Site
from widget_server.errors import InvalidRequest
from widget_server.store.audit_log import put_entry
from widget_server.store.bookings import Bookings
from widget_server.store.clearings import Clearing, OpenClearing, stop_clearing
from widget_server.store.clearings import Clearings as StoredClearings
from widget_server.store.sites import Sites
from widget_server.use_cases.edits import Edits
from widget_server.use_cases.forever import forever
from widget_server.use_cases.reconciliation import Reconciliation

OPEN_MAX = 100
_PAUSE_S = 0.1
"""After a step: so that others who wait to write have their turn."""
_LOOK_EVERY_S = 1.0

_log = structlog.get_logger()


class Clearings:
    def __init__(
        self,
        *,
        clearings: StoredClearings,
        sites: Sites,
        store: Bookings,
        reconciliation: Reconciliation,
        edits: Edits,
        clock: Clock,
    ) -> None:
        self._clearings = clearings
        self._sites = sites
        self._store = store
        self._reconciliation = reconciliation
        self._edits = edits
        self._clock = clock

    async def find(self, site: Site, clearing_id: int) -> Clearing:
        """How far it has come. Raises NotFound."""
        return await self._clearings.find(site.id, clearing_id)

    async def under_way(self, site: Site) -> Sequence[Clearing]:
        """The oldest first."""
        return await self._clearings.under_way(site.id)

    async def stop(self, site: Site, clearing_id: int, *, operator_id: int) -> Clearing:
        """Whatever has not happened yet does not: those bookings stay, kept as after a choice to keep them.

        Again, or once it has ended: nothing more happens. Raises NotFound, Loading and Unavailable.
        """

        async def write(session: AsyncSession) -> None:
            now = self._clock.now()
            stopped = await stop_clearing(session, site.id, clearing_id, now)
            if stopped is not None:
                detail = {"bookings_done": stopped.done, "bookings_kept": stopped.waiting}
                put_entry(session, Entry(site.id, operator_id, Deed.CLEARING_STOPPED, now, str(clearing_id), detail))

        if (await self.find(site, clearing_id)).ended_at is None:
            await self._edits.move_openings(site, write)
        return await self.find(site, clearing_id)

    async def step(self) -> int:
        """One step of each that is open, and how many bookings that were. Whoever dies on the way has done each step
        or not, and whoever comes next goes on. Raises Unavailable.
        """
        return sum([await self._step(one) for one in await self._clearings.all_open(OPEN_MAX)])

    async def run(self) -> None:
        """All of them, until cancelled. Any number of workers may run."""
        await forever("clear", self._step_or_wait)

    async def _step_or_wait(self) -> None:
        await asyncio.sleep(_PAUSE_S if await self.step() else _LOOK_EVERY_S)

    async def _step(self, clearing: OpenClearing) -> int:
        try:
            done = await self._clearings.step(clearing, self._clock.now())
        except InvalidRequest as problem:  # others must not wait for it
            _log.warning("clearing_waits", site=clearing.site_key, reason=problem.message)
            return 0
        site = await self._sites.by_key(clearing.site_key)
        if not done or site is None:
            return 0
        slots = sorted({booked.slot for booked in done}, key=lambda slot: slot.id)
        await self._reconciliation.tell_freed(site, await self._store.booked_in(site.id, slots))
        return len(done)
