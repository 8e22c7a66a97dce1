"""What was done, and what looking everything over has found."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field

from widget_server.store.tables.table import Instant, Table


class AuditRoundRow(Table, table=True):
    """The last round of a worker's audit through a partition."""

    __tablename__ = "audit_round"

    id: int | None = Field(default=None, primary_key=True)
    partition: str = Field(max_length=64, unique=True)
    began_at: datetime = Field(sa_type=Instant)
    ended_at: datetime = Field(sa_type=Instant)
    looked_at: int
    found: int
    mended: int
    mended_ever: int


class AuditEntryRow(Table, table=True):
    """What an operator did, or what was decided without one, of money: by ids and figures only, as names and addresses
    must go when their owners want it.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_site_id_id", "site_id", "id"),
        Index("ix_audit_entry_site_id_form_key", "site_id", "form_key", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    operator_id: int | None = Field(default=None, foreign_key="operator.id")
    """None: nobody has, it followed from what was paid."""
    deed: str = Field(max_length=40)
    at: datetime = Field(sa_type=Instant)
    about: str = Field(max_length=100)
    detail: dict[str, Any] = Field(sa_type=JSON)
    form_key: str | None = Field(default=None, max_length=16)
    """Of the form that added something, and of what was typed: the same again adds nothing more."""
