"""The only place that keeps events until whom they concern has been told."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, union, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from widget_server.domain.bookings import BookedSeats
from widget_server.domain.slots import Slot
from widget_server.store.database import Database
from widget_server.store.tables import BookingRow, MeetingRow, OrderRow, OutboxRow, ReschedulingRow, SiteRow

BOOKING_CONFIRMED, BOOKING_RESCHEDULED = "BookingConfirmed", "BookingRescheduled"
BOOKING_CANCELLED = "BookingCancelled"
ENGINE = "engine"
_HEAD_START = timedelta(seconds=2)
"""Whoever books or cancels tells the engine at once; only if nothing comes of that does the worker."""
CLAIMED_FOR = timedelta(seconds=3)
"""Should the worker that claimed an event die, another tells it within five seconds, its look each second included."""
_WHY_LENGTH_MAX = 500
_NEXT_DUE = select(func.min(col(OutboxRow.due_at)))


@dataclass(frozen=True, slots=True)
class UntoldEvent:
    id: int
    site_id: int
    site_key: str
    name: str
    recipient: str
    order_id: str
    """Which is the hold's id as well; of a reschedule, the id of the hold that took the new seats."""
    fence: int | None
    tries: int
    created_at: datetime


class Outbox:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def ripe(self, limit: int, *, at: datetime, without: Collection[str] = ()) -> list[UntoldEvent]:
        """Up to `limit` events, the longest due first, without claiming any: others may get the same.

        Those of sites in the partitions `without` are left out.
        """
        async with self._db.snapshot() as session:
            return [_to_event(row, site_key) for row, site_key in await session.exec(_longest_due(limit, at, without))]

    async def seats_of(self, ids: Sequence[int]) -> dict[int, list[BookedSeats]]:
        """Event -> what is booked by now of the slots of its order, and of those between which it moved bookings."""
        of_orders = (
            select(col(OutboxRow.id), col(BookingRow.meeting_id))
            .join(OrderRow, _same_order)
            .join(BookingRow, col(BookingRow.order_id) == col(OrderRow.id))
            .where(col(OutboxRow.id).in_(ids))
        )
        moved = (
            select(col(OutboxRow.id), meeting_id).join(ReschedulingRow, _same_move).where(col(OutboxRow.id).in_(ids))
            for meeting_id in (col(ReschedulingRow.from_meeting_id), col(ReschedulingRow.to_meeting_id))
        )
        concerned = union(of_orders, *moved).subquery("concerned")
        event_id, meeting_id = concerned.c
        rows = select(event_id, MeetingRow).join(MeetingRow, col(MeetingRow.id) == meeting_id)
        seats: dict[int, list[BookedSeats]] = {event_id: [] for event_id in ids}
        async with self._db.snapshot() as session:
            for event, meeting in await session.exec(rows):
                seats[event].append(BookedSeats(Slot.parse(meeting.slot), meeting.booked, meeting.version))
        return seats

    async def due(
        self, limit: int, *, at: datetime, claim: timedelta = CLAIMED_FOR, without: Collection[str] = ()
    ) -> list[UntoldEvent]:
        """Claim up to `limit` events, as `ripe` has them. Nobody else gets them until `claim` has passed."""
        if not await self._any_due(at):
            return []
        async with self._db.transaction() as session:
            longest_due = _longest_due(limit, at, without)
            claimed = (await session.exec(longest_due.with_for_update(of=OutboxRow, skip_locked=True))).all()
            ids = [row.id for row, _ in claimed]
            await session.exec(update(OutboxRow).where(col(OutboxRow.id).in_(ids)).values(due_at=at + claim))
            return [_to_event(row, site_key) for row, site_key in claimed]

    async def next_due_at(self) -> datetime | None:
        """When the worker should look again; None while everything is told."""
        async with self._db.snapshot() as session:
            return (await session.exec(_NEXT_DUE)).one()

    async def waiting(self) -> int:
        """How many events are not told yet."""
        async with self._db.snapshot() as session:
            return (await session.exec(select(func.count()).select_from(OutboxRow))).one()

    async def done(self, ids: Iterable[int]) -> None:
        """Told. Again: nothing more happens."""
        async with self._db.transaction() as session:
            await session.exec(delete(OutboxRow).where(col(OutboxRow.id).in_(tuple(ids))))

    async def told(self, site_id: int, order_id: str, name: str, recipient: str = ENGINE) -> None:
        """As `done`, for whoever told it without having claimed it."""
        async with self._db.transaction() as session:
            await session.exec(
                delete(OutboxRow)
                .where(col(OutboxRow.site_id) == site_id, col(OutboxRow.hold_id) == order_id)
                .where(col(OutboxRow.event) == name, col(OutboxRow.recipient) == recipient)
            )

    async def failed(self, id: int, why: str, next_at: datetime) -> None:
        """Try again at `next_at`."""
        async with self._db.transaction() as session:
            again = update(OutboxRow).where(col(OutboxRow.id) == id)
            again = again.values(tries=col(OutboxRow.tries) + 1, why=why[:_WHY_LENGTH_MAX], due_at=next_at)
            await session.exec(again)

    async def _any_due(self, at: datetime) -> bool:
        """Looking first, as on SQLite a transaction keeps everybody else from writing."""
        next_at = await self.next_due_at()
        return next_at is not None and next_at <= at


def tell_engine(
    session: AsyncSession, name: str, site_id: int, order_id: str, *, fence: int | None, at: datetime
) -> None:
    """Part of the transaction in which it happened."""
    session.add(
        OutboxRow(
            site_id=site_id,
            event=name,
            recipient=ENGINE,
            hold_id=order_id,
            fence=fence,
            created_at=at,
            due_at=at + _HEAD_START,
        )
    )


_same_move = (col(ReschedulingRow.site_id) == col(OutboxRow.site_id)) & (
    col(ReschedulingRow.hold_id) == col(OutboxRow.hold_id)
)
_same_order = (col(OrderRow.site_id) == col(OutboxRow.site_id)) & (col(OrderRow.hold_id) == col(OutboxRow.hold_id))


def _longest_due(limit: int, at: datetime, without: Collection[str]) -> Select[OutboxRow, str]:
    due = select(OutboxRow, SiteRow.key).join(SiteRow).where(col(OutboxRow.due_at) <= at)
    if without:
        due = due.where(col(SiteRow.partition).not_in(without))
    return due.order_by(col(OutboxRow.due_at), col(OutboxRow.id)).limit(limit)


def _to_event(row: OutboxRow, site_key: str) -> UntoldEvent:
    assert row.id is not None
    return UntoldEvent(
        id=row.id,
        site_id=row.site_id,
        site_key=site_key,
        name=row.event,
        recipient=row.recipient,
        order_id=row.hold_id,
        fence=row.fence,
        tries=row.tries,
        created_at=row.created_at,
    )
