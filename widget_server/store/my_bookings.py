"""The only place that finds orders by their customer's address, and keeps the links that show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import BookingState
from widget_server.domain.messages import NewMessage
from widget_server.domain.my_bookings import Mark, MyBooking, MyBookings
from widget_server.domain.schedule import Place
from widget_server.domain.slots import Slot
from widget_server.store.database import Database, insert
from widget_server.store.messages import put_message
from widget_server.store.orders import its_request, its_service
from widget_server.store.tables import (
    BookingRow,
    BookingsLinkRow,
    MeetingRow,
    MoveRequestRow,
    OrderRow,
    ServiceRow,
    values,
)


@dataclass(frozen=True, slots=True)
class NewLink:
    """To what was booked with an address; it takes the place of an older one."""

    site_id: int
    address_hash: str
    code_hash: str
    asked_at: datetime
    expires_at: datetime


class StoredMyBookings:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def ask(self, message: NewMessage) -> None:
        """Whether anybody has booked with this address is not looked at here: all who ask wait for the same."""
        async with self._db.transaction() as session:
            await put_message(session, message)

    async def listed(
        self, site_id: int, code_hash: str, *, at: datetime, limit: int, after: Mark | None = None
    ) -> MyBookings | None:
        """None where no link of this site has the code, or not any more."""
        async with self._db.snapshot() as session:
            link = await _find(session, site_id, code_hash, at)
            if link is None:
                return None
            found = (await session.exec(_rows_of(site_id, link.address_hash, after).limit(limit + 1))).all()
        bookings = [_to_booking(*row) for row in found[:limit]]
        mark = Mark(bookings[-1].slot.starts_at, bookings[-1].id) if len(found) > limit else None
        return MyBookings(bookings, mark, link.expires_at)

    async def is_open(self, site_id: int, code_hash: str, at: datetime) -> bool:
        """Whether a link of this site with the code shows anything."""
        async with self._db.snapshot() as session:
            return await _find(session, site_id, code_hash, at) is not None


async def put_link(session: AsyncSession, link: NewLink) -> None:
    """As part of the transaction that writes its mail. One that was asked for later stays."""
    row = values(
        BookingsLinkRow(
            site_id=link.site_id,
            address_hash=link.address_hash,
            code_hash=link.code_hash,
            asked_at=link.asked_at,
            expires_at=link.expires_at,
        )
    )
    new = insert(session, BookingsLinkRow).values(row)
    older = col(BookingsLinkRow.asked_at) <= link.asked_at
    await session.exec(new.on_conflict_do_update(index_elements=["site_id", "address_hash"], set_=row, where=older))


async def forget_link(session: AsyncSession, site_id: int, address_hash: str) -> None:
    of_address = (col(BookingsLinkRow.site_id) == site_id, col(BookingsLinkRow.address_hash) == address_hash)
    await session.exec(delete(BookingsLinkRow).where(*of_address))


async def _find(session: AsyncSession, site_id: int, code_hash: str, at: datetime) -> BookingsLinkRow | None:
    of_code = (col(BookingsLinkRow.site_id) == site_id, col(BookingsLinkRow.code_hash) == code_hash)
    alive = select(BookingsLinkRow).where(*of_code, col(BookingsLinkRow.expires_at) > at)
    return (await session.exec(alive)).one_or_none()


def _rows_of(site_id: int, address_hash: str, after: Mark | None) -> Any:
    rows: Any = (
        select(BookingRow, MeetingRow.slot, OrderRow, ServiceRow.place, MoveRequestRow.id)  # type: ignore[call-overload]
        .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .join(ServiceRow, its_service)
        .outerjoin(MoveRequestRow, its_request)
        .where(col(OrderRow.site_id) == site_id, col(OrderRow.address_hash) == address_hash)
        .where(col(OrderRow.erased_at).is_(None))
    )
    starts_at, booking_id = col(MeetingRow.starts_at), col(BookingRow.id)
    if after is not None:
        as_early = and_(starts_at == after.starts_at, booking_id < after.booking_id)
        rows = rows.where(or_(starts_at < after.starts_at, as_early))
    return rows.order_by(starts_at.desc(), booking_id.desc())


def _to_booking(row: BookingRow, slot: str, order: OrderRow, place: str, asked: int | None) -> MyBooking:
    assert row.id is not None
    return MyBooking(
        id=row.id,
        order_id=order.hold_id,
        order_number=order.number,
        slot=Slot.parse(slot),
        service_name=row.service_name,
        seats=row.seats,
        state=BookingState(row.state),
        place=Place(place),
        is_asked_to_move=asked is not None,
        is_test=order.is_test,
    )
