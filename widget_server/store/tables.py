"""The only place that says what the SQL tables look like. No row leaves the store: it answers in domain values."""

from datetime import UTC, date, datetime, time
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Without names of their own, constraints could not be changed on SQLite later."""

ID_LENGTH = 22
HASH_LENGTH = 32
COUPON_LENGTH = 32


class Instant(TypeDecorator[datetime]):
    """A UTC datetime. SQLite drops the zone, PostgreSQL answers in the session's; here UTC goes in and comes out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("an instant carries its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(SQLModel):
    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMES)


class SiteRow(Table, table=True):
    __tablename__ = "site"
    __table_args__ = (CheckConstraint("epoch > 0 AND schedule_version > 0", name="versions"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=200)
    zone: str = Field(max_length=64)
    currency: str = Field(max_length=3)
    locale: str = Field(max_length=35)
    accent: str = Field(max_length=32)
    theme: str = Field(max_length=16)
    holds_on: bool
    hold_minutes: int
    origins: list[str] = Field(sa_type=JSON)
    partition: str = Field(max_length=64)
    epoch: int = 1
    schedule_version: int = 1
    outcomes_since: datetime | None = Field(default=None, sa_type=Instant)
    """Pins given up before then may be forgotten, so no confirmation that began earlier is taken."""
    filled_at: datetime | None = Field(default=None, sa_type=Instant)
    """When its Redis was last filled from SQL."""
    is_test: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    setup_hash: str | None = Field(default=None, max_length=HASH_LENGTH, unique=True)
    """Of the secret in a first-run link, until somebody has become an operator with it."""
    setup_until: datetime | None = Field(default=None, sa_type=Instant)
    staff_enter_shifts: bool = False
    coupons_last_day: date | None = None
    """The last one on which any of its coupons counts."""
    receipt_seller: str = Field(default="", max_length=500, sa_column_kwargs={"server_default": ""})
    receipt_tax: str = Field(default="", max_length=200, sa_column_kwargs={"server_default": ""})
    created_at: datetime = Field(sa_type=Instant)


class OperatorRow(Table, table=True):
    __tablename__ = "operator"

    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(max_length=320, unique=True)
    """In lower case: one address signs in once, to all its sites."""
    password_hash: str = Field(max_length=200)
    created_at: datetime = Field(sa_type=Instant)


class MembershipRow(Table, table=True):
    """Which operator may enter which site, and as what. Without one they may not."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("site_id", "operator_id"),
        ForeignKeyConstraint(["site_id", "staff"], ["staff.site_id", "staff.key"]),
        CheckConstraint("role IN ('owner', 'staff') AND (role = 'owner' OR staff IS NOT NULL)", name="role"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    operator_id: int = Field(foreign_key="operator.id", index=True)
    role: str = Field(max_length=16)
    staff: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(sa_type=Instant)
    calendar_token: str | None = Field(default=None, max_length=ID_LENGTH)
    """What the secret of their calendar's address is made from, by the server's key; None: they have none."""


class InvitationRow(Table, table=True):
    """To become a member of a site, for one address; gone once it is accepted or withdrawn."""

    __tablename__ = "invitation"
    __table_args__ = (
        UniqueConstraint("site_id", "email"),
        ForeignKeyConstraint(["site_id", "staff"], ["staff.site_id", "staff.key"]),
        CheckConstraint("role IN ('owner', 'staff') AND (role = 'owner' OR staff IS NOT NULL)", name="role"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    email: str = Field(max_length=320)
    role: str = Field(max_length=16)
    staff: str | None = Field(default=None, max_length=64)
    sets_password: bool = False
    token_hash: str = Field(max_length=HASH_LENGTH, unique=True)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)


class SignInRow(Table, table=True):
    __tablename__ = "sign_in"

    id: int | None = Field(default=None, primary_key=True)
    operator_id: int = Field(foreign_key="operator.id", index=True)
    token_hash: str = Field(max_length=HASH_LENGTH, unique=True)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)


class ServiceRow(Table, table=True):
    __tablename__ = "service"
    __table_args__ = (
        UniqueConstraint("site_id", "key"),
        CheckConstraint("capacity > 0 AND length_min > 0 AND seats_per_booking_max > 0", name="sizes"),
        CheckConstraint("price_minor >= 0", name="price"),
        CheckConstraint("capacity_rule IN ('fixed', 'by_shift')", name="capacity_rule"),
        CheckConstraint("buffer_before_min >= 0 AND buffer_after_min >= 0", name="buffers"),
        CheckConstraint("notice_min >= 0 AND cancel_until_min >= 0 AND horizon_days > 0", name="deadlines"),
        CheckConstraint("remind_hours >= 0", name="remind_hours"),
        CheckConstraint("attendees_shown IN ('first_names', 'emails', 'nobody')", name="attendees_shown"),
        CheckConstraint("refund_percent BETWEEN 0 AND 100", name="refund_percent"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    key: str = Field(max_length=64)
    name: str = Field(max_length=200)
    kind: str = Field(max_length=16)
    place: str = Field(max_length=16)
    description: str = Field(max_length=4000)
    length_min: int
    capacity: int
    seats_per_booking_max: int
    price_minor: int
    """A seat's price in the site's currency."""
    access: str = Field(max_length=2000)
    capacity_rule: str = Field(max_length=16)
    buffer_before_min: int
    buffer_after_min: int
    notice_min: int
    horizon_days: int
    cancel_until_min: int
    is_offered: bool
    remind_hours: int
    attendees_shown: str = Field(max_length=16)
    attendee_emails: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    questions: list[dict[str, Any]] = Field(sa_type=JSON)
    refund_percent: int


class OpeningRow(Table, table=True):
    __tablename__ = "opening"
    __table_args__ = (
        CheckConstraint("(weekday IS NULL) <> (day IS NULL)", name="weekly_or_dated"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
    )

    id: int | None = Field(default=None, primary_key=True)
    service_id: int = Field(foreign_key="service.id", index=True)
    starts: time
    ends: time
    weekday: int | None = None
    day: date | None = None
    whole: bool


class SlotRuleRow(Table, table=True):
    __tablename__ = "slot_rule"
    __table_args__ = (
        UniqueConstraint("site_id", "slot"),
        ForeignKeyConstraint(["site_id", "service"], ["service.site_id", "service.key"]),
        CheckConstraint("capacity > 0", name="capacity"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int
    slot: str = Field(max_length=100)
    service: str = Field(max_length=64)
    ends_at: datetime = Field(sa_type=Instant)
    is_closed: bool
    capacity: int | None = None
    is_kept: bool


class StaffRow(Table, table=True):
    __tablename__ = "staff"
    __table_args__ = (UniqueConstraint("site_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    key: str = Field(max_length=64)
    name: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=320)
    is_active: bool


class StaffServiceRow(Table, table=True):
    """Which services a staff member serves."""

    __tablename__ = "staff_service"
    __table_args__ = (
        UniqueConstraint("site_id", "staff", "service"),
        ForeignKeyConstraint(["site_id", "staff"], ["staff.site_id", "staff.key"]),
        ForeignKeyConstraint(["site_id", "service"], ["service.site_id", "service.key"]),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int
    staff: str = Field(max_length=64)
    service: str = Field(max_length=64)


class ShiftRow(Table, table=True):
    __tablename__ = "shift"
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "staff"], ["staff.site_id", "staff.key"]),
        CheckConstraint("(weekday IS NULL) <> (day IS NULL)", name="weekly_or_dated"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        Index(None, "site_id", "staff"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int
    staff: str = Field(max_length=64)
    starts: time
    ends: time
    weekday: int | None = None
    day: date | None = None


class ShiftServiceRow(Table, table=True):
    """Which services are served in a shift; none of these rows: all that the member serves."""

    __tablename__ = "shift_service"
    __table_args__ = (
        UniqueConstraint("shift_id", "service"),
        ForeignKeyConstraint(["site_id", "service"], ["service.site_id", "service.key"]),
        Index(None, "site_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int
    shift_id: int = Field(foreign_key="shift.id")
    service: str = Field(max_length=64)


class DayOffRow(Table, table=True):
    __tablename__ = "day_off"
    __table_args__ = (
        UniqueConstraint("site_id", "staff", "day"),
        ForeignKeyConstraint(["site_id", "staff"], ["staff.site_id", "staff.key"]),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int
    staff: str = Field(max_length=64)
    day: date


class BlackoutRow(Table, table=True):
    __tablename__ = "blackout"
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "service"], ["service.site_id", "service.key"]),
        ForeignKeyConstraint(["site_id", "staff"], ["staff.site_id", "staff.key"]),
        CheckConstraint("service IS NULL OR staff IS NULL", name="service_or_staff"),
        CheckConstraint("(starts IS NULL) = (ends IS NULL)", name="times"),
        CheckConstraint("first_day <= last_day", name="days"),
        CheckConstraint("last_day IS NOT NULL OR NOT yearly", name="yearly"),
        Index(None, "site_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    service: str | None = Field(default=None, max_length=64)
    staff: str | None = Field(default=None, max_length=64)
    first_day: date
    last_day: date | None = None
    starts: time | None = None
    ends: time | None = None
    weekdays: list[int] = Field(sa_type=JSON)
    yearly: bool
    reason: str = Field(max_length=200)


class SightingRow(Table, table=True):
    """Where a site's widget was seen last, in a frame of a page that may have it."""

    __tablename__ = "sighting"

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id", unique=True)
    origin: str = Field(max_length=300)
    seen_at: datetime = Field(sa_type=Instant)


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
    __table_args__ = (UniqueConstraint("site_id", "hold_id"),)

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    hold_id: str = Field(max_length=ID_LENGTH)
    state: str = Field(max_length=16)
    fence: int
    digest: str | None = Field(default=None, max_length=64)
    """Of all that was sent to confirm, so that the same again gets the same answer and anything else is refused."""
    decided_at: datetime = Field(sa_type=Instant, index=True)
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


class MoveRequestRow(Table, table=True):
    """An operator has asked a booking's customer for another time: once a booking, and again in the same row."""

    __tablename__ = "move_request"

    id: int | None = Field(default=None, primary_key=True)
    booking_id: int = Field(foreign_key="booking.id", unique=True)
    operator_id: int = Field(foreign_key="operator.id")
    state: str = Field(max_length=16)
    message: str = Field(max_length=1000)
    asked_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class ClearingRow(Table, table=True):
    """Many bookings that an operator has decided to cancel or ask to move: done some at a time, until none is left."""

    __tablename__ = "clearing"

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id", index=True)
    operator_id: int = Field(foreign_key="operator.id")
    message: str = Field(max_length=1000)
    """To their customers; gone once all have been told."""
    bookings: int
    """So many there were at first."""
    created_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class ClearingBookingRow(Table, table=True):
    """A booking of a clearing that is still to be done; then the row goes."""

    __tablename__ = "clearing_booking"
    __table_args__ = (Index(None, "clearing_id", "order_id"),)

    id: int | None = Field(default=None, primary_key=True)
    clearing_id: int = Field(foreign_key="clearing.id")
    booking_id: int = Field(foreign_key="booking.id")
    order_id: str = Field(max_length=ID_LENGTH)
    slot: str = Field(max_length=100)
    """Where it was when that was decided. If its customer moves it elsewhere, nothing happens to it."""
    choice: str = Field(max_length=8)


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


class ReschedulingRow(Table, table=True):
    """A booking that moved. Its new seats were taken by a hold of their own, whose outcome has that hold's id."""

    __tablename__ = "rescheduling"
    __table_args__ = (UniqueConstraint("site_id", "hold_id", "booking_id"),)

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    hold_id: str = Field(max_length=ID_LENGTH)
    booking_id: int = Field(foreign_key="booking.id", index=True)
    from_meeting_id: int = Field(foreign_key="meeting.id")
    to_meeting_id: int = Field(foreign_key="meeting.id")
    created_at: datetime = Field(sa_type=Instant)


class AttendeeRow(Table, table=True):
    """One a seat; the name may be empty."""

    __tablename__ = "attendee"
    __table_args__ = (UniqueConstraint("booking_id", "seat"),)

    id: int | None = Field(default=None, primary_key=True)
    booking_id: int = Field(foreign_key="booking.id")
    seat: int
    name: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=320)


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
            sqlite_where=text("reason = 'no_seats'"),
            postgresql_where=text("reason = 'no_seats'"),
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


class CouponRow(Table, table=True):
    """A code that takes something off a price: a share, or an amount."""

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("site_id", "folded"),
        CheckConstraint("(percent IS NULL) <> (amount_minor IS NULL)", name="percent_or_amount"),
        CheckConstraint("percent BETWEEN 1 AND 100 AND amount_minor > 0", name="sizes"),
        CheckConstraint("uses_max > 0 AND uses_per_address_max > 0 AND used >= 0", name="uses"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    code: str = Field(max_length=COUPON_LENGTH)
    """As it is shown."""
    folded: str = Field(max_length=2 * COUPON_LENGTH)
    """As it is compared."""
    percent: int | None = None
    amount_minor: int | None = None
    currency: str = Field(max_length=3)
    """Of the amount; empty for a share."""
    first_day: date | None = None
    last_day: date | None = None
    services: list[str] = Field(sa_type=JSON)
    """Their keys; none: it counts for all."""
    uses_max: int | None = None
    uses_per_address_max: int | None = None
    is_active: bool
    used: int
    """How many of its uses there are: raised and lowered with them."""
    created_at: datetime = Field(sa_type=Instant)


class CouponUseRow(Table, table=True):
    """A hold that is paid with the help of a coupon, or became an order with it."""

    __tablename__ = "coupon_use"
    __table_args__ = (
        UniqueConstraint("site_id", "hold_id"),
        Index("ix_coupon_use_coupon_id_address_hash", "coupon_id", "address_hash"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id")
    coupon_id: int = Field(foreign_key="coupon.id")
    hold_id: str = Field(max_length=ID_LENGTH)
    address_hash: str | None = Field(default=None, max_length=HASH_LENGTH)
    """Of its customer's address, until that is erased."""
    at: datetime = Field(sa_type=Instant)


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


def values(row: Table) -> dict[str, Any]:
    """The values of a new row, without the id that the database gives."""
    return row.model_dump(exclude={"id"})
