"""What operators see of bookings: lists, orders, meetings and who comes. And cancelling for somebody."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import Attendance, BookingLine, Meeting, Place, Sorting, Wanted
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, TooLate
from widget_server.store.bookings import Bookings
from widget_server.store.dashboard import Dashboard as StoredDashboard
from widget_server.use_cases.reconciliation import Reconciliation

PAGE_LINES = 50
AGENDA_LINES = 100
DIARY_LINES = 500
CANCELLED_SHOWN = 20
TESTS_CANCELLED_AT_ONCE = 100
_EXPORTED_AT_ONCE = 500

_Line = TypeVar("_Line", BookingLine, Attendance)


@dataclass(frozen=True, slots=True)
class Page(Generic[_Line]):
    lines: tuple[_Line, ...]
    has_earlier: bool
    has_later: bool
    """In the list, not in time."""

    @property
    def first(self) -> Place:
        return self.lines[0].place

    @property
    def last(self) -> Place:
        return self.lines[-1].place


@dataclass(frozen=True, slots=True)
class Appointment:
    """A slot of the agenda with those of its bookings that stand."""

    slot: Slot
    service_name: str
    bookings: tuple[BookingLine, ...]

    @property
    def seats(self) -> int:
        return sum(line.seats for line in self.bookings)

    @property
    def served_by(self) -> tuple[str, ...]:
        return _each_once(self.bookings)


@dataclass(frozen=True, slots=True)
class MeetingView:
    meeting: Meeting | None
    coming: tuple[BookingLine, ...]
    cancelled: tuple[BookingLine, ...]
    """The last ones first, and not more than CANCELLED_SHOWN."""
    has_more_cancelled: bool

    @property
    def served_by(self) -> tuple[str, ...]:
        return _each_once(self.coming)


class Dashboard:
    def __init__(
        self, *, dashboard: StoredDashboard, store: Bookings, reconciliation: Reconciliation, clock: Clock
    ) -> None:
        self._dashboard = dashboard
        self._store = store
        self._reconciliation = reconciliation
        self._clock = clock

    async def bookings(
        self, site: Site, wanted: Wanted, *, after: Place | None = None, before: Place | None = None
    ) -> Page[BookingLine]:
        """One page of them: the first, the one after a place, or the one before it. Raises Unavailable."""
        lines = await self._dashboard.bookings(site.id, wanted, limit=PAGE_LINES + 1, after=after, before=before)
        return _page(lines, after, before)

    async def agenda(
        self,
        site: Site,
        since: datetime,
        until: datetime | None = None,
        *,
        staff: str = "",
        bookings_max: int = AGENDA_LINES,
    ) -> tuple[list[Appointment], bool]:
        """What is booked from then on, the earliest first, and whether that is cut after so many bookings.

        Those made in test mode only while the site is in it; with `staff`, those that they serve. What is cut ends
        before the first start of which a booking is missing, unless that is the very first. Raises Unavailable.
        """
        confirmed = Wanted(since=since, until=until, state=BookingState.CONFIRMED, sorting=Sorting.SOONEST)
        wanted = replace(confirmed, staff=staff, is_test=None if site.is_test else False)
        by_slot: dict[Slot, list[BookingLine]] = {}
        found = await self._dashboard.bookings(site.id, wanted, limit=bookings_max + 1)
        shown, missing = found[:bookings_max], found[bookings_max:]
        whole = [line for line in shown if not missing or line.slot.starts_at < missing[0].slot.starts_at]
        for line in whole or shown:
            by_slot.setdefault(line.slot, []).append(line)
        told = [Appointment(slot, lines[0].service_name, tuple(lines)) for slot, lines in by_slot.items()]
        return told, bool(missing)

    async def served(
        self, site: Site, staff: str, *, since: datetime, until: datetime
    ) -> tuple[list[BookingLine], bool]:
        """What somebody serves in that time, the earliest first, and whether that is cut after DIARY_LINES bookings.

        Also what was booked in test mode: they were told of it. Raises Unavailable.
        """
        wanted = Wanted(since=since, until=until, staff=staff, sorting=Sorting.SOONEST)
        lines = await self._dashboard.bookings(site.id, wanted, limit=DIARY_LINES + 1)
        return lines[:DIARY_LINES], len(lines) > DIARY_LINES

    def now(self) -> datetime:
        return self._clock.now()

    async def attendees(
        self, site: Site, wanted: Wanted, *, after: Place | None = None, before: Place | None = None
    ) -> Page[Attendance]:
        """Likewise, everybody who comes. Raises Unavailable."""
        lines = await self._dashboard.attendees(site.id, wanted, limit=PAGE_LINES + 1, after=after, before=before)
        return _page(lines, after, before)

    def all_bookings(self, site: Site, wanted: Wanted) -> AsyncIterator[list[BookingLine]]:
        """All of them, in chunks, each as of its own moment: however long reading takes, nobody waits for it.

        Files are for what is meant: they are without bookings made in test mode.
        """
        wanted = replace(wanted, is_test=False)
        return _chunks(lambda after: self._dashboard.bookings(site.id, wanted, limit=_EXPORTED_AT_ONCE, after=after))

    def all_attendees(self, site: Site, wanted: Wanted) -> AsyncIterator[list[Attendance]]:
        wanted = replace(wanted, is_test=False)
        return _chunks(lambda after: self._dashboard.attendees(site.id, wanted, limit=_EXPORTED_AT_ONCE, after=after))

    async def order(self, site: Site, order_id: str) -> tuple[Order, list[BookingLine]]:
        """An order and its bookings. Raises NotFound, also for an order of another site."""
        found = await self._store.find(site.id, order_id)
        if found is None:
            raise NotFound("There is no such order.")
        return found[0], await self._dashboard.of_order(site.id, order_id)

    async def meeting(self, site: Site, slot: Slot) -> MeetingView:
        """What is booked of a slot, and by whom; empty where nobody has yet."""
        coming = await self._dashboard.of_slot(site.id, slot)
        cancelled = await self._dashboard.cancelled_of(site.id, slot, limit=CANCELLED_SHOWN + 1)
        return MeetingView(
            meeting=await self._dashboard.meeting(site.id, slot),
            coming=tuple(coming),
            cancelled=tuple(cancelled[:CANCELLED_SHOWN]),
            has_more_cancelled=len(cancelled) > CANCELLED_SHOWN,
        )

    async def cancel(
        self,
        site: Site,
        order_id: str,
        booking_id: int,
        *,
        operator_id: int,
        message: str = "",
        refund_percent: int | None = None,
    ) -> BookingLine:
        """Undo one booking of an order and free its seats; again: nothing more happens.

        The message is for its customer. So many percent of what was paid for it go back; all of it, unless it is said.
        Raises NotFound; TooLate once it has begun; Unavailable.
        """
        _, lines = await self.order(site, order_id)
        line = next((line for line in lines if line.id == booking_id), None)
        if line is None:
            raise NotFound("There is no such booking.")
        now = self._clock.now()
        if line.state is BookingState.CONFIRMED and line.slot.starts_at <= now:
            raise TooLate("This booking has begun and can no longer be cancelled.")
        detail = {"slot": line.slot.id, "seats": line.seats}
        entry = Entry(site.id, operator_id, Deed.BOOKING_CANCELLED, now, order_id, detail)
        freed = await self._store.cancel(
            site.id,
            order_id,
            now,
            only=booking_id,
            entry=entry,
            message=message,
            refund_percent=refund_percent,
        )
        await self._reconciliation.tell_freed(site, freed)
        return line

    async def cancel_tests(self, site: Site, *, operator_id: int) -> int:
        """Cancel what was booked in test mode and has not begun, and return how many bookings that were.

        Each by itself, as any other, up to TESTS_CANCELLED_AT_ONCE: where more are left, again. Raises Unavailable.
        """
        confirmed = Wanted(state=BookingState.CONFIRMED, sorting=Sorting.SOONEST, is_test=True)
        wanted = replace(confirmed, since=self._clock.now())
        lines = await self._dashboard.bookings(site.id, wanted, limit=TESTS_CANCELLED_AT_ONCE)
        for line in lines:
            with suppress(TooLate):  # it has just begun
                await self.cancel(site, line.order_id, line.id, operator_id=operator_id)
        return len(lines)


def _page(lines: Sequence[_Line], after: Place | None, before: Place | None) -> Page[_Line]:
    """One more than a page was asked for: it tells whether there are more in that direction."""
    has_more = len(lines) > PAGE_LINES
    if before is not None:
        return Page(tuple(lines[-PAGE_LINES:]), has_earlier=has_more, has_later=True)
    return Page(tuple(lines[:PAGE_LINES]), has_earlier=after is not None, has_later=has_more)


def _each_once(lines: Iterable[BookingLine]) -> tuple[str, ...]:
    """The names of the staff who serve them, in the order in which they were booked."""
    return tuple(dict.fromkeys(name for line in lines for name in line.served_by))


async def _chunks(read: Callable[[Place | None], Awaitable[list[_Line]]]) -> AsyncIterator[list[_Line]]:
    chunk = await read(None)
    while chunk:
        yield chunk
        chunk = await read(chunk[-1].place)
