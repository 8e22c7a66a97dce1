"""Erasing the personal data of an order, when its customer or the law wants it: by an owner, and for good."""

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.sites import Site
from widget_server.store.erasing import Erasing as StoredErasing


class Erasing:
    def __init__(self, *, erasing: StoredErasing, clock: Clock) -> None:
        self._erasing = erasing
        self._clock = clock

    async def erase(self, site: Site, order_id: str, *, operator_id: int) -> bool:
        """Names, addresses and texts go; times, seats and figures stay. Again: nothing more happens, and False.

        Mails that wait are never sent. Raises NotFound, also for an order of another site; Changed while a booking of
        it is still to come or not over; Unavailable.
        """
        entry = Entry(site.id, operator_id, Deed.PERSONAL_DATA_ERASED, self._clock.now(), order_id)
        return await self._erasing.erase(site.id, order_id, entry=entry)
