"""Looking for free times near another one: around it first, then further and further away."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta

from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot, SlotState
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.offers import Offers

_NEAR = timedelta(days=15)
"""So far before and after a slot is looked first; what is free there is nearer than all that lies beyond."""
_FURTHER = timedelta(days=31)
_RINGS_MAX = 3


async def free_near(
    offers: Offers,
    listing: Listing,
    around: Slot,
    seats: int,
    *,
    but: Collection[Slot] = (),
    now: datetime,
    enough: int,
) -> set[Slot]:
    """Slots of its service that anybody could book now with so many seats, from all days that had to be looked at.

    Raises Unavailable.
    """
    free = set[Slot]()
    if around.service not in listing.schedule.services:
        return free
    for ring in _rings(listing.schedule, around, now):
        for first, last in ring:
            found = await offers.between(listing.site, around.service, first, last)
            open_to_all = {one.slot for one in found if one.state is SlotState.OPEN and one.left >= seats}
            free |= open_to_all.difference(but)
        if len(free) >= enough:
            break
    return free


def _rings(schedule: Schedule, around: Slot, now: datetime) -> Iterator[list[tuple[date, date]]]:
    """Days to look at, further and further away, but none that is over or beyond the horizon of the service."""
    day, today = schedule.day_of(around.starts_at), schedule.day_of(now)
    end = today + timedelta(days=schedule.services[around.service].horizon_days)
    yield _within([(day - _NEAR, day + _NEAR)], today, end)
    for number in range(1, _RINGS_MAX):
        before, after = day - _NEAR - _FURTHER * number, day + _NEAR + _FURTHER * (number - 1) + timedelta(days=1)
        pair = [(first, first + _FURTHER - timedelta(days=1)) for first in (before, after)]
        yield _within(pair, today, end)


def _within(stretches: list[tuple[date, date]], first: date, last: date) -> list[tuple[date, date]]:
    clipped = [(max(begins, first), min(ends, last)) for begins, ends in stretches]
    return [(begins, ends) for begins, ends in clipped if begins <= ends]
