"""The only place that keeps which customers are asked for another time. A request ends with what its customer does."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Entry
from widget_server.domain.move_requests import MoveRequest, MoveState
from widget_server.errors import NotFound
from widget_server.store.audit_log import put_entry
from widget_server.store.database import Database, insert
from widget_server.store.tables import BookingRow, MoveRequestRow, OperatorRow, OrderRow, values
from widget_server.store.telling import tell_withdrawn

_AT_ONCE = 1_000


class MoveRequests:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def withdraw(self, site_id: int, order_id: str, booking_id: int, *, entry: Entry) -> MoveState:
        """The customer is not asked any more, and told so by mail if a mail had asked.

        What had become of the request before stays, and is the answer. Raises NotFound.
        """
        of_booking = (
            select(BookingRow.id)
            .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
            .where(
                col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id, col(BookingRow.id) == booking_id
            )
        )
        async with self._db.transaction() as session:
            if (await session.exec(of_booking)).one_or_none() is None:
                raise NotFound("There is no such booking.")
            if await end_requests(session, [booking_id], MoveState.WITHDRAWN, entry.at):
                put_entry(session, entry)
                await tell_withdrawn(session, site_id, order_id, booking_id, entry.at)
            found = (await read_requests(session, [booking_id])).get(booking_id)
        if found is None:
            raise NotFound("Nobody was asked for another time.")
        return found.state

    @staticmethod
    async def erase(session: AsyncSession, site_id: int, order_id: str) -> None:
        """Take out what operators wrote to the customer of an order, be it with a request or with a cancellation."""
        of_order = (
            select(BookingRow.id)
            .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
            .where(col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id)
        )
        asked = update(MoveRequestRow).where(col(MoveRequestRow.booking_id).in_(of_order))
        await session.exec(asked.values(message=""))
        await session.exec(update(BookingRow).where(col(BookingRow.id).in_(of_order)).values(cancel_message=""))


async def ask_to_move(
    session: AsyncSession, booking_ids: Sequence[int], message: str, *, operator_id: int, at: datetime
) -> None:
    """Part of the transaction that makes it necessary. Whoever was asked before is asked anew."""
    for part in (booking_ids[first : first + _AT_ONCE] for first in range(0, len(booking_ids), _AT_ONCE)):
        asked = insert(session, MoveRequestRow).values([_new_row(each, message, operator_id, at) for each in part])
        anew = {name: asked.excluded[name] for name in ("operator_id", "state", "message", "asked_at", "ended_at")}
        await session.exec(asked.on_conflict_do_update(index_elements=["booking_id"], set_=anew))


async def end_requests(
    session: AsyncSession, booking_ids: Collection[int], state: MoveState, at: datetime
) -> frozenset[int]:
    """Part of the transaction that ends them. The answer is which of these bookings were waiting for their customer.

    Whoever ends a request first has ended it: of a customer who chooses and an operator who withdraws, one finds it.
    """
    waiting = (
        update(MoveRequestRow)
        .where(col(MoveRequestRow.booking_id).in_(booking_ids), col(MoveRequestRow.state) == MoveState.WAITING)
        .values(state=state, ended_at=at)
        .returning(col(MoveRequestRow.booking_id))
    )
    return frozenset((await session.exec(waiting)).scalars())


async def read_requests(session: AsyncSession, booking_ids: Collection[int | None]) -> dict[int, MoveRequest]:
    """By booking; those whose customers were never asked are left out."""
    if not booking_ids:
        return {}
    of_bookings = (
        select(MoveRequestRow, OperatorRow.email)
        .join(OperatorRow, col(OperatorRow.id) == col(MoveRequestRow.operator_id))
        .where(col(MoveRequestRow.booking_id).in_(booking_ids))
    )
    return {row.booking_id: to_request(row, email) for row, email in await session.exec(of_bookings)}


def to_request(row: MoveRequestRow, email: str) -> MoveRequest:
    return MoveRequest(MoveState(row.state), row.message, email, row.asked_at, row.ended_at)


def _new_row(booking_id: int, message: str, operator_id: int, at: datetime) -> dict[str, object]:
    row = MoveRequestRow(
        booking_id=booking_id, operator_id=operator_id, state=MoveState.WAITING, message=message, asked_at=at
    )
    return values(row)
