"""All that a customer has booked at a site, by a link sent to their address. Nobody else learns whether they have."""

from datetime import timedelta

from widget_server.clock import Clock
from widget_server.domain.messages import Kind, NewMessage, Role
from widget_server.domain.my_bookings import Mark
from widget_server.domain.my_bookings import MyBookings as Page
from widget_server.errors import NotFound
from widget_server.ids import hash_address, hash_secret
from widget_server.store.messages import my_bookings_event
from widget_server.store.my_bookings import StoredMyBookings
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.tries import Tries

PAGE_LINES = 50
LINKS_PER_ADDRESS_MAX, LINKS_PER_NETWORK_MAX = 3, 20
"""An hour. A whole company may sit behind one network."""


class MyBookings:
    def __init__(self, *, catalog: Catalog, my_bookings: StoredMyBookings, links: OrderLinks, clock: Clock) -> None:
        self._catalog = catalog
        self._my_bookings = my_bookings
        self._links = links
        self._clock = clock
        self._tries = Tries(clock, timedelta(hours=1))

    async def ask_for_link(self, site_key: str, address: str, *, network: str) -> None:
        """Have a link sent, if there are bookings. Here that is not looked at, so it takes as long and says the same.

        Raises NotFound for a site that does not exist, TooManyTries, Unavailable.
        """
        site, now = (await self._catalog.find(site_key)).site, self._clock.now()
        address_hash = hash_address(address)
        limits = [(f"address/{site.id}/{address_hash}", LINKS_PER_ADDRESS_MAX)]
        self._tries.spend([*limits, (f"network/{network}", LINKS_PER_NETWORK_MAX)])
        event = my_bookings_event(address_hash, now)
        wanted = NewMessage(site.id, Kind.MY_BOOKINGS, Role.CUSTOMER, event, now, address=address)
        await self._my_bookings.ask(wanted)

    async def read(self, site_key: str, code: str, *, after: Mark | None = None) -> Page:
        """A page of what the code of a link shows. Raises NotFound where it shows nothing, or no more; Unavailable."""
        site, now = (await self._catalog.find(site_key)).site, self._clock.now()
        found = await self._my_bookings.listed(site.id, hash_secret(code), at=now, limit=PAGE_LINES, after=after)
        if found is None:
            raise NotFound("This link does not show any bookings, or does not any more: ask for a new one.")
        return found

    def link_to(self, site_key: str, order_id: str) -> str:
        """To the page of an order; whoever has a link to all of them may open each."""
        return self._links.for_customer(site_key, order_id)
