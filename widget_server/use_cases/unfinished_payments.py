"""What an operator has to know of payments that did not go as they should: without an order, stuck, not paid back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from widget_server.clock import Clock
from widget_server.domain.sites import Site
from widget_server.store.unfinished import REFUSED_SHOWN, RefusedRefund, Unfinished, Waiting
from widget_server.store.unfinished import UnfinishedPayments as StoredUnfinishedPayments

PAGE_PAYMENTS = 50


@dataclass(frozen=True, slots=True)
class PageOfUnfinished:
    payments: Sequence[Unfinished]
    has_older: bool


class UnfinishedPayments:
    def __init__(self, *, unfinished: StoredUnfinishedPayments, clock: Clock) -> None:
        self._unfinished = unfinished
        self._clock = clock

    async def without_order(self, site: Site, *, before: int | None) -> PageOfUnfinished:
        """A page of them, the newest first; `before` the id of one, those that are older. Raises Unavailable."""
        found = await self._unfinished.without_order(site.id, limit=PAGE_PAYMENTS + 1, before=before)
        return PageOfUnfinished(found[:PAGE_PAYMENTS], len(found) > PAGE_PAYMENTS)

    async def waiting(self, site: Site) -> Waiting:
        """For other keys at Stripe. Raises Unavailable."""
        # Test bookings are cancelled when a site goes live, and nobody enters the keys for them once more.
        refunds = await self._unfinished.refunds_waiting(site.id, self._clock.now(), with_test=site.is_test)
        return replace(await self._unfinished.waiting(site.id), refunds=refunds)

    async def refused(self, site: Site) -> Sequence[RefusedRefund]:
        """Refunds that Stripe has refused in the last months, and nothing has made up for. Raises Unavailable."""
        return await self._unfinished.refused(site.id, self._clock.now() - REFUSED_SHOWN)
