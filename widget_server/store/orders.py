"""The only place that turns rows into an order: its bookings, and who else comes to their meetings."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, bindparam, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import Booking, BookingState, Customer
from widget_server.domain.diary import first_name
from widget_server.domain.money import Money
from widget_server.domain.move_requests import MoveRequest, MoveState
from widget_server.domain.orders import Order, OrderState
from widget_server.domain.schedule import Place
from widget_server.domain.services import AttendeesShown
from widget_server.domain.slots import Slot
from widget_server.store.assignments import read_names
from widget_server.store.attempts import read_payment
from widget_server.store.move_requests import to_request
from widget_server.store.questions import to_answers
from widget_server.store.tables import (
    AttendeeRow,
    BookingRow,
    MeetingRow,
    MoveRequestRow,
    OperatorRow,
    OrderRow,
    ServiceRow,
)

# Read at every confirmation and by every order page, so they are made once: making one takes longer than running it.
_BY_HOLD = select(OrderRow).where(
    col(OrderRow.site_id) == bindparam("site_id"), col(OrderRow.hold_id) == bindparam("hold_id")
)
its_service = and_(col(ServiceRow.site_id) == col(MeetingRow.site_id), col(ServiceRow.key) == col(MeetingRow.service))
its_request = and_(col(MoveRequestRow.booking_id) == col(BookingRow.id), col(MoveRequestRow.state) == MoveState.WAITING)
_BOOKINGS_OF_ORDER: Any = (
    select(BookingRow, MeetingRow.slot, ServiceRow, MoveRequestRow, OperatorRow.email)  # type: ignore[call-overload]
    .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
    .join(ServiceRow, its_service)
    .outerjoin(MoveRequestRow, its_request)
    .outerjoin(OperatorRow, col(OperatorRow.id) == col(MoveRequestRow.operator_id))
    .where(col(BookingRow.order_id) == bindparam("order_id"))
    .order_by(col(BookingRow.id))
)
FIRST_SEAT = 1
_is_customers = and_(col(AttendeeRow.seat) == FIRST_SEAT, col(OrderRow.customer_name) != "")
_COMING_TO = (
    select(BookingRow.meeting_id, AttendeeRow.name, OrderRow.customer_name)
    .join(BookingRow, col(BookingRow.id) == col(AttendeeRow.booking_id))
    .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
    .where(col(BookingRow.meeting_id).in_(bindparam("meeting_ids", expanding=True)))
    .where(col(BookingRow.state) == BookingState.CONFIRMED, or_(col(AttendeeRow.name) != "", _is_customers))
    .order_by(col(BookingRow.id), col(AttendeeRow.seat))
)
_ADDRESSES_COMING_TO = (
    select(BookingRow.meeting_id, OrderRow.customer_email)
    .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
    .where(col(BookingRow.meeting_id).in_(bindparam("meeting_ids", expanding=True)))
    .where(col(BookingRow.state) == BookingState.CONFIRMED, col(OrderRow.customer_email).is_not(None))
    .order_by(col(BookingRow.id))
)


async def read_order(session: AsyncSession, site_id: int, order_id: str) -> tuple[Order, str] | None:
    """The order and the hash of its secret."""
    row = (await session.exec(_BY_HOLD, params={"site_id": site_id, "hold_id": order_id})).one_or_none()
    if row is None:
        return None
    order = _to_order(row, await _bookings_of(session, row))
    if row.total_minor:
        order = replace(order, payment=await read_payment(session, site_id, order_id))
    return order, row.secret_hash


async def _bookings_of(session: AsyncSession, order: OrderRow) -> tuple[Booking, ...]:
    found = (await session.exec(_BOOKINGS_OF_ORDER, params={"order_id": order.id})).all()
    confirmed = [row for row, *_ in found if _is_confirmed(row)]
    shown = {row.meeting_id: service.attendees_shown for row, _, service, *_ in found if _is_confirmed(row)}
    coming = await _coming(session, shown if order.erased_at is None else {})
    serving = await read_names(session, order.site_id, [row.id for row in confirmed if row.id])
    return tuple(
        _to_booking(
            row,
            slot,
            service,
            coming[row.meeting_id],
            serving.get(row.id or 0, ()),
            to_request(request, email) if request else None,
        )
        for row, slot, service, request, email in found
    )


async def _coming(session: AsyncSession, shown: Mapping[int, str]) -> defaultdict[int, tuple[str, ...]]:
    """Who comes to each of these meetings, as far as its service shows it, in the order in which they booked.

    A first seat without a name is the customer's own: nobody is asked who comes when a single seat is booked.
    """
    coming: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
    if named := [meeting_id for meeting_id, what in shown.items() if what == AttendeesShown.FIRST_NAMES]:
        for meeting_id, name, customer in await session.exec(_COMING_TO, params={"meeting_ids": named}):
            coming[meeting_id] += (first_name(name or customer),)
    if addressed := [meeting_id for meeting_id, what in shown.items() if what == AttendeesShown.EMAILS]:
        for meeting_id, address in await session.exec(_ADDRESSES_COMING_TO, params={"meeting_ids": addressed}):
            if address and address not in coming[meeting_id]:  # who has booked twice comes once
                coming[meeting_id] += (address,)
    return coming


def _to_booking(
    row: BookingRow,
    slot: str,
    service: ServiceRow,
    attendees: tuple[str, ...],
    served_by: tuple[str, ...],
    asked: MoveRequest | None,
) -> Booking:
    """How to get there and who comes is for those who come: a cancelled booking says neither."""
    return Booking(
        slot=Slot.parse(slot),
        service_name=row.service_name,
        seats=row.seats,
        state=BookingState(row.state),
        place=Place(service.place),
        access=service.access if _is_confirmed(row) else "",
        attendees=attendees if _is_confirmed(row) else (),
        created_at=row.created_at,
        served_by=served_by,
        cancelled_at=row.cancelled_at,
        cancel_message=row.cancel_message,
        answers=to_answers(row.answers),
        move_request=asked,
        unit_price_minor=row.unit_price_minor,
        discount_minor=row.discount_minor,
    )


def _is_confirmed(row: BookingRow) -> bool:
    return row.state == BookingState.CONFIRMED


def to_customer(row: OrderRow) -> Customer:
    return Customer(
        name=row.customer_name,
        email=row.customer_email or "",
        zone=row.customer_zone,
        locale=row.customer_locale,
    )


def _to_order(row: OrderRow, bookings: tuple[Booking, ...]) -> Order:
    return Order(
        id=row.hold_id,
        number=row.number,
        state=OrderState(row.state),
        customer=to_customer(row),
        bookings=bookings,
        total=Money(sum(booking.price_minor for booking in bookings), row.currency),
        created_at=row.created_at,
        is_test=row.is_test,
        erased_at=row.erased_at,
        coupon=row.coupon or "",
    )
