"""The next time of a service that can be booked, looked for month by month in what is known of them anyway."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from widget_server.clock import Clock
from widget_server.domain import policies
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.domain.why_not import SEARCH_DAYS_MAX
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.month import Month


class Months(Protocol):
    async def month(self, site_key: str, service: str, first: date, last: date) -> Month: ...


@dataclass(frozen=True, slots=True)
class NextDate:
    """The first day from `first` on with something to book, and the first slot of it; or that there is none."""

    zone: str
    first: date
    last: date
    """So far was looked; `first` and `last` are both included."""
    found: tuple[date, Slot] | None = None


class NextDates:
    def __init__(self, *, catalog: Catalog, availability: Months, clock: Clock) -> None:
        self._catalog = catalog
        self._availability = availability
        self._clock = clock

    async def find(self, site_key: str, service: str, first: date) -> NextDate:
        """Nothing before today is looked at, nor beyond the horizon of the service, nor more than SEARCH_DAYS_MAX days.

        A month at a time, as widgets ask for them: what a warm process knows is not read again.
        Raises NotFound, InvalidRequest for a year nobody books in, Unavailable.
        """
        policies.may_read_range(first, first)
        schedule = (await self._catalog.find(site_key)).schedule
        today = schedule.day_of(self._clock.now())
        last = _last_day(schedule, service, today=today, first=first)
        for begins, ends in _months(max(first, today), last, not_before=today):
            month = await self._availability.month(site_key, service, begins, ends)
            for day, slot in month.free_on.items():
                if day >= first:
                    return NextDate(schedule.zone.key, first, ends, (day, slot))
        return NextDate(schedule.zone.key, first, last)


def _last_day(schedule: Schedule, service: str, *, today: date, first: date) -> date:
    """At least one day is looked at, so that it is found out whether there is such a service."""
    offered = schedule.services.get(service)
    last = today + timedelta(days=offered.horizon_days if offered else 0)
    first = max(first, today)
    return max(first, min(last, first + timedelta(days=SEARCH_DAYS_MAX - 1)))


def _months(first: date, last: date, *, not_before: date) -> Iterator[tuple[date, date]]:
    """Whole months, but for days that are over: the very stretches that widgets ask for."""
    begins = first.replace(day=1)
    while begins <= last:
        ends = begins.replace(day=monthrange(begins.year, begins.month)[1])
        yield max(begins, not_before), ends
        begins = ends + timedelta(days=1)
