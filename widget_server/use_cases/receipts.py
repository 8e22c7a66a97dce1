"""The receipt of an order, as it is by now, for whoever has its link."""

from dataclasses import dataclass

from widget_server.domain import policies
from widget_server.domain.orders import Order
from widget_server.domain.receipts import receipt_number
from widget_server.domain.sites import Site
from widget_server.store.letters import Letters
from widget_server.use_cases.bookings import OrderRef
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.checkout import Checkout


@dataclass(frozen=True, slots=True)
class Receipt:
    number: str
    order: Order
    site: Site


class Receipts:
    def __init__(self, *, checkout: Checkout, catalog: Catalog, letters: Letters) -> None:
        self._checkout = checkout
        self._catalog = catalog
        self._letters = letters

    async def of_order(self, ref: OrderRef) -> Receipt:
        """Raises NotFound as `Checkout.find_order` does, and for what was not sold."""
        order = await self._checkout.find_order(ref)
        policies.may_have_receipt(order)
        site = (await self._catalog.find(ref.site_key)).site
        bookings = (await self._letters.subject(site.id, order.id)).bookings.values()
        return Receipt(receipt_number(order, (at for one in bookings for at in one.moved_at)), order, site)
