"""The only place that reads under which names the claims of orders stand: whoever moves them passes over these."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ScalarSelect, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.orders import Claimed
from widget_server.domain.slots import Slot
from widget_server.store.tables import BookingRow, MeetingRow, OrderRow, ReschedulingRow


async def read_claimed(session: AsyncSession, *of_orders: Any) -> Mapping[str, Sequence[Claimed]]:
    """Order id -> where its bookings are by now, and under whose id each was taken there."""
    claimed = (
        select(OrderRow.hold_id, col(MeetingRow.slot), func.coalesce(_last_move(), col(OrderRow.hold_id)))
        .select_from(BookingRow)
        .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .where(*of_orders)
    )
    found = defaultdict[str, list[Claimed]](list)
    for order_id, slot, hold_id in await session.exec(claimed):
        found[order_id].append(Claimed(hold_id, Slot.parse(slot)))
    return found


def _last_move() -> ScalarSelect[str]:
    """Of a booking, if it ever moved."""
    of_booking = select(ReschedulingRow.hold_id).where(col(ReschedulingRow.booking_id) == col(BookingRow.id))
    return of_booking.order_by(col(ReschedulingRow.id).desc()).limit(1).correlate(BookingRow).scalar_subquery()
