"""Who is still to be told of what, and what was written to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint
from sqlmodel import Field

from widget_server.store.tables.table import ID_LENGTH, Instant, Table


class OutboxRow(Table, table=True):
    """An event that somebody has not been told yet; once they have, the row goes."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    event: str = Field(max_length=40)
    recipient: str = Field(max_length=16)
    hold_id: str = Field(max_length=ID_LENGTH)
    fence: int | None = None
    created_at: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant, index=True)
    """Also moved on while somebody is at it, so that nobody else does the same."""
    tries: int = 0
    why: str | None = Field(default=None, max_length=500)
    """What went wrong the last time."""


class MessageRow(Table, table=True):
    """A message to a person, as it was sent or will be. One to all operators, or all staff concerned, becomes one each.

    What identifies somebody can be taken out of it: address, text and bodies.
    """

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("site_id", "event", "kind", "recipient"),
        Index("ix_message_site_id_id", "site_id", "id"),
        Index("ix_message_site_id_order_id", "site_id", "order_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    order_id: str | None = Field(default=None, max_length=ID_LENGTH)
    event: str = Field(max_length=64)
    kind: str = Field(max_length=24)
    role: str = Field(max_length=16)
    recipient: str = Field(max_length=80)
    """A role, or one of those in it: `operator/7`, `staff/mia`."""
    address: str | None = Field(default=None, max_length=320)
    language: str = Field(max_length=35)
    zone: str = Field(max_length=64)
    """Both empty until it is written."""
    text: str = Field(max_length=2000)
    detail: dict[str, Any] = Field(sa_type=JSON)
    state: str = Field(max_length=16)
    tries: int
    sendings: int
    """1, and one more each time an operator has it sent again."""
    due_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
    """Also moved on while somebody is at it; None once nothing more is to be done."""
    why: str | None = Field(default=None, max_length=500)
    """What went wrong the last time."""
    subject: str | None = Field(default=None, max_length=500)
    plain: str | None = None
    html: str | None = None
    calendar: str | None = None
    """These are None until it is written, and again once they have been erased."""
    created_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
