"""What is free, slot by slot, for people who book for others: the same figures that every widget shows."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot, SlotState
from widget_server.domain.wall_times import day_at
from widget_server.use_cases.month import Month


class Availability(Protocol):
    async def month(self, site_key: str, service: str, first: date, last: date) -> Month: ...


@dataclass(frozen=True, slots=True)
class Offer:
    slot: Slot
    state: SlotState
    capacity: int
    held: int
    booked: int
    left: int
    frees_at: datetime | None
    """When the first of the seats that are held may be free again; None where no hold is running."""


class Offers:
    def __init__(self, availability: Availability) -> None:
        self._availability = availability

    async def on(self, site: Site, service: str, day: date) -> list[Offer]:
        """The slots that start on this day of the site's zone. Raises InvalidRequest, NotFound, Unavailable."""
        return await self.between(site, service, day, day)

    async def between(self, site: Site, service: str, first: date, last: date) -> list[Offer]:
        """The slots that start on any day from `first` to `last`. Raises InvalidRequest, NotFound, Unavailable."""
        month = await self._availability.month(site.key, service, first, last)
        return [
            Offer(
                slot=Slot.parse(told["id"]),
                state=SlotState(told["state"]),
                capacity=told["capacity"],
                held=told["held"],
                booked=told["booked"],
                left=told["left"],
                frees_at=datetime.fromisoformat(told["frees_at"]) if told["frees_at"] else None,
            )
            for told in json.loads(month.body)["slots"]
        ]

    async def of(self, site: Site, slot: Slot) -> Offer | None:
        """None where this slot is not offered. Raises InvalidRequest, NotFound, Unavailable."""
        day = day_at(slot.starts_at, site.zone)
        return next((offer for offer in await self.on(site, slot.service, day) if offer.slot == slot), None)
