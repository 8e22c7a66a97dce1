"""What is booked: meetings and their outcomes, orders and all that belongs to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, false, text
from sqlmodel import Field

from widget_server.store.tables.table import COUPON_LENGTH, HASH_LENGTH, ID_LENGTH, Instant, Table


class MeetingRow(Table, table=True):
    """Never deleted, and its version never starts again: a Redis that remembers more would believe itself newer."""

    __tablename__ = "meeting"
    __table_args__ = (
        UniqueConstraint("site_id", "slot"),
        ForeignKeyConstraint(["site_id", "service"], ["service.site_id", "service.key"]),
        CheckConstraint("booked BETWEEN 0 AND capacity", name="booked"),
        Index(None, "site_id", "starts_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int
    slot: str = Field(max_length=100)
    service: str = Field(max_length=64)
    starts_at: datetime = Field(sa_type=Instant)
    capacity: int
    booked: int
    version: int


class OutcomeRow(Table, table=True):
    """What became of a pinned hold. Whoever writes it first has decided."""

    __tablename__ = "outcome"
    __table_args__ = (
        UniqueConstraint("site_id", "hold_id"),
        Index(
            "ix_outcome_given_up",
            "site_id",
            "decided_at",
            sqlite_where=text("state = 'abandoned'"),
            postgresql_where=text("state = 'abandoned'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    hold_id: str = Field(max_length=ID_LENGTH)
    state: str = Field(max_length=16)
    fence: int
    digest: str | None = Field(default=None, max_length=64)
    """Of all that was sent to confirm, so that the same again gets the same answer and anything else is refused."""
    decided_at: datetime = Field(sa_type=Instant)
    """Given up so long ago that nobody can come back to it, it is not kept any longer."""


class OrderRow(Table, table=True):
    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("site_id", "hold_id"),
        UniqueConstraint("site_id", "number"),
        CheckConstraint("total_minor >= 0", name="total"),
        Index("ix_orders_site_id_id", "site_id", "id"),
        Index("ix_orders_site_id_address_hash", "site_id", "address_hash"),
        Index("ix_orders_test", "site_id", "id", sqlite_where=text("is_test = 1"), postgresql_where=text("is_test")),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    hold_id: str = Field(max_length=ID_LENGTH)
    """The order's id for everybody else: one id is hold and order."""
    number: str = Field(max_length=16)
    secret_hash: str = Field(max_length=HASH_LENGTH)
    state: str = Field(max_length=16)
    customer_name: str = Field(max_length=200)
    customer_email: str | None = Field(default=None, max_length=320)
    customer_zone: str = Field(max_length=64)
    customer_locale: str = Field(max_length=35)
    total_minor: int
    """What was paid for it in all, or is to be: what it was sold for, and what its moves have cost since."""
    currency: str = Field(max_length=3)
    created_at: datetime = Field(sa_type=Instant)
    is_test: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """Made while the site was in test mode: nobody means it."""
    erased_at: datetime | None = Field(default=None, sa_type=Instant)
    """Since then it has no personal data any more: the name is empty, the address is gone."""
    address_hash: str | None = Field(default=None, max_length=HASH_LENGTH)
    """Of the customer's address in lower case, as long as there is one."""
    coupon: str | None = Field(default=None, max_length=COUPON_LENGTH)
    """The code that was used, as the operator had written it."""


class BookingRow(Table, table=True):
    __tablename__ = "booking"
    __table_args__ = (
        UniqueConstraint("order_id", "meeting_id"),
        CheckConstraint("seats > 0", name="seats"),
    )

    id: int | None = Field(default=None, primary_key=True)
    order_id: int = Field(foreign_key="orders.id")
    meeting_id: int = Field(foreign_key="meeting.id", index=True)
    service_name: str = Field(max_length=200)
    """As it was when booked."""
    seats: int
    unit_price_minor: int
    state: str = Field(max_length=16)
    created_at: datetime = Field(sa_type=Instant)
    cancelled_at: datetime | None = Field(default=None, sa_type=Instant)
    cancel_message: str = Field(default="", max_length=1000, sa_column_kwargs={"server_default": ""})
    """What the operator who cancelled it wrote to its customer."""
    answers: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    """Each with its question; none once they have been erased."""
    discount_minor: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """What a coupon has taken off the price of all its seats."""


class AttendeeRow(Table, table=True):
    """One a seat; the name may be empty."""

    __tablename__ = "attendee"
    __table_args__ = (UniqueConstraint("booking_id", "seat"),)

    id: int | None = Field(default=None, primary_key=True)
    booking_id: int = Field(foreign_key="booking.id")
    seat: int
    name: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=320)


class AssignmentRow(Table, table=True):
    """Who serves some seats of a booking. Freed when it is cancelled or moves; then nobody is busy with it any more."""

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint("seats > 0 AND busy_from < busy_until", name="sizes"),
        Index(None, "site_id", "claimed", "busy_until"),
        Index(None, "site_id", "slot"),
        Index(None, "site_id", "busy_until"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    booking_id: int = Field(foreign_key="booking.id", index=True)
    hold_id: str = Field(max_length=ID_LENGTH)
    """Under which it stands in Redis: the order's own, or that of its last move."""
    claimed: str = Field(max_length=80)
    """As the engine names them."""
    slot: str = Field(max_length=100)
    busy_from: datetime = Field(sa_type=Instant)
    busy_until: datetime = Field(sa_type=Instant)
    seats: int
    freed_at: datetime | None = Field(default=None, sa_type=Instant)


class BookingsLinkRow(Table, table=True):
    """The newest link to all bookings of an address, for as long as it opens them."""

    __tablename__ = "bookings_link"
    __table_args__ = (UniqueConstraint("site_id", "address_hash"),)

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    address_hash: str = Field(max_length=HASH_LENGTH)
    code_hash: str = Field(max_length=HASH_LENGTH, unique=True)
    asked_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
