"""The calendar file of an order, as it is by now, for whoever has its link."""

from widget_server.clock import Clock
from widget_server.domain.bookings import BookingState
from widget_server.errors import NotFound
from widget_server.messages.calendar_files import folded, write_calendar
from widget_server.messages.words import words_for
from widget_server.store.letters import Letters
from widget_server.use_cases.bookings import Bookings, OrderRef
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.writing import shown_of


class CalendarFiles:
    def __init__(self, *, bookings: Bookings, letters: Letters, links: OrderLinks, clock: Clock) -> None:
        self._bookings = bookings
        self._letters = letters
        self._links = links
        self._clock = clock

    async def of_order(self, ref: OrderRef) -> str:
        """All its bookings, the cancelled ones as cancelled. Raises NotFound, as `Bookings.find_order` does."""
        order = await self._bookings.find_order(ref)
        site = await self._bookings.site_of(ref)
        subject = await self._letters.subject(site.id, order.id)
        if subject.order is None:
            raise NotFound("There is no such order.")
        shown = [
            shown_of(subject, booking_id, one, is_cancelled=one.booking.state is BookingState.CANCELLED)
            for booking_id, one in subject.bookings.items()
        ]
        words, link = words_for(order.customer.locale, site.locale), self._links.for_customer(site.key, order.id)
        said = {"number": order.number, "link": link}
        return folded(write_calendar(site, shown, words, **said, at=self._clock.now(), is_test=order.is_test))
