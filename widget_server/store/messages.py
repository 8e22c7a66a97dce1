"""The only place that keeps messages: put in the transaction of what they tell of, claimed, sent, and looked at."""

from collections.abc import Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.messages import TEXT_LENGTH_MAX, KeptMessage, Kind, Mail, MessageState, NewMessage, Role
from widget_server.store.database import insert
from widget_server.store.tables import MessageRow, values

WHY_LENGTH_MAX = 500


async def put_message(session: AsyncSession, message: NewMessage) -> None:
    """As part of the transaction in which it happens. The same event again: nothing more."""
    await put_messages(session, [message])


async def put_messages(session: AsyncSession, messages: Sequence[NewMessage]) -> None:
    """All of them in one statement, likewise."""
    if messages:
        new = insert(session, MessageRow).values([_new_row(message) for message in messages])
        await session.exec(new.on_conflict_do_nothing())


def _new_row(message: NewMessage) -> dict[str, Any]:
    return values(
        MessageRow(
            site_id=message.site_id,
            order_id=message.order_id,
            event=message.event,
            kind=message.kind,
            role=message.role,
            recipient=message.role,
            address=message.address,
            language="",
            zone="",
            text=message.text.strip()[:TEXT_LENGTH_MAX],
            detail=dict(message.detail),
            state=MessageState.WAITING,
            tries=0,
            sendings=1,
            due_at=message.due_at or message.at,
            created_at=message.at,
        )
    )


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
