"""Bookings that moved, and those that an operator wants moved or cancelled."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from widget_server.store.tables.table import ID_LENGTH, Instant, Table


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
