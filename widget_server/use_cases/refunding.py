"""The only place where money of paid orders goes back: by the policy they were sold with, or as an operator decides."""

from widget_server.domain.audit_log import Entry
from widget_server.domain.money import Money
from widget_server.domain.payments import Refund


class Refunding:
    async def refund(self, site_id: int, order_id: str, amount: Money, *, entry: Entry) -> Refund:
        """Give so much of what was paid back, whatever is cancelled or not. The worker does it within seconds.

        The same form again (`entry.form_key`): the same refund. Raises NotFound; InvalidRequest for nothing, another
        currency, or more than is left.
        """
        raise NotImplementedError

    async def left(self, site_id: int, order_id: str) -> Money:
        """What was paid for an order and has not gone back, nor is on its way. Raises NotFound."""
        raise NotImplementedError

    async def refund_due(self) -> int:
        """Do the refunds that are due, of all sites, some at a time, and return how many that were."""
        raise NotImplementedError
