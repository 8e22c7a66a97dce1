"""Changing anything that processes keep in memory of a site: settings, services, openings. The gate always goes first.

From the moment the gate is raised no hold is granted on the old schedule. If SQL went first, a process that died
before it told Redis would leave slots for sale that the operator has closed, for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.sites import Site
from widget_server.errors import NotFound, Refusal, Unavailable

Write = Callable[[AsyncSession], Awaitable[None]]
Look = Callable[[Site], Awaitable[Write]]
"""Reads what Redis holds of a site, as it is now, and answers with what is to be written."""

_PATIENCE_S = 0.2
"""How long the gate may be ahead of SQL before whoever notices takes its maker for dead."""
_LOOK_EVERY_S = 0.02
_TRIES_MAX = 5


class Gate(Protocol):
    async def raise_schedule(self, site: Site, to: int) -> bool: ...

    async def settle(self, site: Site, version: int) -> None: ...


class SiteSource(Protocol):
    async def by_key(self, key: str) -> Site | None: ...


class ScheduleStore(Protocol):
    async def change(
        self, site_id: int, *, from_version: int, to_version: int, epoch: int, write: Write | None = None
    ) -> bool: ...


class Scheduling:
    def __init__(self, *, gate: Gate, sites: SiteSource, schedules: ScheduleStore) -> None:
        self._gate = gate
        self._sites = sites
        self._schedules = schedules

    async def change(self, site: Site, write: Write) -> int:
        """Write under the next version of the schedule, and return it. All of `write` happens, once, or nothing does.

        `write` runs inside the SQL transaction and may refuse by raising. Raises NotFound; Loading while Redis is being
        filled; Unavailable where others keep changing the same site, or the database is not there.
        """

        async def without_looking(_: Site) -> Write:
            return write

        return await self.change_after(site, without_looking)

    async def change_after(self, site: Site, look: Look) -> int:
        """As `change`, for what depends on seats that are held.

        `look` comes between the gate and SQL: no seat can be held from then on until `write` has happened. What was
        held is either seen by `look`, or is a booking that `write` finds in SQL. Whoever is overtaken looks again.
        """
        for _ in range(_TRIES_MAX):
            present = await self._read(site)
            wanted = present.schedule_version + 1
            if not await self._gate.raise_schedule(present, wanted):
                await self.catch_up(present, wanted)
            elif await self._commit(present, wanted, look):
                return wanted
        raise Unavailable("Others are changing this site just now. Please try again.")

    async def catch_up(self, site: Site, gate_version: int) -> None:
        """Called by whoever finds the gate at a version that SQL does not have: afterwards SQL has it, or a later one.

        Somebody is between the two steps of `change`, or has died there. After a moment of patience an empty change is
        committed in their place; if they live, they lose, and start over.
        """
        give_up_at = asyncio.get_running_loop().time() + _PATIENCE_S
        while (present := await self._read(site)).schedule_version < gate_version:
            if asyncio.get_running_loop().time() < give_up_at:
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                await self._commit(present, gate_version)

    async def _commit(self, present: Site, to: int, look: Look | None = None) -> bool:
        """False if somebody else has committed meanwhile, and what was to be written has not happened."""
        version = present.schedule_version
        try:
            write = None if look is None else await look(present)
            # Not if the site was filled anew since the gate was raised: the new gate would not have heard of it.
            won = await self._schedules.change(
                present.id, from_version=version, to_version=to, epoch=present.epoch, write=write
            )
        except Refusal:
            # The gate is up already. Nobody shall have to wait for us, unless SQL is gone: then there is no other way.
            with suppress(Unavailable):
                await self.catch_up(present, to)
            raise
        if won:
            # The feed said "changed" when the gate went up. This second word only saves widgets a moment of waiting.
            with suppress(Unavailable):
                await self._gate.settle(present, to)
        return won

    async def _read(self, site: Site) -> Site:
        """Fresh: the caller's may be of an epoch that has ended."""
        present = await self._sites.by_key(site.key)
        if present is None:
            raise NotFound("There is no such site.")
        return present
