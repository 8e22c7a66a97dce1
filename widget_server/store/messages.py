"""The only place that keeps messages: put in the transaction of what they tell of, claimed, sent, and looked at."""

from collections.abc import Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.messages import TEXT_LENGTH_MAX, MessageState, NewMessage
from widget_server.store.database import insert
from widget_server.store.tables import MessageRow, values


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
