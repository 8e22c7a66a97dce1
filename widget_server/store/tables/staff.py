"""Who serves what, and when."""

from datetime import date, time

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from widget_server.store.tables.table import Table


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
