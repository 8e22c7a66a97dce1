"""The only place where held seats become booked: the steps of the confirming transaction, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import BookingState, Customer
from widget_server.domain.money import Money
from widget_server.domain.orders import Order, OrderState, OutcomeState
from widget_server.domain.slots import OfferedSlot
from widget_server.errors import SlotFull, StaleEpoch, StaleSchedule
from widget_server.ids import new_order_number
from widget_server.store.database import insert
from widget_server.store.orders import read_order
from widget_server.store.outbox import BOOKING_CONFIRMED, tell_engine
from widget_server.store.outcomes import OutcomeTaken, read_outcome, take_outcome
from widget_server.store.sites import lock_site
from widget_server.store.tables import AttendeeRow, BookingRow, MeetingRow, OrderRow, values

_NUMBER_TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class ConfirmationLine:
    offered: OfferedSlot
    seats: int
    unit_price: Money
    service_name: str
    attendees: tuple[str, ...] = ()
    """Names of those who come, at most one a seat; may be empty, as may each name."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """All that one confirming transaction needs, and what it was worked out from: epoch and schedule version."""

    site_id: int
    epoch: int
    schedule_version: int
    hold_id: str
    fence: int
    lines: tuple[ConfirmationLine, ...]
    customer: Customer
    digest: str
    order_number: str
    order_secret_hash: str
    at: datetime

    def __post_init__(self) -> None:
        assert self.lines
        assert len({line.offered.slot for line in self.lines}) == len(self.lines), "each slot once"
        assert all(line.seats > 0 and len(line.attendees) <= line.seats for line in self.lines)
        assert self.total.is_free, "a priced order is confirmed by its capture"

    @property
    def total(self) -> Money:
        return sum(
            (line.unit_price.times(line.seats) for line in self.lines), Money(0, self.lines[0].unit_price.currency)
        )


async def write_confirmation(session: AsyncSession, wanted: Confirmation) -> Order:
    """Locks in the order that all transactions keep: outcome, site, meetings by id."""
    await _take_outcome(session, wanted)
    await _compare(session, wanted)
    meeting_ids = await _take_seats(session, wanted)
    await _write_order(session, wanted, meeting_ids)
    tell_engine(session, BOOKING_CONFIRMED, wanted.site_id, wanted.hold_id, fence=wanted.fence, at=wanted.at)
    found = await read_order(session, wanted.site_id, wanted.hold_id)
    assert found is not None
    return found[0]


async def _take_outcome(session: AsyncSession, wanted: Confirmation) -> None:
    site_id, hold_id, fence = wanted.site_id, wanted.hold_id, wanted.fence
    if await take_outcome(session, site_id, hold_id, OutcomeState.CONFIRMED, fence=fence, digest=wanted.digest):
        return
    winner = await read_outcome(session, site_id, hold_id)
    assert winner is not None
    raise OutcomeTaken(winner.state, winner.order, winner.digest)


async def _compare(session: AsyncSession, wanted: Confirmation) -> None:
    epoch, schedule_version = await lock_site(session, wanted.site_id)
    if epoch != wanted.epoch:
        raise StaleEpoch(f"the site is in epoch {epoch}, not {wanted.epoch}")
    if schedule_version != wanted.schedule_version:
        raise StaleSchedule(f"the schedule is in version {schedule_version}, not {wanted.schedule_version}")


async def _take_seats(session: AsyncSession, wanted: Confirmation) -> dict[str, int]:
    """The id of each slot's meeting. Everybody inserts by slot and updates by id, so nobody waits in a circle."""
    lines = {line.offered.slot.id: line for line in wanted.lines}
    missing = [values(_new_meeting(wanted.site_id, lines[slot].offered)) for slot in sorted(lines)]
    await session.exec(
        insert(session, MeetingRow).values(missing).on_conflict_do_nothing(index_elements=["site_id", "slot"])
    )
    of_lines = (
        select(MeetingRow.slot, MeetingRow.id)
        .where(col(MeetingRow.site_id) == wanted.site_id, col(MeetingRow.slot).in_(lines))
        .order_by(col(MeetingRow.id))
    )
    meeting_ids = {slot: meeting_id for slot, meeting_id in await session.exec(of_lines) if meeting_id is not None}
    for slot, meeting_id in meeting_ids.items():
        await _take_seats_of(session, meeting_id, lines[slot])
    return meeting_ids


async def _take_seats_of(session: AsyncSession, meeting_id: int, line: ConfirmationLine) -> None:
    """Below both capacities: a meeting may keep a larger one than the schedule has by now, if it was that full."""
    booked, offered = col(MeetingRow.booked), line.offered
    taken = await session.exec(
        update(MeetingRow)
        .where(col(MeetingRow.id) == meeting_id)
        .where(booked + line.seats <= col(MeetingRow.capacity), booked + line.seats <= offered.capacity)
        .values(booked=booked + line.seats, version=col(MeetingRow.version) + 1)
    )
    if taken.rowcount == 0:
        now_booked = (await session.exec(select(MeetingRow.booked).where(col(MeetingRow.id) == meeting_id))).one()
        left = max(0, offered.capacity - now_booked)
        raise SlotFull("There are not enough seats left.", slot=offered.slot.id, left=left)


async def _write_order(session: AsyncSession, wanted: Confirmation, meeting_ids: dict[str, int]) -> None:
    order_id = await _insert_order(session, wanted)
    bookings = [
        BookingRow(
            order_id=order_id,
            meeting_id=meeting_ids[line.offered.slot.id],
            service_name=line.service_name,
            seats=line.seats,
            unit_price_minor=line.unit_price.amount_minor,
            state=BookingState.CONFIRMED,
            created_at=wanted.at,
        )
        for line in wanted.lines
    ]
    session.add_all(bookings)
    await session.flush()
    for booking, line in zip(bookings, wanted.lines, strict=True):
        assert booking.id is not None
        session.add_all(_attendees(booking.id, line))
    await session.flush()


async def _insert_order(session: AsyncSession, wanted: Confirmation) -> int:
    """A number that the site has given already is exchanged for another; they are random and hardly ever meet."""
    row = _new_order(wanted)
    for _ in range(_NUMBER_TRIES_MAX):
        new = insert(session, OrderRow).values(values(row))
        new = new.on_conflict_do_nothing(index_elements=["site_id", "number"])
        order_id: int | None = (await session.exec(new.returning(col(OrderRow.id)))).scalar_one_or_none()
        if order_id is not None:
            return order_id
        row.number = new_order_number()
    raise AssertionError("order numbers are random")


def _new_order(wanted: Confirmation) -> OrderRow:
    return OrderRow(
        site_id=wanted.site_id,
        hold_id=wanted.hold_id,
        number=wanted.order_number,
        secret_hash=wanted.order_secret_hash,
        state=OrderState.PAID,
        customer_name=wanted.customer.name,
        customer_email=wanted.customer.email or None,
        customer_zone=wanted.customer.zone,
        customer_locale=wanted.customer.locale,
        total_minor=wanted.total.amount_minor,
        currency=wanted.total.currency,
        created_at=wanted.at,
    )


def _new_meeting(site_id: int, offered: OfferedSlot) -> MeetingRow:
    slot = offered.slot
    return MeetingRow(
        site_id=site_id,
        slot=slot.id,
        service=slot.service,
        starts_at=slot.starts_at,
        capacity=offered.capacity,
        booked=0,
        version=0,
    )


def _attendees(booking_id: int, line: ConfirmationLine) -> list[AttendeeRow]:
    names: Sequence[str] = line.attendees + ("",) * (line.seats - len(line.attendees))
    return [AttendeeRow(booking_id=booking_id, seat=seat, name=name.strip()) for seat, name in enumerate(names, 1)]
