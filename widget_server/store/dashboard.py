"""The only place that reads bookings for operators: found, sorted, and page by page by the last line that was seen."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import ERASED, ID_MAX, Attendance, BookingLine, Meeting, Place, Sorting, Wanted
from widget_server.domain.money import Money
from widget_server.domain.move_requests import MoveRequest
from widget_server.domain.orders import OrderState
from widget_server.domain.slots import Slot
from widget_server.store.assignments import STAFF, read_names
from widget_server.store.database import Database
from widget_server.store.move_requests import read_requests
from widget_server.store.orders import FIRST_SEAT
from widget_server.store.questions import to_answers
from widget_server.store.refunds import read_refunded
from widget_server.store.tables import AssignmentRow, AttendeeRow, BookingRow, MeetingRow, OrderRow


class Dashboard:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def bookings(
        self,
        site_id: int,
        wanted: Wanted,
        *,
        limit: int,
        after: Place | None = None,
        before: Place | None = None,
    ) -> list[BookingLine]:
        """The first `limit` after a place, or the last ones before another. Raises Unavailable."""
        key = _KEYS[wanted.sorting]
        rows = _lines().where(*_of_site(site_id), *_conditions(wanted))
        if after is not None:
            rows = rows.where(key.beyond(after))
        if before is not None:
            rows = rows.where(key.within(before))
        rows = rows.order_by(*(key.backwards if before is not None else key.order)).limit(limit)
        async with self._db.snapshot() as session:
            lines = await _to_lines(session, site_id, (await session.exec(rows)).all(), wanted.sorting)
        return lines[::-1] if before is not None else lines

    async def of_order(self, site_id: int, order_id: str) -> list[BookingLine]:
        return await self._all(site_id, col(OrderRow.hold_id) == order_id)

    async def of_slot(self, site_id: int, slot: Slot) -> list[BookingLine]:
        """Those that stand, in the order in which they were booked: at most as many as there are seats."""
        return await self._all(site_id, col(MeetingRow.slot) == slot.id, ~_is_cancelled)

    async def cancelled_of(self, site_id: int, slot: Slot, *, limit: int) -> list[BookingLine]:
        """The last of them first: there may be any number."""
        of_slot = _lines().where(*_of_site(site_id), col(MeetingRow.slot) == slot.id, _is_cancelled)
        rows = of_slot.order_by(col(BookingRow.cancelled_at).desc(), col(BookingRow.id).desc()).limit(limit)
        async with self._db.snapshot() as session:
            return await _to_lines(session, site_id, (await session.exec(rows)).all(), Sorting.NEWEST)

    async def meeting(self, site_id: int, slot: Slot) -> Meeting | None:
        """None where nobody has booked the slot yet."""
        of_slot = select(MeetingRow).where(col(MeetingRow.site_id) == site_id, col(MeetingRow.slot) == slot.id)
        async with self._db.snapshot() as session:
            row = (await session.exec(of_slot)).one_or_none()
        return None if row is None else Meeting(slot, row.capacity, row.booked)

    async def attendees(
        self,
        site_id: int,
        wanted: Wanted,
        *,
        limit: int,
        after: Place | None = None,
        before: Place | None = None,
    ) -> list[Attendance]:
        """Everybody who comes, by the start of the slot, likewise."""
        rows: Any = (
            select(AttendeeRow, BookingRow, OrderRow, MeetingRow.slot)
            .join(BookingRow, col(BookingRow.id) == col(AttendeeRow.booking_id))
            .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
            .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
            .where(*_of_site(site_id), *_conditions(wanted, or_named=True))
            .where(~_is_cancelled)
        )
        if after is not None:
            rows = rows.where(_ATTENDEES.beyond(after))
        if before is not None:
            rows = rows.where(_ATTENDEES.within(before))
        rows = rows.order_by(*(_ATTENDEES.backwards if before is not None else _ATTENDEES.order)).limit(limit)
        async with self._db.snapshot() as session:
            seats = (await session.exec(rows)).all()
            serving = await read_names(session, site_id, {booking.id for _, booking, *_ in seats})
        found = [_to_attendance(*row, served_by=serving.get(row[1].id, ())) for row in seats]
        return found[::-1] if before is not None else found

    async def _all(self, site_id: int, *conditions: ColumnElement[bool]) -> list[BookingLine]:
        rows = _lines().where(*_of_site(site_id), *conditions).order_by(col(BookingRow.id))
        async with self._db.snapshot() as session:
            return await _to_lines(session, site_id, (await session.exec(rows)).all(), Sorting.NEWEST)


class _Key:
    """Two columns by which a list is sorted, and the conditions for what lies beyond a place in it."""

    def __init__(self, first: Any, second: Any, *, is_instant: bool, descending: bool) -> None:
        self._first, self._second = first, second
        self._is_instant, self._descending = is_instant, descending

    @property
    def order(self) -> tuple[Any, Any]:
        return self._sorted(self._descending)

    @property
    def backwards(self) -> tuple[Any, Any]:
        return self._sorted(not self._descending)

    def beyond(self, place: Place) -> ColumnElement[bool]:
        return self._past(place, smaller=self._descending)

    def within(self, place: Place) -> ColumnElement[bool]:
        return self._past(place, smaller=not self._descending)

    def _sorted(self, descending: bool) -> tuple[Any, Any]:
        return (self._first.desc(), self._second.desc()) if descending else (self._first, self._second)

    def _past(self, place: Place, *, smaller: bool) -> ColumnElement[bool]:
        """Written so that an index on the first column is walked from that place on."""
        first: Any = datetime.fromtimestamp(place.first, UTC) if self._is_instant else min(place.first, ID_MAX)
        if smaller:
            return and_(self._first <= first, or_(self._first < first, self._second < place.second))
        return and_(self._first >= first, or_(self._first > first, self._second > place.second))


_KEYS = {
    Sorting.NEWEST: _Key(col(OrderRow.id), col(BookingRow.id), is_instant=False, descending=True),
    Sorting.SOONEST: _Key(col(MeetingRow.starts_at), col(BookingRow.id), is_instant=True, descending=False),
}
_ATTENDEES = _Key(col(MeetingRow.starts_at), col(AttendeeRow.id), is_instant=True, descending=False)


_PAID = (OrderState.PAID, OrderState.REFUNDED)
_is_cancelled = col(BookingRow.state) == BookingState.CANCELLED


def _lines() -> Any:
    return (
        select(BookingRow, OrderRow, MeetingRow.slot)
        .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
    )


def _of_site(site_id: int) -> tuple[ColumnElement[bool], ...]:
    """Said of both: whichever index is walked, it is this site's."""
    return col(OrderRow.site_id) == site_id, col(MeetingRow.site_id) == site_id


def _conditions(wanted: Wanted, *, or_named: bool = False) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.service:
        found.append(col(MeetingRow.service) == wanted.service)
    if wanted.since is not None:
        found.append(col(MeetingRow.starts_at) >= wanted.since)
    if wanted.until is not None:
        found.append(col(MeetingRow.starts_at) < wanted.until)
    if wanted.state is not None:
        found.append(col(BookingRow.state) == wanted.state)
    if wanted.is_test is not None:
        found.append(col(OrderRow.is_test) == wanted.is_test)
    if wanted.staff:
        found.append(_served_by(wanted.staff))
    if wanted.text:
        found.append(_mentions(wanted.text, or_named=or_named))
    return found


def _served_by(staff: str) -> ColumnElement[bool]:
    """Of the bookings of the site that the query is about: keys of staff are the same at many sites."""
    own = (col(AssignmentRow.booking_id) == col(BookingRow.id), col(AssignmentRow.site_id) == col(OrderRow.site_id))
    serving = select(AssignmentRow.id).where(*own, col(AssignmentRow.claimed) == STAFF + staff)
    return serving.where(col(AssignmentRow.freed_at).is_(None)).exists()


def _mentions(text: str, *, or_named: bool) -> ColumnElement[bool]:
    """Order numbers are found with and without their hyphen."""
    places = [col(OrderRow.customer_name), col(OrderRow.customer_email), col(OrderRow.number)]
    found = [place.icontains(text, autoescape=True) for place in places]
    if or_named:
        found.append(col(AttendeeRow.name).icontains(text, autoescape=True))
    if plain := text.replace("-", ""):
        found.append(func.replace(col(OrderRow.number), "-", "").icontains(plain, autoescape=True))
    return or_(*found)


async def _names(session: AsyncSession, booking_ids: Sequence[int | None]) -> defaultdict[int, tuple[str, ...]]:
    names: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
    if booking_ids:
        seats = select(AttendeeRow.booking_id, AttendeeRow.name).where(col(AttendeeRow.booking_id).in_(booking_ids))
        for booking_id, name in await session.exec(seats.order_by(col(AttendeeRow.id))):
            names[booking_id] += (name,)
    return names


async def _to_lines(session: AsyncSession, site_id: int, rows: Sequence[Any], sorting: Sorting) -> list[BookingLine]:
    ids = [booking.id for booking, *_ in rows]
    coming, serving = await _names(session, ids), await read_names(session, site_id, ids)
    asked = await read_requests(session, ids)
    refunded = await read_refunded(session, site_id, {order.hold_id for _, order, *_ in rows if order.total_minor})
    return [
        _to_line(
            row,
            coming[row[0].id],
            serving.get(row[0].id, ()),
            asked.get(row[0].id),
            sorting,
            refunded.get(row[1].hold_id, 0),
        )
        for row in rows
    ]


def _to_line(
    row: Any,
    attendees: tuple[str, ...],
    served_by: tuple[str, ...],
    move_request: MoveRequest | None,
    sorting: Sorting,
    refunded_minor: int,
) -> BookingLine:
    booking, order, slot_id = row
    slot = Slot.parse(slot_id)
    first = order.id if sorting is Sorting.NEWEST else int(slot.starts_at.timestamp())
    return BookingLine(
        id=booking.id,
        place=Place(first, booking.id),
        order_id=order.hold_id,
        number=order.number,
        slot=slot,
        service_name=booking.service_name,
        seats=booking.seats,
        state=BookingState(booking.state),
        customer=ERASED if order.erased_at else order.customer_name,
        email=order.customer_email or "",
        attendees=attendees,
        served_by=served_by,
        price=Money(booking.unit_price_minor, order.currency).times(booking.seats).less(booking.discount_minor),
        discount=Money(booking.discount_minor, order.currency),
        coupon=order.coupon or "",
        paid=Money(order.total_minor if order.state in _PAID else 0, order.currency),
        refunded=Money(refunded_minor, order.currency),
        created_at=booking.created_at,
        cancelled_at=booking.cancelled_at,
        is_test=order.is_test,
        cancel_message=booking.cancel_message,
        answers=to_answers(booking.answers),
        move_request=move_request,
    )


def _to_attendance(
    attendee: AttendeeRow, booking: BookingRow, order: OrderRow, slot_id: str, *, served_by: tuple[str, ...]
) -> Attendance:
    slot, customer = Slot.parse(slot_id), ERASED if order.erased_at else order.customer_name
    assert attendee.id is not None
    return Attendance(
        place=Place(int(slot.starts_at.timestamp()), attendee.id),
        name=attendee.name or (customer if attendee.seat == FIRST_SEAT else ""),
        order_id=order.hold_id,
        number=order.number,
        slot=slot,
        service_name=booking.service_name,
        customer=customer,
        email=order.customer_email or "",
        own_email=attendee.email or "",
        state=BookingState(booking.state),
        served_by=served_by,
        is_test=order.is_test,
    )
