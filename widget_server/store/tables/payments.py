"""What is paid, and what goes back."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from widget_server.store.tables.table import HASH_LENGTH, ID_LENGTH, Instant, Table


class PaymentAccountRow(Table, table=True):
    """A site's keys at Stripe, one row for real money and one for test mode. What is secret is sealed."""

    __tablename__ = "payment_account"
    __table_args__ = (
        UniqueConstraint("site_id", "is_test"),
        CheckConstraint("state IN ('unchecked', 'accepted', 'refused')", name="state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    is_test: bool
    secret_key_enc: str = Field(max_length=500)
    webhook_secret_enc: str | None = Field(default=None, max_length=500)
    sealed_by: str = Field(max_length=HASH_LENGTH)
    """The name of the seal that was used for both."""
    key_shown: str = Field(max_length=40)
    webhook_shown: str | None = Field(default=None, max_length=40)
    """Their kind and last letters, which operators may see."""
    name: str = Field(max_length=200)
    state: str = Field(max_length=16)
    checked_at: datetime | None = Field(default=None, sa_type=Instant)
    entered_at: datetime = Field(sa_type=Instant)
    webhook_entered_at: datetime | None = Field(default=None, sa_type=Instant)
    removed_at: datetime | None = Field(default=None, sa_type=Instant)
    """Once nothing that was begun with it is under way, the row goes."""
    probe_at: datetime | None = Field(default=None, sa_type=Instant)
    """When somebody asks next whether Stripe answers; None while nobody doubts that."""
    silent_since: datetime | None = Field(default=None, sa_type=Instant)
    """Since when it is known that Stripe does not answer, or wants to be asked less."""


class AttemptRow(Table, table=True):
    """One try to pay one hold. A hold has one that has not ended, at most."""

    __tablename__ = "attempt"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint(
            "state IN ('opening', 'open', 'offering', 'capturing', 'paid', 'returning', 'ended')",
            name="state",
        ),
        Index("ix_attempt_site_id_hold_id", "site_id", "hold_id"),
        Index(
            "ix_attempt_of_moves",
            "site_id",
            "order_id",
            sqlite_where=text("order_id IS NOT NULL"),
            postgresql_where=text("order_id IS NOT NULL"),
        ),
        Index("ix_attempt_site_id_ended_at", "site_id", "ended_at"),
        Index("ix_attempt_site_id_intent_id", "site_id", "intent_id"),
        Index(
            "ix_attempt_not_paid",
            "site_id",
            "id",
            sqlite_where=text("state <> 'paid'"),
            postgresql_where=text("state <> 'paid'"),
        ),
        Index(
            "ix_attempt_one_a_hold",
            "site_id",
            "hold_id",
            unique=True,
            sqlite_where=text("state <> 'ended'"),
            postgresql_where=text("state <> 'ended'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    public_id: str = Field(max_length=ID_LENGTH, unique=True)
    site_id: int = Field(foreign_key="site.id")
    hold_id: str = Field(max_length=ID_LENGTH)
    fence: int
    """Of its pin; 0 before it is pinned."""
    is_test: bool
    state: str = Field(max_length=16)
    secret_hash: str = Field(max_length=HASH_LENGTH)
    """Of the hold."""
    order_secret_hash: str = Field(max_length=HASH_LENGTH)
    digest: str = Field(max_length=64)
    """Of all that was sent: the same again goes on with this attempt. Empty once its customer was erased."""
    wanted: dict[str, Any] = Field(sa_type=JSON)
    """Customer, lines and prices: all that the order is made from once it is paid."""
    amount_minor: int
    currency: str = Field(max_length=3)
    session_id: str | None = Field(default=None, max_length=255)
    session_url: str | None = Field(default=None, max_length=2000)
    intent_id: str | None = Field(default=None, max_length=255)
    was_paid: bool
    """Something was authorised or captured, whatever became of it."""
    created_at: datetime = Field(sa_type=Instant)
    pay_until: datetime = Field(sa_type=Instant)
    went_back_at: datetime | None = Field(default=None, sa_type=Instant)
    """When its customer wanted to pay no more; they get their hold back."""
    asked_at: datetime | None = Field(default=None, sa_type=Instant)
    due_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
    """When it is seen to next, also moved on while somebody is at it; None while it rests."""
    tries: int
    """How often it was seen to since something changed."""
    why: str | None = Field(default=None, max_length=500)
    """Why it came to nothing, or what went wrong the last time."""
    ended_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
    seats_id: str | None = Field(default=None, max_length=ID_LENGTH)
    """The hold of other seats than were wanted, where those were taken in their place."""
    offered_until: datetime | None = Field(default=None, sa_type=Instant)
    """Until when other times are held for its customer."""
    chosen_id: str | None = Field(default=None, max_length=ID_LENGTH)
    """The hold of the one that they have chosen."""
    disputes: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """By Stripe's ids: how much, why, and how it stands."""
    method: dict[str, str] | None = Field(default=None, sa_type=JSON)
    """How it was paid, as far as that is kept; none where it is not known, or was erased."""
    order_id: str | None = Field(default=None, max_length=ID_LENGTH)
    """Of the order that moves, where a move is paid: then the hold is that of the move. None: the order's own."""


class AlternativeRow(Table, table=True):
    """Seats that are held for whoever has paid too late for others; each under a hold of its own."""

    __tablename__ = "alternative"
    __table_args__ = (
        UniqueConstraint("site_id", "hold_id"),
        CheckConstraint("state IN ('wanted', 'held', 'gone', 'taken')", name="state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    attempt_id: int = Field(foreign_key="attempt.id", index=True)
    hold_id: str = Field(max_length=ID_LENGTH)
    slots: list[str] = Field(sa_type=JSON)
    """One for each line of the order, in their order."""
    is_same: bool
    """The very seats that were paid for: they are taken without asking."""
    state: str = Field(max_length=16)
    fence: int
    """Of its pin; 0 before it is pinned."""


class RefundRow(Table, table=True):
    """Money that goes back; written before Stripe is asked, in the transaction of what it is for."""

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("state IN ('waiting', 'done', 'failed')", name="state"),
        UniqueConstraint("site_id", "form_key"),
        Index("ix_refund_site_id_order_id", "site_id", "order_id"),
        Index(
            "ix_refund_failed",
            "site_id",
            "id",
            sqlite_where=text("state = 'failed'"),
            postgresql_where=text("state = 'failed'"),
        ),
        Index(
            "ix_refund_no_seats",
            "attempt_id",
            unique=True,
            sqlite_where=text("reason = 'no_seats' AND state <> 'done'"),
            postgresql_where=text("reason = 'no_seats' AND state <> 'done'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    public_id: str = Field(max_length=ID_LENGTH, unique=True)
    site_id: int = Field(foreign_key="site.id")
    attempt_id: int = Field(foreign_key="attempt.id", index=True)
    order_id: str = Field(max_length=ID_LENGTH)
    amount_minor: int
    currency: str = Field(max_length=3)
    reason: str = Field(max_length=16)
    operator_id: int | None = Field(default=None, foreign_key="operator.id")
    form_key: str | None = Field(default=None, max_length=16)
    """Of the form that asked for it: the same again asks for nothing more."""
    state: str = Field(max_length=16)
    stripe_id: str | None = Field(default=None, max_length=255)
    due_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
    tries: int
    why: str | None = Field(default=None, max_length=500)
    created_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class PaymentEventRow(Table, table=True):
    """An event of Stripe's that was seen to: it may come again."""

    __tablename__ = "payment_event"
    __table_args__ = (UniqueConstraint("site_id", "event_id"),)

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    event_id: str = Field(max_length=255)
    at: datetime = Field(sa_type=Instant, index=True)
