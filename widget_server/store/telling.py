"""The only place that says which people are told of what: as part of the transaction in which it happens.

Who that is in the end, and what they read, is found out when it is their message's turn: here nothing is looked up.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import kept_money
from widget_server.domain.messages import Kind, MessageState, NewMessage, Role
from widget_server.domain.money import Money
from widget_server.domain.slots import Slot
from widget_server.store.messages import put_messages
from widget_server.store.tables import AttendeeRow, MessageRow

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Event:
    site_id: int
    order_id: str
    name: str
    bookings: Collection[int]
    at: datetime

    def message(self, kind: Kind, role: Role, *, text: str = "", back: Money | None = None) -> NewMessage:
        detail: dict[str, Any] = {"bookings": sorted(self.bookings)}
        if back is not None:
            detail["back"] = kept_money(back)
        return NewMessage(
            self.site_id, kind, role, self.name, self.at, order_id=self.order_id, text=text, detail=detail
        )


async def tell_booked(
    session: AsyncSession,
    site_id: int,
    order_id: str,
    bookings: Mapping[Slot, int],
    at: datetime,
    *,
    has_address: bool,
    has_staff: bool,
    has_attendees: bool = False,
    remind_hours: Mapping[str, int],
    held_by: str = "",
) -> None:
    """Customer, operators, whoever serves and comes, and the customer again when it is nearly time: in one statement.

    `bookings` are by slot, `remind_hours` by service, `held_by` the hold that had the seats, if not the order's own.
    """
    event = _Event(site_id, order_id, held_by or order_id, bookings.values(), at)
    told = [event.message(Kind.NEW_ORDER, Role.OPERATOR)]
    if has_staff:
        told.append(event.message(Kind.ASSIGNED, Role.STAFF))
    if has_address:
        told.append(event.message(Kind.BOOKED, Role.CUSTOMER))
        told += _reminders(site_id, order_id, bookings, at, remind_hours)
    if has_attendees:
        told.append(event.message(Kind.BOOKED, Role.ATTENDEE))
        told += _reminders(site_id, order_id, bookings, at, remind_hours, role=Role.ATTENDEE)
    await put_messages(session, told)


async def tell_moved(
    session: AsyncSession,
    site_id: int,
    order_id: str,
    bookings: Mapping[Slot, int],
    at: datetime,
    *,
    hold_id: str,
    left: Mapping[int, Slot],
    remind_hours: Mapping[str, int],
    back: Money | None = None,
) -> None:
    """Likewise, of bookings that are at other slots by now. `left` is where each of them was, `hold_id` the move's.
    What goes `back` is for customer and operators to know.
    """
    was = {str(booking_id): slot.id for booking_id, slot in left.items()}
    detail: dict[str, Any] = {"bookings": sorted(bookings.values()), "left": was}
    with_money = detail if back is None or back.is_free else {**detail, "back": kept_money(back)}
    coming = [Role.ATTENDEE] if await _have_attendees(session, bookings.values()) else []
    told = [
        NewMessage(site_id, Kind.MOVED, role, hold_id, at, order_id=order_id, detail=known)
        for role, known in (
            *((role, with_money) for role in (Role.CUSTOMER, Role.OPERATOR)),
            *((role, detail) for role in (Role.STAFF, *coming)),
        )
    ]
    await _drop_reminders(session, site_id, order_id, bookings.values())
    for role in (Role.CUSTOMER, *coming):
        told += _reminders(site_id, order_id, bookings, at, remind_hours, role=role)
    await put_messages(session, told)


async def tell_cancelled(
    session: AsyncSession,
    site_id: int,
    order_id: str,
    bookings: Collection[int],
    at: datetime,
    *,
    by_operator: bool,
    text: str = "",
    back: Money | None = None,
) -> None:
    """Likewise, of bookings that were just cancelled, with what the operator wants to say, and what goes `back` of what
    was paid. Operators know it then.
    """
    if not bookings:
        return
    event = _Event(site_id, order_id, f"cancelled/{min(bookings)}", bookings, at)
    for_customer = event.message(Kind.CANCELLED, Role.CUSTOMER, text=text, back=back)
    told = [for_customer, event.message(Kind.CANCELLED, Role.STAFF)]
    if not by_operator:
        told.append(event.message(Kind.CANCELLED, Role.OPERATOR, back=back))
    if await _have_attendees(session, bookings):
        told.append(event.message(Kind.CANCELLED, Role.ATTENDEE))
    await _drop_reminders(session, site_id, order_id, bookings)
    await put_messages(session, told)


async def tell_to_choose(
    session: AsyncSession, site_id: int, bookings: Sequence[tuple[str, int]], at: datetime, text: str
) -> None:
    """The customers of these bookings, by order, are asked for another time; asked anew, they are told anew."""
    of_orders = defaultdict[str, list[int]](list)
    for order_id, booking_id in bookings:
        of_orders[order_id].append(booking_id)
    told = [
        _Event(site_id, order_id, f"choose/{min(ids)}/{at:%Y%m%dT%H%M%S%f}", ids, at).message(
            Kind.WAITING_ALTERNATIVES, Role.CUSTOMER, text=text
        )
        for order_id, ids in of_orders.items()
    ]
    for part in (told[first : first + _AT_ONCE] for first in range(0, len(told), _AT_ONCE)):
        await put_messages(session, part)


async def tell_withdrawn(session: AsyncSession, site_id: int, order_id: str, booking_id: int, at: datetime) -> None:
    """The customer of a booking is not asked for another time any more. Nothing, if no mail has said that they are:
    one that is not written yet finds out by itself that there is nothing to say.
    """
    asked = select(MessageRow.detail).where(
        col(MessageRow.site_id) == site_id,
        col(MessageRow.order_id) == order_id,
        col(MessageRow.kind) == Kind.WAITING_ALTERNATIVES,
        col(MessageRow.plain).is_not(None),
    )
    if any(booking_id in detail["bookings"] for detail in await session.exec(asked)):
        event = _Event(site_id, order_id, f"stays/{booking_id}/{at:%Y%m%dT%H%M%S%f}", [booking_id], at)
        await put_messages(session, [event.message(Kind.MOVE_WITHDRAWN, Role.CUSTOMER)])


async def _have_attendees(session: AsyncSession, bookings: Collection[int]) -> bool:
    """Whether anybody who comes has an address of their own."""
    addressed = (col(AttendeeRow.booking_id).in_(bookings), col(AttendeeRow.email).is_not(None))
    return (await session.exec(select(AttendeeRow.id).where(*addressed).limit(1))).first() is not None


def _reminders(
    site_id: int,
    order_id: str,
    bookings: Mapping[Slot, int],
    at: datetime,
    remind_hours: Mapping[str, int],
    *,
    role: Role = Role.CUSTOMER,
) -> list[NewMessage]:
    """None where it would come at once, or later: whoever books so late has just read when it is."""
    found: list[NewMessage] = []
    for slot, booking_id in bookings.items():
        hours = remind_hours.get(slot.service, 0)
        due_at = slot.starts_at - timedelta(hours=hours)
        if hours and due_at > at:
            name, detail = (
                f"{_reminder_of(booking_id)}{slot.starts_at:%Y%m%dT%H%MZ}",
                {"bookings": [booking_id], "slot": slot.id},
            )
            found.append(
                NewMessage(site_id, Kind.REMINDER, role, name, at, order_id=order_id, due_at=due_at, detail=detail)
            )
    return found


def _reminder_of(booking_id: int) -> str:
    return f"remind/{booking_id}/"


async def _drop_reminders(session: AsyncSession, site_id: int, order_id: str, bookings: Collection[int]) -> None:
    """Of these bookings, as far as they have not gone out. One that is just going out sees for itself."""
    await session.exec(
        delete(MessageRow)
        .where(col(MessageRow.site_id) == site_id, col(MessageRow.order_id) == order_id)
        .where(col(MessageRow.kind) == Kind.REMINDER, col(MessageRow.state) == MessageState.WAITING)
        .where(or_(*(col(MessageRow.event).startswith(_reminder_of(booking_id)) for booking_id in bookings)))
    )
