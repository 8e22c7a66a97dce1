"""Sites, and where their widgets were seen."""

from datetime import date, datetime

from sqlalchemy import JSON, CheckConstraint, false
from sqlmodel import Field

from widget_server.store.tables.table import HASH_LENGTH, Instant, Table


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


class SightingRow(Table, table=True):
    """Where a site's widget was seen last, in a frame of a page that may have it."""

    __tablename__ = "sighting"

    id: int | None = Field(default=None, primary_key=True)
    site_id: int = Field(foreign_key="site.id", unique=True)
    origin: str = Field(max_length=300)
    seen_at: datetime = Field(sa_type=Instant)
