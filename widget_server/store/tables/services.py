"""What a site offers, when, and when not."""

from datetime import date, datetime, time
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, false
from sqlmodel import Field

from widget_server.store.tables.table import Instant, Table


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
