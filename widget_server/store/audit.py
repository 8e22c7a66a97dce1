"""The only place that asks SQL whether it agrees with itself, and gives out in chunks what others shall agree with."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func
from sqlalchemy import select as sql_select
from sqlmodel import col, select

from widget_server.domain.bookings import BookedSeats, BookingState
from widget_server.domain.claims import Assignment
from widget_server.domain.orders import OutcomeState
from widget_server.domain.slots import Slot
from widget_server.store.assigned import read_of_holds, read_to_come
from widget_server.store.attempts import read_waiting
from widget_server.store.database import Database, insert
from widget_server.store.tables import (
    AuditRoundRow,
    BookingRow,
    MeetingRow,
    OrderRow,
    OutboxRow,
    OutcomeRow,
    ReschedulingRow,
    values,
)

CHUNK = 500
_BOOKED = (
    select(MeetingRow.slot, MeetingRow.booked, MeetingRow.version)
    .where(col(MeetingRow.site_id) == bindparam("site_id"))
    .where(col(MeetingRow.slot).in_(bindparam("slots", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What nobody has told the engine yet."""

    waiting: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class CountedMeeting:
    """A meeting and what its bookings add up to."""

    seats: BookedSeats
    capacity: int
    taken: int
    """By bookings that are not cancelled."""

    @property
    def is_sound(self) -> bool:
        return self.seats.booked == self.taken <= self.capacity


@dataclass(slots=True)
class Tally:
    """What a worker's round through a partition has come to."""

    partition: str
    began_at: datetime
    ended_at: datetime
    """The beginning, while it goes on."""
    looked_at: int = 0
    found: int = 0
    mended: int = 0
    mended_ever: int = 0
    """By this partition's rounds altogether, once it is kept."""


class Audits:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def meetings(self, site_id: int, from_at: datetime) -> AsyncIterator[list[CountedMeeting]]:
        """All meetings that start at `from_at` or later, in chunks, each as of one moment. Raises Unavailable."""
        after = 0
        while True:
            after, chunk = await self._meetings_after(site_id, from_at, after)
            if chunk:
                yield chunk
            if len(chunk) < CHUNK:
                return

    async def meetings_of(self, site_id: int, slots: Sequence[Slot]) -> list[CountedMeeting]:
        """Those of these slots, without those that nobody has booked yet. Raises Unavailable."""
        of_slots = col(MeetingRow.slot).in_([slot.id for slot in slots])
        async with self._db.snapshot() as session:
            rows = await session.exec(_counted_meetings().where(col(MeetingRow.site_id) == site_id, of_slots))
            return [_to_counted(row) for row in rows]

    async def booked_of(self, site_id: int, slots: Sequence[Slot]) -> dict[Slot, BookedSeats]:
        """What is booked of these slots, without those that nobody has booked yet. Raises Unavailable."""
        by_id = {slot.id: slot for slot in slots}
        of_slots = {"site_id": site_id, "slots": tuple(by_id)}
        async with self._db.snapshot() as session:
            booked = await session.exec(_BOOKED, params=of_slots)
            return {by_id[name]: BookedSeats(by_id[name], *figures) for name, *figures in booked}

    def assignments(self, site_id: int, since: datetime) -> AsyncIterator[list[Assignment]]:
        """All that somebody is busy with after `since`, freed ones too, in chunks. Raises Unavailable."""
        return read_to_come(self._db, site_id, since)

    async def assignments_of(
        self, site_id: int, hold_ids: Collection[str], slot_ids: Collection[str]
    ) -> list[Assignment]:
        """Of bookings of these slots that were held by these holds. Raises Unavailable."""
        return await read_of_holds(self._db, site_id, hold_ids, slot_ids)

    async def without_order(self, site_id: int) -> AsyncIterator[list[str]]:
        """Holds that have become an order by their outcome, and no order is there; in chunks of what was looked at."""
        after: int | None = 0
        while True:
            after, holds = await self._without_order_after(site_id, after)
            if after is None:
                return
            yield holds

    async def decided(self, site_id: int, hold_ids: Sequence[str]) -> set[str]:
        """Those of these holds that have an outcome. Raises Unavailable."""
        of_holds = select(OutcomeRow.hold_id).where(
            col(OutcomeRow.site_id) == site_id, col(OutcomeRow.hold_id).in_(hold_ids)
        )
        async with self._db.snapshot() as session:
            return set(await session.exec(of_holds))

    async def being_paid(self, site_id: int, hold_ids: Sequence[str]) -> set[str]:
        """Those of these holds that wait for Stripe to say what becomes of them, or for a customer to choose.

        Raises Unavailable.
        """
        async with self._db.snapshot() as session:
            return await read_waiting(session, site_id, hold_ids)

    async def backlogs(self) -> dict[int, Backlog]:
        """Of each site that has one, by its id. Raises Unavailable."""
        untold = select(OutboxRow.site_id, func.count(), func.min(col(OutboxRow.created_at)))
        async with self._db.snapshot() as session:
            rows = await session.exec(untold.group_by(col(OutboxRow.site_id)))
            return {site_id: Backlog(waiting, oldest_at) for site_id, waiting, oldest_at in rows}

    async def keep(self, tally: Tally) -> None:
        """As the last round of its partition. Raises Unavailable."""
        row = AuditRoundRow(
            partition=tally.partition,
            began_at=tally.began_at,
            ended_at=tally.ended_at,
            looked_at=tally.looked_at,
            found=tally.found,
            mended=tally.mended,
            mended_ever=tally.mended,
        )
        ever = col(AuditRoundRow.mended_ever) + tally.mended
        async with self._db.transaction() as session:
            new = insert(session, AuditRoundRow).values(values(row))
            await session.exec(
                new.on_conflict_do_update(index_elements=["partition"], set_={**values(row), "mended_ever": ever})
            )

    async def last_rounds(self) -> list[Tally]:
        """Of each partition, the one that ended longest ago first. Raises Unavailable."""
        async with self._db.snapshot() as session:
            rows = (await session.exec(select(AuditRoundRow).order_by(col(AuditRoundRow.ended_at)))).all()
        return [
            Tally(row.partition, row.began_at, row.ended_at, row.looked_at, row.found, row.mended, row.mended_ever)
            for row in rows
        ]

    async def _meetings_after(self, site_id: int, from_at: datetime, after: int) -> tuple[int, list[CountedMeeting]]:
        to_come = _counted_meetings().where(
            col(MeetingRow.site_id) == site_id, col(MeetingRow.starts_at) >= from_at, col(MeetingRow.id) > after
        )
        async with self._db.snapshot() as session:
            rows = (await session.exec(to_come.order_by(col(MeetingRow.id)).limit(CHUNK))).all()
        return rows[-1][0] if rows else after, [_to_counted(row) for row in rows]

    async def _without_order_after(self, site_id: int, after: int | None) -> tuple[int | None, list[str]]:
        """The last row that was looked at, if there was any, and what was found."""
        outcomes = (
            select(OutcomeRow.id, OutcomeRow.hold_id, OrderRow.id)
            .join(OrderRow, _same_hold, isouter=True)
            .where(col(OutcomeRow.site_id) == site_id, col(OutcomeRow.id) > after)
            .where(col(OutcomeRow.state) == OutcomeState.CONFIRMED, ~_moved_bookings)
            .order_by(col(OutcomeRow.id))
            .limit(CHUNK)
        )
        async with self._db.snapshot() as session:
            rows = (await session.exec(outcomes)).all()
        return rows[-1][0] if rows else None, [hold_id for _, hold_id, order_id in rows if order_id is None]


_same_hold = (col(OrderRow.site_id) == col(OutcomeRow.site_id)) & (col(OrderRow.hold_id) == col(OutcomeRow.hold_id))


_moved_bookings = (
    select(ReschedulingRow.id)
    .where(
        col(ReschedulingRow.site_id) == col(OutcomeRow.site_id), col(ReschedulingRow.hold_id) == col(OutcomeRow.hold_id)
    )
    .exists()
)
"""Such a hold has no order of its own."""


def _counted_meetings() -> Any:
    """Whatever is not cancelled has its seats."""
    taken = (
        select(func.coalesce(func.sum(BookingRow.seats), 0))
        .where(col(BookingRow.meeting_id) == col(MeetingRow.id), col(BookingRow.state) != BookingState.CANCELLED)
        .scalar_subquery()
    )
    return sql_select(
        col(MeetingRow.id),
        col(MeetingRow.slot),
        col(MeetingRow.booked),
        col(MeetingRow.version),
        col(MeetingRow.capacity),
        taken,
    )


def _to_counted(row: Any) -> CountedMeeting:
    _, slot, booked, version, capacity, taken = row
    return CountedMeeting(BookedSeats(Slot.parse(slot), booked, version), capacity, int(taken))
