"""Who may sign in, to which sites, and as what."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field

from widget_server.store.tables.table import HASH_LENGTH, ID_LENGTH, Instant, Table


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
