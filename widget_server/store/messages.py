"""The only place that keeps messages: put in the transaction of what they tell of, claimed, sent, and looked at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Update, and_, delete, false, func, or_, update
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Entry
from widget_server.domain.messages import (
    TEXT_LENGTH_MAX,
    UNDELIVERED,
    KeptMessage,
    Kind,
    Mail,
    MessageState,
    NewMessage,
    Role,
)
from widget_server.store.audit_log import put_entry
from widget_server.store.database import Database, insert_by
from widget_server.store.tables import MessageRow, OrderRow

WHY_LENGTH_MAX = 500
CAME_BACK = "It came back: its mail server could not hand it over."
_PUT = insert_by(MessageRow, lambda new: new.on_conflict_do_nothing())


class Messages:
    """As operators see them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def listed(
        self,
        site_id: int,
        *,
        limit: int,
        state: MessageState | None = None,
        text: str = "",
        order_id: str | None = None,
        before: int | None = None,
    ) -> list[KeptMessage]:
        """The newest first, of those whose order number or address has this text; `before` an id, those older."""
        rows = _rows_of(site_id)
        if state is not None:
            rows = rows.where(col(MessageRow.state) == state)
        if order_id is not None:
            rows = rows.where(col(MessageRow.order_id) == order_id)
        if before is not None:
            rows = rows.where(col(MessageRow.id) < before)
        if text:
            rows = rows.where(_mentions(text))
        async with self._db.snapshot() as session:
            found = (await session.exec(rows.order_by(col(MessageRow.id).desc()).limit(limit))).all()
        return [to_message(row, number) for row, number in found]

    async def find(self, site_id: int, message_id: int) -> KeptMessage | None:
        async with self._db.snapshot() as session:
            found = (await session.exec(_rows_of(site_id).where(col(MessageRow.id) == message_id))).one_or_none()
        return None if found is None else to_message(*found)

    async def undelivered(self, site_id: int, *, since: datetime) -> int:
        """How many could not be delivered since then."""
        lost = (col(MessageRow.site_id) == site_id, col(MessageRow.state).in_(UNDELIVERED))
        count = select(func.count()).select_from(MessageRow).where(*lost, col(MessageRow.ended_at) >= since)
        async with self._db.snapshot() as session:
            return (await session.exec(count)).one()

    async def send_again(self, site_id: int, message_id: int, *, sendings: int, entry: Entry) -> bool:
        """Have a message sent once more, as it is, if it has ended and was sent so often until now. Whether it was."""
        again = (
            update(MessageRow)
            .where(col(MessageRow.site_id) == site_id, col(MessageRow.id) == message_id)
            .where(col(MessageRow.sendings) == sendings, col(MessageRow.state) != MessageState.WAITING)
            .where(col(MessageRow.subject).is_not(None))
            .values(
                state=MessageState.WAITING, sendings=sendings + 1, tries=0, due_at=entry.at, ended_at=None, why=None
            )
        )
        return await self._change(again, entry)

    async def came_back(self, site_id: int, message_id: int, *, sendings: int, entry: Entry) -> bool:
        """A mail that was sent, so often until now, did not arrive. Whether that is news."""
        refused = (
            update(MessageRow)
            .where(col(MessageRow.site_id) == site_id, col(MessageRow.id) == message_id)
            .where(col(MessageRow.sendings) == sendings, col(MessageRow.state) == MessageState.SENT)
            .values(state=MessageState.REFUSED, ended_at=entry.at, why=CAME_BACK)
        )
        return await self._change(refused, entry)

    async def _change(self, change: Update, entry: Entry) -> bool:
        """With its entry, unless it finds no message. Whether it did."""
        async with self._db.transaction() as session:
            found = await session.exec(change.returning(col(MessageRow.id)))
            if found.scalar_one_or_none() is None:
                return False
            put_entry(session, entry)
            return True

    @staticmethod
    async def erase(
        session: AsyncSession, site_id: int, order_id: str, at: datetime, *, address_hash: str | None
    ) -> None:
        """Take all that identifies somebody out of the messages of an order. What has not gone out never does.

        Those with a link to all that was booked with this address go altogether, as they tell of nothing else.
        They are locked first: what a worker has just made of them is there then, and what it makes of them later finds
        that they wait no more.
        """
        of_order, of_address = _of_order(site_id, order_id), _of_address(site_id, address_hash)
        nobody = {"address": None, "language": "", "zone": "", "text": "", "why": None}
        unwritten = {"subject": None, "plain": None, "html": None, "calendar": None}
        both = select(MessageRow.id).where(or_(of_order, of_address)).order_by(col(MessageRow.id))
        await session.exec(both.with_for_update())
        await session.exec(delete(MessageRow).where(of_address))
        waiting = (of_order, col(MessageRow.state) == MessageState.WAITING)
        ended = {"state": MessageState.DROPPED, "due_at": None, "ended_at": at}
        await session.exec(update(MessageRow).where(*waiting).values(**ended))
        await session.exec(update(MessageRow).where(of_order).values(**nobody, **unwritten))


def my_bookings_event(address_hash: str, at: datetime) -> str:
    """What a message with such a link tells of."""
    return f"{_my_bookings_of(address_hash)}{at:%Y%m%dT%H%M%S%f}"


def _my_bookings_of(address_hash: str) -> str:
    return f"my/{address_hash}/"


def _of_order(site_id: int, order_id: str) -> ColumnElement[bool]:
    return and_(col(MessageRow.site_id) == site_id, col(MessageRow.order_id) == order_id)


def _of_address(site_id: int, address_hash: str | None) -> ColumnElement[bool]:
    if address_hash is None:
        return false()
    is_link = (col(MessageRow.site_id) == site_id, col(MessageRow.kind) == Kind.MY_BOOKINGS)
    return and_(*is_link, col(MessageRow.event).startswith(_my_bookings_of(address_hash)))


async def put_message(session: AsyncSession, message: NewMessage) -> None:
    """As part of the transaction in which it happens. The same event again: nothing more."""
    await put_messages(session, [message])


async def put_messages(session: AsyncSession, messages: Sequence[NewMessage]) -> None:
    """All of them in one statement, likewise."""
    if messages:
        await session.exec(_PUT(session), params=[_new_row(message) for message in messages])


def _new_row(message: NewMessage) -> dict[str, Any]:
    return {
        "site_id": message.site_id,
        "order_id": message.order_id,
        "event": message.event,
        "kind": message.kind,
        "role": message.role,
        "recipient": message.role,
        "address": message.address,
        "language": "",
        "zone": "",
        "text": message.text.strip()[:TEXT_LENGTH_MAX],
        "detail": dict(message.detail),
        "state": MessageState.WAITING,
        "tries": 0,
        "sendings": 1,
        "due_at": message.due_at or message.at,
        "created_at": message.at,
    }


its_order = (col(OrderRow.site_id) == col(MessageRow.site_id)) & (col(OrderRow.hold_id) == col(MessageRow.order_id))


def _rows_of(site_id: int) -> Any:
    rows = select(MessageRow, OrderRow.number).join(OrderRow, its_order, isouter=True)
    return rows.where(col(MessageRow.site_id) == site_id)


def _mentions(text: str) -> ColumnElement[bool]:
    """Order numbers are found with and without their hyphen."""
    found = [place.icontains(text, autoescape=True) for place in (col(MessageRow.address), col(OrderRow.number))]
    if plain := text.replace("-", ""):
        found.append(func.replace(col(OrderRow.number), "-", "").icontains(plain, autoescape=True))
    return or_(*found)


def to_message(row: MessageRow, order_number: str | None) -> KeptMessage:
    assert row.id is not None
    return KeptMessage(
        id=row.id,
        site_id=row.site_id,
        order_id=row.order_id,
        order_number=order_number,
        event=row.event,
        kind=Kind(row.kind),
        role=Role(row.role),
        recipient=row.recipient,
        address=row.address,
        language=row.language,
        zone=row.zone,
        text=row.text,
        detail=row.detail,
        state=MessageState(row.state),
        tries=row.tries,
        sendings=row.sendings,
        due_at=row.due_at,
        why=row.why,
        mail=_to_mail(row),
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _to_mail(row: MessageRow) -> Mail | None:
    if row.subject is None or row.plain is None or row.html is None:
        return None
    return Mail(row.subject, row.plain, row.html, row.calendar)
