"""The only place that reads what a change of the schedule would touch: booked seats, and who has booked them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import ERASED
from widget_server.domain.slots import Slot
from widget_server.store.assignments import STAFF
from widget_server.store.tables import AssignmentRow, BookingRow, MeetingRow, OrderRow


@dataclass(frozen=True, slots=True)
class BookedBy:
    """One booking of a slot, as far as an operator has to know whom to call."""

    slot: Slot
    seats: int
    order_id: str
    booking_id: int
    number: str
    customer: str
    email: str


async def read_booked(
    session: AsyncSession, site_id: int, services: Iterable[str], *, from_at: datetime
) -> dict[Slot, int]:
    """The booked seats of all slots of these services from then on, without those of which none are; in their order."""
    booked = (
        select(MeetingRow.slot, MeetingRow.booked)
        .where(col(MeetingRow.site_id) == site_id, col(MeetingRow.starts_at) >= from_at, col(MeetingRow.booked) > 0)
        .where(col(MeetingRow.service).in_(list(services)))
        .order_by(col(MeetingRow.starts_at), col(MeetingRow.slot))
    )
    return {Slot.parse(slot): seats for slot, seats in await session.exec(booked)}


async def read_serving(session: AsyncSession, site_id: int, *, from_at: datetime) -> dict[Slot, frozenset[str]]:
    """The keys of the staff who serve bookings of all slots that end after then."""
    serving = (
        select(AssignmentRow.slot, AssignmentRow.claimed)
        .where(col(AssignmentRow.site_id) == site_id, col(AssignmentRow.freed_at).is_(None))
        .where(col(AssignmentRow.busy_until) > from_at)
        .distinct()
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    for slot, claimed in await session.exec(serving):
        found[slot].add(claimed.removeprefix(STAFF))
    return {Slot.parse(slot): frozenset(keys) for slot, keys in found.items()}


async def read_booked_by(session: AsyncSession, site_id: int, slots: Sequence[Slot]) -> list[BookedBy]:
    """All bookings of these slots that are not cancelled, by their start."""
    of_slots = (col(MeetingRow.site_id) == site_id, col(MeetingRow.slot).in_([slot.id for slot in slots]))
    bookings = _bookings().where(*of_slots).where(col(BookingRow.state) != BookingState.CANCELLED)
    rows = await session.exec(bookings.order_by(col(MeetingRow.starts_at), col(BookingRow.id)))
    return [_to_booked_by(*row) for row in rows]


async def read_bookings(session: AsyncSession, booking_ids: Sequence[int]) -> dict[int, BookedBy]:
    """These, by their ids."""
    rows = await session.exec(_bookings().where(col(BookingRow.id).in_(booking_ids)))
    return {booked.booking_id: booked for booked in (_to_booked_by(*row) for row in rows)}


def _bookings() -> Select[str, BookingRow, OrderRow]:
    return (
        select(MeetingRow.slot, BookingRow, OrderRow)
        .join(BookingRow, col(BookingRow.meeting_id) == col(MeetingRow.id))
        .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
    )


def _to_booked_by(slot: str, booking: BookingRow, order: OrderRow) -> BookedBy:
    return BookedBy(
        slot=Slot.parse(slot),
        seats=booking.seats,
        order_id=order.hold_id,
        booking_id=booking.id or 0,
        number=order.number,
        customer=ERASED if order.erased_at else order.customer_name,
        email=order.customer_email or "",
    )
