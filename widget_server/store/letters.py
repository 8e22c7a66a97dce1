"""The only place that reads what messages are written from: a site, an order as it is by now, and whom it concerns."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import func, literal
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import Booking, Customer
from widget_server.domain.operators import Role
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound
from widget_server.store.assignments import STAFF
from widget_server.store.attempts import read_last, read_payment, to_attempt
from widget_server.store.database import Database
from widget_server.store.orders import read_order, to_customer
from widget_server.store.sites import to_site
from widget_server.store.tables import (
    AssignmentRow,
    AttendeeRow,
    BookingRow,
    MembershipRow,
    OperatorRow,
    OrderRow,
    ReschedulingRow,
    SiteRow,
    StaffRow,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A booking of an order, with when it has moved."""

    booking: Booking
    moved_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about. `bookings` are by id, in the order of the order; empty where there is none, or where the
    order came to nothing and is only known from the attempt to pay it.
    """

    site: Site
    order: Order | None
    bookings: Mapping[int, Told]


@dataclass(slots=True)
class Serving:
    """What somebody serves of an order since something happened, and what no more."""

    key: str
    address: str
    now: dict[Slot, int] = field(default_factory=dict)
    """Slot -> seats."""
    no_more: dict[Slot, int] = field(default_factory=dict)


@dataclass(slots=True)
class Coming:
    """Somebody who comes with a customer, and to which bookings of theirs."""

    id: int
    address: str
    bookings: list[int] = field(default_factory=list)


class Letters:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def subject(self, site_id: int, order_id: str | None) -> Subject:
        """As of one moment. Raises NotFound, Unavailable."""
        async with self._db.snapshot() as session:
            row = (await session.exec(select(SiteRow).where(col(SiteRow.id) == site_id))).one_or_none()
            if row is None:
                raise NotFound("There is no such site.")
            found = await read_order(session, site_id, order_id) if order_id else None
            if found is None:
                return Subject(to_site(row), await _attempted(session, site_id, order_id) if order_id else None, {})
            moved_at = await _moved_at(session, site_id, found[0].id)
        told = (Told(booking, tuple(at)) for booking, at in zip(found[0].bookings, moved_at.values(), strict=True))
        return Subject(to_site(row), found[0], dict(zip(moved_at, told, strict=True)))

    async def customer_of(self, site_id: int, address_hash: str) -> Customer | None:
        """Whoever booked with this address last, as they are kept. Raises Unavailable."""
        of_address = (col(OrderRow.site_id) == site_id, col(OrderRow.address_hash) == address_hash)
        newest = select(OrderRow).where(*of_address).order_by(col(OrderRow.id).desc()).limit(1)
        async with self._db.snapshot() as session:
            row = (await session.exec(newest)).one_or_none()
        return None if row is None else to_customer(row)

    async def operators(self, site_id: int) -> dict[int, str]:
        """The addresses of those who own the site."""
        owning = (col(MembershipRow.site_id) == site_id, col(MembershipRow.role) == Role.OWNER)
        owner = col(MembershipRow.operator_id) == col(OperatorRow.id)
        of_site = select(OperatorRow.id, OperatorRow.email).join(MembershipRow, owner).where(*owning)
        async with self._db.snapshot() as session:
            found = (await session.exec(of_site.order_by(col(OperatorRow.id)))).all()
        return {operator_id: email for operator_id, email in found if operator_id}

    async def attendees(self, site_id: int, bookings: Collection[int]) -> list[Coming]:
        """Who comes to these bookings with an address of their own: each address once, and not the customer's."""
        rows = (
            select(AttendeeRow, OrderRow.customer_email)
            .join(BookingRow, col(BookingRow.id) == col(AttendeeRow.booking_id))
            .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
            .where(col(OrderRow.site_id) == site_id, col(AttendeeRow.booking_id).in_(tuple(bookings)))
            .where(col(AttendeeRow.email).is_not(None))
            .order_by(col(AttendeeRow.id))
        )
        found = dict[str, Coming]()
        async with self._db.snapshot() as session:
            for row, customer in await session.exec(rows):
                address = row.email or ""
                if row.id and address.lower() != (customer or "").lower():
                    one = found.setdefault(address.lower(), Coming(row.id, address))
                    one.bookings.append(row.booking_id)
        return list(found.values())

    async def serving(self, site_id: int, bookings: Collection[int], event: str, at: datetime) -> list[Serving]:
        """Staff who serve these bookings since an event, or do no more since then, and have an address: their own, or
        the one they sign in with.

        `event` is the hold under which they were claimed; `at`, when others were freed.
        """
        rows = (
            select(AssignmentRow, StaffRow.key, func.coalesce(StaffRow.email, OperatorRow.email))
            .join(StaffRow, literal(STAFF).concat(col(StaffRow.key)) == col(AssignmentRow.claimed))
            .join(MembershipRow, _their_own, isouter=True)
            .join(OperatorRow, col(OperatorRow.id) == col(MembershipRow.operator_id), isouter=True)
            .where(col(StaffRow.site_id) == site_id, col(AssignmentRow.site_id) == site_id)
            .where(col(AssignmentRow.booking_id).in_(tuple(bookings)))
            .order_by(col(AssignmentRow.id))
        )
        found, seen = dict[str, Serving](), set[int | None]()
        async with self._db.snapshot() as session:
            for row, key, address in await session.exec(rows):
                if row.id in seen:
                    continue  # two who sign in as the same member
                seen.add(row.id)
                one = found.setdefault(key, Serving(key, address or ""))
                slot = Slot.parse(row.slot)
                if row.freed_at is None and row.hold_id == event:
                    one.now[slot] = one.now.get(slot, 0) + row.seats
                elif row.freed_at == at:
                    one.no_more[slot] = one.no_more.get(slot, 0) + row.seats
        return [one for one in found.values() if one.address and (one.now or one.no_more)]


_their_own = (col(MembershipRow.site_id) == col(StaffRow.site_id)) & (col(MembershipRow.staff) == col(StaffRow.key))


async def _attempted(session: AsyncSession, site_id: int, order_id: str) -> Order | None:
    """What would have become an order, with what is held in its place."""
    row = await read_last(session, site_id, order_id)
    if row is None:
        return None
    return replace(to_attempt(row).order(), payment=await read_payment(session, site_id, order_id))


async def _moved_at(session: AsyncSession, site_id: int, order_id: str) -> dict[int, list[datetime]]:
    """Of each booking, when it has moved."""
    of_order = (
        select(BookingRow.id, ReschedulingRow.created_at)
        .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
        .join(ReschedulingRow, col(ReschedulingRow.booking_id) == col(BookingRow.id), isouter=True)
        .where(col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id)
        .order_by(col(BookingRow.id), col(ReschedulingRow.id))
    )
    moved_at: defaultdict[int, list[datetime]] = defaultdict(list)
    for booking_id, at in await session.exec(of_order):
        moved_at[booking_id or 0] += [at] if at else []
    return moved_at
