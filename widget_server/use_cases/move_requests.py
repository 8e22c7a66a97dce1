"""Asking customers for another time: what to offer them instead of theirs, and taking the question back."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import Booking
from widget_server.domain.move_requests import ALTERNATIVES_MAX, MoveState, nearest
from widget_server.domain.orders import Order
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot, SlotState
from widget_server.errors import TooLate, Unavailable
from widget_server.store.move_requests import MoveRequests as StoredMoveRequests
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.offers import Offers

Alternatives = dict[Slot, tuple[Slot, ...]]
"""Where a booking is whose customer is asked -> free slots for as many seats."""

_NEAR = timedelta(days=15)
"""So far before and after a booking is looked first; what is free there is nearer than all that lies beyond."""
_FURTHER = timedelta(days=31)
_RINGS_MAX = 3


class MoveRequests:
    def __init__(self, *, catalog: Catalog, offers: Offers, move_requests: StoredMoveRequests, clock: Clock) -> None:
        self._catalog = catalog
        self._offers = offers
        self._move_requests = move_requests
        self._clock = clock

    async def alternatives(self, site_key: str, order: Order) -> Alternatives:
        """What is free just now, for each booking of the order whose customer is asked for another time.

        Without Redis nothing is offered: the order can be read all the same. Raises NotFound.
        """
        asked = [one for one in order.bookings if one.move_request and one.slot.starts_at > self._clock.now()]
        if not asked:
            return {}
        listing = await self._catalog.find(site_key)
        own = {booking.slot for booking in order.bookings}
        return {one.slot: await self._nearest(listing, one, own) for one in asked}

    async def withdraw(self, site: Site, order_id: str, booking_id: int, *, operator_id: int) -> None:
        """The booking stays as it is, and its customer is told; again: nothing more happens.

        Raises NotFound; TooLate once the customer has chosen another time, or the booking was cancelled.
        """
        entry = Entry(site.id, operator_id, Deed.MOVE_WITHDRAWN, self._clock.now(), order_id)
        state = await self._move_requests.withdraw(site.id, order_id, booking_id, entry=entry)
        if state is MoveState.MOVED:
            raise TooLate("The customer has chosen another time meanwhile.")
        if state is MoveState.CANCELLED:
            raise TooLate("This booking was cancelled meanwhile.")

    async def _nearest(self, listing: Listing, booking: Booking, own: set[Slot]) -> tuple[Slot, ...]:
        site, service, free = listing.site, booking.slot.service, set[Slot]()
        if service not in listing.schedule.services:
            return ()
        with suppress(Unavailable):
            for ring in _rings(listing.schedule, booking.slot, self._clock.now()):
                for first, last in ring:
                    offers = await self._offers.between(site, service, first, last)
                    open_to_all = [
                        one.slot for one in offers if one.state is SlotState.OPEN and one.left >= booking.seats
                    ]
                    free.update(slot for slot in open_to_all if slot not in own)
                if len(free) >= ALTERNATIVES_MAX:
                    break
        return nearest(free, booking.slot)


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
