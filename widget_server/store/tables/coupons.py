"""Codes that take something off a price, and their uses."""

from datetime import date, datetime

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from widget_server.store.tables.table import COUPON_LENGTH, HASH_LENGTH, ID_LENGTH, Instant, Table


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
