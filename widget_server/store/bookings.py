"""The only place for what becomes of pinned holds and booked seats: confirmed, given up, found, moved, cancelled."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, union_all, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.attempts import WaitingPin
from widget_server.domain.audit_log import Entry
from widget_server.domain.bookings import BookedDay, BookedSeats, BookingState
from widget_server.domain.claims import Assignment
from widget_server.domain.move_prices import MoveTerms
from widget_server.domain.move_requests import MoveState
from widget_server.domain.orders import Claimed, Order, OutcomeState
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, TooLate
from widget_server.store import meetings
from widget_server.store.assigned import read_of_holds, read_to_come
from widget_server.store.assignments import free, read_between, read_freed
from widget_server.store.audit_log import ENTRIES_KEPT, prune_entries, put_entry
from widget_server.store.claimed import read_claimed
from widget_server.store.clearings import read_cleared
from widget_server.store.confirmations import Confirmation, ConfirmationLine, write_confirmation
from widget_server.store.database import Database
from widget_server.store.move_requests import end_requests
from widget_server.store.orders import read_order
from widget_server.store.outbox import BOOKING_CANCELLED, tell_engine
from widget_server.store.outcomes import (
    GIVEN_UP_KEPT,
    Outcome,
    OutcomeTaken,
    abandon,
    prune_outcomes,
    read_outcome,
)
from widget_server.store.refunds import refund_cancelled
from widget_server.store.reschedulings import Rescheduling, read_terms, write_rescheduling
from widget_server.store.restoring import read_to_restore
from widget_server.store.sites import lock_site
from widget_server.store.tables import BookingRow, MeetingRow, OrderRow, OutcomeRow, ReschedulingRow
from widget_server.store.telling import tell_cancelled

__all__ = ["Bookings", "Confirmation", "ConfirmationLine", "Outcome", "OutcomeTaken", "Rescheduling"]


class Bookings:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def confirm(self, wanted: Confirmation) -> Order:
        """Book all lines or none: outcome, seats, order and the event to tell, in one transaction.

        It is the last wall: no seat is booked beyond the capacity, whatever the engine believes.
        Raises OutcomeTaken for a second call, or where the hold was given up; SlotFull; StaleEpoch and StaleSchedule if
        the site has been filled anew or changed since; Unavailable, after which only the same call again tells.
        """
        async with self._db.transaction() as session:
            return await write_confirmation(session, wanted)

    async def reschedule(self, wanted: Rescheduling) -> Order:
        """Move bookings of an order, all or none: outcome, new and old seats and the event to tell, in one transaction.

        It is the last wall likewise, and its outcome is that of the hold under which the new seats are pinned.
        Raises OutcomeTaken for a second call, or where that hold was given up; SlotFull; Changed and TooLate where the
        bookings were moved or cancelled meanwhile; PriceChanged; StaleEpoch and StaleSchedule; NotFound; Unavailable,
        after which only the same call again tells.
        """
        async with self._db.transaction() as session:
            return await write_rescheduling(session, wanted)

    async def move_terms(self, site_id: int, order: Order) -> MoveTerms:
        """What decides about the price of its moves."""
        async with self._db.snapshot() as session:
            return await read_terms(session, site_id, order)

    async def give_up(self, site_id: int, hold_id: str, fence: int) -> OutcomeState:
        """Decide that this pin becomes nothing, unless it was decided otherwise: then that is the answer.

        A confirmation with this fence or a lower one can no longer succeed afterwards.
        """
        async with self._db.transaction() as session:
            if await abandon(session, site_id, hold_id, fence=fence):
                return OutcomeState.ABANDONED
            outcome = await read_outcome(session, site_id, hold_id)
            assert outcome is not None
            return outcome.state

    async def refuse(self, site_id: int, hold_id: str, owner: str, *, fence: int = 0) -> Outcome | None:
        """Decide that whoever shows `owner` gets nothing, unless it was decided otherwise: then that is the answer.

        No other try of theirs can succeed afterwards, whatever its fence; somebody else's can.
        """
        async with self._db.transaction() as session:
            if await abandon(session, site_id, hold_id, fence=fence, owner=owner):
                return None
            return await read_outcome(session, site_id, hold_id)

    async def decided(self, site_id: int, fences: Mapping[str, int]) -> list[str]:
        """Those of these holds of whose pins with these fences SQL knows what became."""
        of_holds = select(OutcomeRow.hold_id, OutcomeRow.state, OutcomeRow.fence).where(
            col(OutcomeRow.site_id) == site_id, col(OutcomeRow.hold_id).in_(fences)
        )
        async with self._db.snapshot() as session:
            rows = (await session.exec(of_holds)).all()
        return [
            hold_id for hold_id, state, fence in rows if state != OutcomeState.ABANDONED or fence >= fences[hold_id]
        ]

    async def prune(self, site_id: int, at: datetime) -> int:
        """Forget pins that were given up more than a week ago, and what operators did more than two years ago.

        A bounded number of each; return how many.
        """
        async with self._db.transaction() as session:
            pruned = await prune_outcomes(session, site_id, at - GIVEN_UP_KEPT)
            return pruned + await prune_entries(session, site_id, at - ENTRIES_KEPT)

    async def outcome(self, site_id: int, hold_id: str) -> Outcome | None:
        """What became of a hold, with its order if it became one; None while nobody has decided."""
        async with self._db.snapshot() as session:
            return await read_outcome(session, site_id, hold_id)

    async def find(self, site_id: int, order_id: str) -> tuple[Order, str] | None:
        """The order of this site and the hash of its secret."""
        async with self._db.snapshot() as session:
            return await read_order(session, site_id, order_id)

    async def claimed(self, site_id: int, order_id: str) -> list[Claimed]:
        """Where the bookings of an order are by now, and under whose id each was taken there."""
        of_order = (col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id)
        async with self._db.snapshot() as session:
            return list((await read_claimed(session, *of_order)).get(order_id, ()))

    async def cancel(
        self,
        site_id: int,
        order_id: str,
        at: datetime,
        *,
        only: int | Slot | None = None,
        entry: Entry | None = None,
        message: str = "",
        only_as_asked: Collection[Slot] = (),
        refund_percent: int | None = None,
    ) -> list[BookedSeats]:
        """Undo all bookings of an order, or `only` one, by its id or where it is, and free their seats. Again: nothing
        more, the same answer, which is what is booked of the order's slots by now.

        `message` is for its customer. `only_as_asked` are those that may be cancelled by now only because the customer
        is asked for another time. What was paid goes back in the same transaction: so many percent, or by the policy it
        was sold with; all of it where an operator cancels or has asked for another time, or an edit is about to.
        Raises NotFound; TooLate if they are not asked any more.
        """
        async with self._db.transaction() as session:
            await lock_site(session, site_id)
            of_id = select(OrderRow.id, OrderRow.total_minor).where(
                col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id
            )
            found = (await session.exec(of_id.with_for_update())).one_or_none()
            if found is None:
                raise NotFound("There is no such order.")
            order, total = found
            freed, asked = await _give_seats_back(
                session, order, at, only=only, message=message, only_as_asked=only_as_asked
            )
            if freed:
                by_operator, back = entry is not None, None
                if total:
                    in_full = freed if by_operator else (*asked, *await read_cleared(session, freed))
                    back = await refund_cancelled(
                        session, site_id, order_id, freed, at, in_full=in_full, percent=refund_percent
                    )
                await tell_cancelled(
                    session, site_id, order_id, freed, at, by_operator=by_operator, text=message, back=back
                )
                tell_engine(session, BOOKING_CANCELLED, site_id, order_id, fence=None, at=at)
                if entry is not None:
                    put_entry(session, entry if back is None else entry.with_money("goes_back", back))
            return list(await _booked_after(session, site_id, order_id))

    async def booked_after(self, site_id: int, hold_id: str) -> tuple[BookedSeats, ...]:
        """What is booked by now of all slots that concern a hold: those of the order that it became, or those between
        which it moved the bookings of an earlier one. Nothing for a hold that became nothing.
        """
        async with self._db.snapshot() as session:
            return await _booked_after(session, site_id, hold_id)

    async def booked_in(self, site_id: int, slots: Sequence[Slot]) -> list[BookedSeats]:
        """What is booked of these slots by now; those that nobody has booked yet are left out."""
        of_slots = select(MeetingRow).where(
            col(MeetingRow.site_id) == site_id, col(MeetingRow.slot).in_([slot.id for slot in slots])
        )
        async with self._db.snapshot() as session:
            return [_to_booked_seats(meeting) for meeting in await session.exec(of_slots)]

    async def freed_in(self, site_id: int, slots: Sequence[Slot]) -> list[Assignment]:
        """Who was to serve bookings of these slots, and does no more, as they were cancelled or have moved."""
        async with self._db.snapshot() as session:
            return await read_freed(session, site_id, slots)

    async def assignments(self, site_id: int, since: datetime, until: datetime | None = None) -> list[Assignment]:
        """Who serves bookings, and who was to, with all that they are busy with after `since` and before `until`."""
        async with self._db.snapshot() as session:
            return await read_between(session, site_id, since, until)

    def assignments_to_come(self, site_id: int, since: datetime) -> AsyncIterator[list[Assignment]]:
        """The same without an end, in chunks. What is written while they are read may be left out."""
        return read_to_come(self._db, site_id, since)

    async def assignments_of(
        self, site_id: int, hold_ids: Collection[str], slot_ids: Collection[str]
    ) -> list[Assignment]:
        """Likewise, of bookings of these slots that were held by these holds."""
        return await read_of_holds(self._db, site_id, hold_ids, slot_ids)

    async def to_restore(self, site_id: int, first: date) -> tuple[list[BookedDay], list[WaitingPin]]:
        """What is booked of all meetings that start on this day of UTC or later, and who is paying: one moment."""
        return await read_to_restore(self._db, site_id, first)


async def _give_seats_back(
    session: AsyncSession,
    order: int | None,
    at: datetime,
    *,
    only: int | Slot | None,
    message: str,
    only_as_asked: Collection[Slot],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids of those that were cancelled, and of which of them the customer was asked for another time."""
    bookings = (
        select(col(BookingRow.id), BookingRow.meeting_id, BookingRow.seats, MeetingRow.slot)
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .where(col(BookingRow.order_id) == order, col(BookingRow.state) == BookingState.CONFIRMED)
        .order_by(col(BookingRow.meeting_id))
    )
    if only is not None:
        bookings = bookings.where(
            col(MeetingRow.slot) == only.id if isinstance(only, Slot) else col(BookingRow.id) == only
        )
    freed = (await session.exec(bookings)).all()
    slots = {booking_id: Slot.parse(slot) for booking_id, _, _, slot in freed if booking_id is not None}
    asked = await end_requests(session, slots, MoveState.CANCELLED, at)
    if freed and set(only_as_asked) - {slots[booking_id] for booking_id in asked}:
        raise TooLate("You are not asked for another time any more, and it is too late to cancel otherwise.")
    await free(session, slots, at)
    for _, meeting_id, seats, _ in freed:
        await meetings.give_seats_back(session, meeting_id, seats)
    cancelled = {"state": BookingState.CANCELLED, "cancelled_at": at, "cancel_message": message}
    await session.exec(update(BookingRow).where(col(BookingRow.id).in_(slots)).values(**cancelled))
    return tuple(slots), tuple(asked)


async def _booked_after(session: AsyncSession, site_id: int, hold_id: str) -> tuple[BookedSeats, ...]:
    rows = await session.exec(_BOOKED_AFTER, params={"site_id": site_id, "hold_id": hold_id})
    return tuple(BookedSeats(Slot.parse(slot), booked, version) for slot, booked, version in rows)


def _of_hold(table: Any) -> tuple[Any, Any]:
    return col(table.site_id) == bindparam("site_id"), col(table.hold_id) == bindparam("hold_id")


# Read after every confirmation, so it is made once: making it takes longer than running it.
_BOOKED_AFTER = (
    select(MeetingRow.slot, MeetingRow.booked, MeetingRow.version)
    .where(
        col(MeetingRow.id).in_(
            union_all(
                select(BookingRow.meeting_id)
                .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
                .where(*_of_hold(OrderRow)),
                select(ReschedulingRow.from_meeting_id).where(*_of_hold(ReschedulingRow)),
                select(ReschedulingRow.to_meeting_id).where(*_of_hold(ReschedulingRow)),
            )
        )
    )
    .order_by(col(MeetingRow.id))
)


def _to_booked_seats(row: MeetingRow) -> BookedSeats:
    return BookedSeats(slot=Slot.parse(row.slot), booked=row.booked, version=row.version)
