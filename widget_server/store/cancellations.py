"""The only place that cancels bookings of many orders as one part of a larger change."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import BookingState
from widget_server.domain.move_requests import MoveState
from widget_server.errors import InvalidRequest
from widget_server.store import meetings
from widget_server.store.assignments import free
from widget_server.store.impact import BookedBy
from widget_server.store.move_requests import end_requests
from widget_server.store.outbox import BOOKING_CANCELLED, tell_engine
from widget_server.store.refunds import refund_cancelled
from widget_server.store.tables import BookingRow, OrderRow
from widget_server.store.telling import tell_cancelled

_AT_ONCE = 1_000


async def cancel_bookings(
    session: AsyncSession, site_id: int, bookings: Sequence[BookedBy], at: datetime, *, message: str = ""
) -> None:
    """Undo these bookings, as they were read in this transaction, free their seats, and keep what customers are told.
    All that was paid for them goes back.

    The caller has the site to itself: whoever books, moves or cancels waits for it before they touch anything else. So
    the bookings are still as they were read, and seats are given back by the ids of their meetings, as everybody does.
    Only payments and refunds do not wait for it, so their orders are locked as well. Raises InvalidRequest while one
    of them is being completed.
    """
    ids = [booked.booking_id for booked in bookings]
    priced = await lock_confirmed(session, site_id, bookings)
    for part in (ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE)):
        of_part = col(BookingRow.id).in_(part)
        seats = select(BookingRow.meeting_id, BookingRow.seats).where(of_part).order_by(col(BookingRow.meeting_id))
        await free(session, part, at)
        for meeting_id, given_back in (await session.exec(seats)).all():
            await meetings.give_seats_back(session, meeting_id, given_back)
        cancelled = {"state": BookingState.CANCELLED, "cancelled_at": at, "cancel_message": message}
        await session.exec(update(BookingRow).where(of_part).values(**cancelled))
        await end_requests(session, part, MoveState.CANCELLED, at)
    of_orders = defaultdict[str, list[int]](list)
    for booked in bookings:
        of_orders[booked.order_id].append(booked.booking_id)
    for order_id, its_ids in sorted(of_orders.items()):
        back = None
        if order_id in priced:
            back = await refund_cancelled(session, site_id, order_id, its_ids, at, in_full=its_ids, percent=None)
        await tell_cancelled(session, site_id, order_id, its_ids, at, by_operator=True, text=message, back=back)
        tell_engine(session, BOOKING_CANCELLED, site_id, order_id, fence=None, at=at)


async def lock_confirmed(session: AsyncSession, site_id: int, bookings: Sequence[BookedBy]) -> set[str]:
    """For something to be done to them: the ids of those orders for which something was to be paid.

    Raises InvalidRequest where the money of one is on its way, or it was just undone.
    """
    priced = await _lock_priced(session, site_id, sorted({booked.order_id for booked in bookings}))
    await _must_be_confirmed(session, [booked.booking_id for booked in bookings])
    return priced


async def _lock_priced(session: AsyncSession, site_id: int, order_ids: Sequence[str]) -> set[str]:
    """Those for which something was to be paid: nobody captures, undoes or gives back their payments meanwhile."""
    priced = set[str]()
    for part in (order_ids[first : first + _AT_ONCE] for first in range(0, len(order_ids), _AT_ONCE)):
        of_part = (col(OrderRow.site_id) == site_id, col(OrderRow.hold_id).in_(part), col(OrderRow.total_minor) > 0)
        locked = select(OrderRow.hold_id).where(*of_part).order_by(col(OrderRow.hold_id)).with_for_update()
        priced.update(await session.exec(locked))
    return priced


async def _must_be_confirmed(session: AsyncSession, booking_ids: Sequence[int]) -> None:
    for part in (booking_ids[first : first + _AT_ONCE] for first in range(0, len(booking_ids), _AT_ONCE)):
        others = (col(BookingRow.id).in_(part), col(BookingRow.state) != BookingState.CONFIRMED)
        if (await session.exec(select(BookingRow.id).where(*others).limit(1))).first() is not None:
            raise InvalidRequest("One of these bookings is just being paid. Save once more in a moment.")
