"""The only place for what an edit does to bookings: cancelled, or their customers asked to move; where there are many,
some at a time.

What is offered is changed at once, and so is it decided what becomes of all these bookings. A clearing keeps those to
which it has not happened yet, so that whoever comes next goes on. While a step is written, nobody else can write on
SQLite.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select, SelectOfScalar

from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import BookingState
from widget_server.domain.impact import Choice
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound
from widget_server.store.audit_log import put_entry
from widget_server.store.cancellations import cancel_bookings, lock_confirmed
from widget_server.store.database import Database, insert
from widget_server.store.impact import BookedBy, read_bookings
from widget_server.store.move_requests import ask_to_move
from widget_server.store.sites import lock_site_alone
from widget_server.store.tables import BookingRow, ClearingBookingRow, ClearingRow, MeetingRow, SiteRow
from widget_server.store.telling import tell_to_choose

AT_ONCE = 50
"""So many bookings in one transaction, and those of the same orders: their customers get one mail."""
KEPT_FOR = timedelta(days=7)
"""So long after its end a clearing can be looked at."""

Decided = Mapping[Choice, Sequence[BookedBy]]
"""What becomes of which bookings; those that are kept need not be named."""


@dataclass(frozen=True, slots=True)
class Clearing:
    id: int
    bookings: int
    """So many there were at first."""
    waiting: int
    """Once it has ended: so many stayed as they were, because it was stopped."""
    created_at: datetime
    ended_at: datetime | None

    @property
    def done(self) -> int:
        return self.bookings - self.waiting

    @property
    def is_stopped(self) -> bool:
        return self.ended_at is not None and self.waiting > 0


@dataclass(frozen=True, slots=True)
class OpenClearing:
    """One that is to be gone on with."""

    id: int
    site_id: int
    site_key: str


class Clearings:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, site_id: int, clearing_id: int) -> Clearing:
        """Raises NotFound."""
        async with self._db.snapshot() as session:
            found = (await session.exec(_counted(site_id, col(ClearingRow.id) == clearing_id))).one_or_none()
        if found is None:
            raise NotFound("There is no such clearing.")
        return _to_clearing(*found)

    async def under_way(self, site_id: int) -> list[Clearing]:
        """Of this site, the oldest first."""
        async with self._db.snapshot() as session:
            rows = await session.exec(_counted(site_id, col(ClearingRow.ended_at).is_(None)))
            return [_to_clearing(*row) for row in rows]

    async def all_open(self, limit: int) -> list[OpenClearing]:
        """Of all sites, the oldest first."""
        still_open = (
            select(ClearingRow.id, ClearingRow.site_id, SiteRow.key)
            .join(SiteRow, col(SiteRow.id) == col(ClearingRow.site_id))
            .where(col(ClearingRow.ended_at).is_(None))
            .order_by(col(ClearingRow.id))
            .limit(limit)
        )
        async with self._db.snapshot() as session:
            return [OpenClearing(number or 0, site_id, key) for number, site_id, key in await session.exec(still_open)]

    async def step(self, clearing: OpenClearing, at: datetime) -> list[BookedBy]:
        """Do the next of them, all or none, and return those. None is left: it has ended.

        What has begun, was cancelled, or was moved by its customer meanwhile is left as it is. What is just being paid
        waits; while there is nothing else, nobody waits for us. Else whoever books, moves or cancels at this site does.
        """
        if not await self._is_ready(clearing.id, at):
            return []
        async with self._db.transaction() as session:
            await lock_site_alone(session, clearing.site_id)
            row = (await session.exec(_open_one(clearing.id))).one_or_none()
            if row is None:
                return []
            await _drop_settled(session, clearing.id, at)
            waiting = await _next(session, clearing.id)
            decided = await _decided(session, waiting)
            entry = Entry(row.site_id, row.operator_id, Deed.BOOKING_CANCELLED, at)
            await _carry_out(session, entry, decided, row.message)
            of_ids = col(ClearingBookingRow.id).in_([one.id for one in waiting])
            await session.exec(delete(ClearingBookingRow).where(of_ids))
            await _end_if_done(session, clearing.id, at)
        return [booked for bookings in decided.values() for booked in bookings]

    async def _is_ready(self, clearing_id: int, at: datetime) -> bool:
        of_clearing = select(ClearingBookingRow.id).where(col(ClearingBookingRow.clearing_id) == clearing_id)
        paying = _standing(at).where(col(BookingRow.state) == BookingState.CONFIRMING).exists()
        async with self._db.snapshot() as session:
            is_ready = await session.exec(select(or_(~of_clearing.exists(), of_clearing.where(~paying).exists())))
            return is_ready.one()


async def decide(session: AsyncSession, edit: Entry, decided: Decided, message: str) -> int | None:
    """Part of the transaction of the edit, by whoever makes it and at its time: it happens at once, or where they are
    many it is going to; then the answer is the id of the clearing. The caller has the site to itself.

    Raises InvalidRequest while one of them, of few, is just being paid.
    """
    if sum(len(bookings) for bookings in decided.values()) > AT_ONCE:
        return await _begin(session, edit, decided, message)
    await _carry_out(session, edit, decided, message)
    return None


async def stop_clearing(session: AsyncSession, site_id: int, clearing_id: int, at: datetime) -> Clearing | None:
    """Part of the transaction that keeps the others: nothing more happens to any booking. None where it has ended.

    The caller has the site to itself.
    """
    still_open = (col(ClearingRow.id) == clearing_id) & col(ClearingRow.ended_at).is_(None)
    if (await session.exec(_counted(site_id, still_open))).one_or_none() is None:
        return None
    await _drop_settled(session, clearing_id, at)
    stopped = _to_clearing(*(await session.exec(_counted(site_id, still_open))).one())
    ended = update(ClearingRow).where(col(ClearingRow.id) == clearing_id)
    await session.exec(ended.values(ended_at=at, message=""))
    return replace(stopped, ended_at=at)


async def _begin(session: AsyncSession, edit: Entry, decided: Decided, message: str) -> int:
    assert edit.operator_id is not None, "somebody decided it"
    rows = [(booked, choice) for choice, bookings in decided.items() for booked in bookings]
    clearing = ClearingRow(
        site_id=edit.site_id, operator_id=edit.operator_id, message=message, bookings=len(rows), created_at=edit.at
    )
    session.add(clearing)
    await session.flush()
    assert clearing.id is not None
    await _forget(session, edit.site_id, edit.at - KEPT_FOR)
    waiting = [
        {
            "clearing_id": clearing.id,
            "booking_id": booked.booking_id,
            "order_id": booked.order_id,
            "slot": booked.slot.id,
            "choice": choice,
        }
        for booked, choice in rows
    ]
    await session.exec(insert(session, ClearingBookingRow), params=waiting)
    return clearing.id


async def _carry_out(session: AsyncSession, edit: Entry, decided: Decided, message: str) -> None:
    cancelled, asked = decided.get(Choice.CANCEL, ()), decided.get(Choice.MOVE, ())
    await cancel_bookings(session, edit.site_id, cancelled, edit.at, message=message)
    assert edit.operator_id is not None, "somebody decided it"
    await lock_confirmed(session, edit.site_id, asked)
    ids = [booked.booking_id for booked in asked]
    await ask_to_move(session, ids, message, operator_id=edit.operator_id, at=edit.at)
    of_orders = [(booked.order_id, booked.booking_id) for booked in asked]
    await tell_to_choose(session, edit.site_id, of_orders, edit.at, message)
    for deed, bookings in ((Deed.BOOKING_CANCELLED, cancelled), (Deed.MOVE_ASKED, asked)):
        for booked in bookings:
            detail = {"slot": booked.slot.id, "seats": booked.seats}
            put_entry(session, replace(edit, deed=deed, about=booked.order_id, detail=detail))


async def _forget(session: AsyncSession, site_id: int, before: datetime) -> None:
    ended = (col(ClearingRow.site_id) == site_id, col(ClearingRow.ended_at) < before)
    stopped = col(ClearingBookingRow.clearing_id).in_(select(ClearingRow.id).where(*ended))
    await session.exec(delete(ClearingBookingRow).where(stopped))
    await session.exec(delete(ClearingRow).where(*ended))


async def read_leaving(session: AsyncSession, site_id: int) -> dict[int, tuple[Slot, int]]:
    """Bookings that are going to be cancelled, with their slots and seats: for an edit they are not there any more."""
    leaving = (
        select(col(BookingRow.id), MeetingRow.slot, BookingRow.seats)
        .select_from(ClearingBookingRow)
        .join(ClearingRow, col(ClearingRow.id) == col(ClearingBookingRow.clearing_id))
        .join(BookingRow, col(BookingRow.id) == col(ClearingBookingRow.booking_id))
        .join(MeetingRow, _still_there)
        .where(col(ClearingRow.site_id) == site_id, col(ClearingRow.ended_at).is_(None))
        .where(col(ClearingBookingRow.choice) == Choice.CANCEL, col(BookingRow.state) != BookingState.CANCELLED)
    )
    return {booking or 0: (Slot.parse(slot), seats) for booking, slot, seats in await session.exec(leaving)}


async def read_cleared(session: AsyncSession, booking_ids: Collection[int]) -> list[int]:
    """Which of these an edit is going to cancel or ask for another time, and has not come to yet."""
    open_ones = (
        select(ClearingBookingRow.booking_id)
        .join(ClearingRow, col(ClearingRow.id) == col(ClearingBookingRow.clearing_id))
        .where(col(ClearingBookingRow.booking_id).in_(booking_ids), col(ClearingRow.ended_at).is_(None))
    )
    return list(await session.exec(open_ones))


_still_there = (col(MeetingRow.id) == col(BookingRow.meeting_id)) & (
    col(MeetingRow.slot) == col(ClearingBookingRow.slot)
)


def _counted(site_id: int, which: ColumnElement[bool]) -> Select[ClearingRow, int]:
    waiting = (
        select(func.count())
        .select_from(ClearingBookingRow)
        .where(col(ClearingBookingRow.clearing_id) == col(ClearingRow.id))
        .correlate(ClearingRow)
        .scalar_subquery()
    )
    of_site = select(ClearingRow, waiting).where(col(ClearingRow.site_id) == site_id, which)
    return of_site.order_by(col(ClearingRow.id))


def _to_clearing(row: ClearingRow, waiting: int) -> Clearing:
    assert row.id is not None
    return Clearing(row.id, row.bookings, waiting, row.created_at, row.ended_at)


def _open_one(clearing_id: int) -> SelectOfScalar[ClearingRow]:
    of_id = select(ClearingRow).where(col(ClearingRow.id) == clearing_id, col(ClearingRow.ended_at).is_(None))
    return of_id.with_for_update()


async def _drop_settled(session: AsyncSession, clearing_id: int, at: datetime) -> None:
    """Those to which nothing is to happen any more."""
    of_clearing = col(ClearingBookingRow.clearing_id) == clearing_id
    await session.exec(delete(ClearingBookingRow).where(of_clearing, ~_standing(at).exists()))


def _standing(at: datetime) -> SelectOfScalar[int] | SelectOfScalar[None]:
    """The booking of a row, if something may still happen to it."""
    return (
        select(BookingRow.id)
        .join(MeetingRow, _still_there)
        .where(col(BookingRow.id) == col(ClearingBookingRow.booking_id), col(MeetingRow.starts_at) > at)
        .where(col(BookingRow.state) != BookingState.CANCELLED)
        .correlate(ClearingBookingRow)
    )


async def _next(session: AsyncSession, clearing_id: int) -> Sequence[ClearingBookingRow]:
    """AT_ONCE, and what else there is of the last order."""
    ready = (
        select(ClearingBookingRow)
        .join(BookingRow, col(BookingRow.id) == col(ClearingBookingRow.booking_id))
        .where(col(ClearingBookingRow.clearing_id) == clearing_id)
        .where(col(BookingRow.state) == BookingState.CONFIRMED)
        .order_by(col(ClearingBookingRow.order_id), col(ClearingBookingRow.id))
    )
    first = (await session.exec(ready.limit(AT_ONCE))).all()
    if len(first) < AT_ONCE:
        return first
    of_last = ready.where(col(ClearingBookingRow.order_id) == first[-1].order_id)
    return [*first, *(row for row in await session.exec(of_last) if row not in first)]


async def _decided(session: AsyncSession, waiting: Sequence[ClearingBookingRow]) -> Decided:
    bookings = await read_bookings(session, [row.booking_id for row in waiting])
    return {
        choice: [bookings[row.booking_id] for row in waiting if row.choice == choice]
        for choice in (Choice.CANCEL, Choice.MOVE)
    }


async def _end_if_done(session: AsyncSession, clearing_id: int, at: datetime) -> None:
    waits = select(ClearingBookingRow.id).where(col(ClearingBookingRow.clearing_id) == clearing_id).exists()
    ended = update(ClearingRow).where(col(ClearingRow.id) == clearing_id, ~waits)
    await session.exec(ended.values(ended_at=at, message=""))
