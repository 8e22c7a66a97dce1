"""Asking customers for another time: what to offer them instead of theirs, and taking the question back."""

from contextlib import suppress

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import Booking
from widget_server.domain.move_requests import ALTERNATIVES_MAX, MoveState, nearest
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import TooLate, Unavailable
from widget_server.store.move_requests import MoveRequests as StoredMoveRequests
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.nearby import free_near
from widget_server.use_cases.offers import Offers

Alternatives = dict[Slot, tuple[Slot, ...]]
"""Where a booking is whose customer is asked -> free slots for as many seats."""


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
        free = set[Slot]()
        with suppress(Unavailable):
            free = await free_near(
                self._offers,
                listing,
                booking.slot,
                booking.seats,
                but=own,
                now=self._clock.now(),
                enough=ALTERNATIVES_MAX,
            )
        return nearest(free, booking.slot)
