"""A week of a site as its operator sees it: openings, shifts, blackouts, and every slot with its seats."""

import itertools
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime

from widget_server.clock import Clock
from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import Meeting, Sorting, Wanted
from widget_server.domain.schedule import Schedule
from widget_server.domain.services import Service
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.domain.wall_times import ONE_DAY
from widget_server.domain.week_blocks import (
    Block,
    Days,
    Only,
    SeenSlot,
    blackouts_in,
    openings_in,
    services_in,
    shifts_in,
    slots_in,
)
from widget_server.errors import NotFound, Unavailable
from widget_server.store.dashboard import Dashboard
from widget_server.store.week import BookedWeeks
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.offers import Offer, Offers

BLOCKS_MAX = 2_000
SERVICES_MAX = 40
"""So many services are looked at at once, of those that have slots in the week."""
_SERVED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Week:
    now: datetime
    days: Days
    blocks: tuple[Block, ...]
    """By kind, and within it by the start."""
    is_all: bool
    """False where there are more than are shown."""
    is_known: bool
    """False while Redis cannot say what is held."""


class Weeks:
    def __init__(
        self, *, catalog: Catalog, offers: Offers, booked: BookedWeeks, dashboard: Dashboard, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._offers = offers
        self._booked = booked
        self._dashboard = dashboard
        self._clock = clock

    async def look(self, site: Site, schedule: Schedule, first: date, only: Only) -> Week:
        """The seven days from `first` on. What is booked comes from SQL, what is held from Redis, if it is there.

        Raises Unavailable without SQL.
        """
        schedule = await self._kept(site, schedule)
        days = Days.of(schedule, first)
        meetings = await self._meetings(site, days)
        served = await self._served_by(site, only.staff, days) if only.staff else None
        slots, is_all, is_known = await self._slots(site, schedule, days, only, meetings, served)
        drawn: Iterable[Block] = itertools.chain(
            blackouts_in(schedule, days, only),
            openings_in(schedule, days, only),
            shifts_in(schedule, days, only),
            slots,
        )
        blocks = tuple(itertools.islice(drawn, BLOCKS_MAX + 1))
        is_all = is_all and len(blocks) <= BLOCKS_MAX and len(meetings) < BLOCKS_MAX
        return Week(self._clock.now(), days, blocks[:BLOCKS_MAX], is_all, is_known)

    async def _kept(self, site: Site, fresh: Schedule) -> Schedule:
        """The one in memory if it is as new: it remembers the slots that it has worked out."""
        with suppress(NotFound, Unavailable):
            kept = (await self._catalog.find(site.key)).schedule
            return kept if kept.version >= fresh.version else fresh
        return fresh

    async def _meetings(self, site: Site, days: Days) -> dict[Slot, Meeting]:
        found = await self._booked.meetings(site.id, days.starts_at - 2 * ONE_DAY, days.ends_at, limit=BLOCKS_MAX)
        return {one.slot: one for one in found if days.have(one.slot.starts_at, one.slot.ends_at)}

    async def _served_by(self, site: Site, staff: str, days: Days) -> set[Slot]:
        """The slots of which this member serves bookings."""
        since = days.starts_at - 2 * ONE_DAY
        wanted = Wanted(since=since, until=days.ends_at, staff=staff, sorting=Sorting.SOONEST)
        lines = await self._dashboard.bookings(site.id, wanted, limit=_SERVED_MAX)
        return {line.slot for line in lines if line.state is not BookingState.CANCELLED}

    async def _slots(
        self,
        site: Site,
        schedule: Schedule,
        days: Days,
        only: Only,
        meetings: dict[Slot, Meeting],
        served: set[Slot] | None,
    ) -> tuple[list[SeenSlot], bool, bool]:
        """With whether these are all of them, and whether it is known what is held."""
        found: dict[Slot, SeenSlot] = {}
        looked_at, is_known = 0, True
        for service in services_in(schedule, only):
            offered = slots_in(schedule, days, service, only)
            if not offered:
                continue
            looked_at += 1
            if looked_at > SERVICES_MAX or len(found) > BLOCKS_MAX:
                return _sorted(found.values()), False, is_known
            offers = await self._read(site, service, days) if is_known else None
            is_known = offers is not None
            found |= {
                one.slot: _seen(schedule, service, one, (offers or {}).get(one.slot), meetings) for one in offered
            }
        for meeting in meetings.values():
            if meeting.slot not in found and _is_wanted(meeting.slot, only, served):
                found[meeting.slot] = _left_over(schedule, meeting)
        if served is not None:
            found = {slot: replace(one, is_served=slot in served) for slot, one in found.items()}
        return _sorted(found.values()), True, is_known

    async def _read(self, site: Site, service: Service, days: Days) -> dict[Slot, Offer] | None:
        try:
            found = await self._offers.between(site, service.key, days.all[0] - ONE_DAY, days.all[-1])
        except (NotFound, Unavailable):  # not found: a service that is new, and this process has not heard of it
            return None
        return {offer.slot: offer for offer in found}


def _seen(
    schedule: Schedule, service: Service, offered: OfferedSlot, offer: Offer | None, meetings: dict[Slot, Meeting]
) -> SeenSlot:
    slot, meeting = offered.slot, meetings.get(offered.slot)
    rule = schedule.rule_of(slot)
    return SeenSlot(
        slot=slot,
        service_name=service.name,
        capacity=offered.capacity,
        booked=meeting.booked if meeting else 0,
        held=offer.held if offer else None,
        left=offer.left if offer else None,
        state=offer.state if offer else None,
        frees_at=offer.frees_at if offer else None,
        is_frozen=rule.is_closed,
        is_offered=not (offered.is_closed and rule.is_kept and not rule.is_closed),
    )


def _left_over(schedule: Schedule, meeting: Meeting) -> SeenSlot:
    """Booked, and not in the schedule any more."""
    service = schedule.services.get(meeting.slot.service)
    return SeenSlot(
        slot=meeting.slot,
        service_name=service.name if service else meeting.slot.service,
        capacity=meeting.capacity,
        booked=meeting.booked,
        held=None,
        left=None,
        state=None,
        is_offered=False,
    )


def _is_wanted(slot: Slot, only: Only, served: set[Slot] | None) -> bool:
    return only.service in ("", slot.service) and (served is None or slot in served)


def _sorted(slots: Iterable[SeenSlot]) -> list[SeenSlot]:
    return sorted(slots, key=lambda one: (one.starts_at, one.ends_at, one.service_name, one.slot.service))
