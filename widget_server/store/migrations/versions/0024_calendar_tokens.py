"""Addresses under which calendar programs find the bookings of whoever has made one."""

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"


def upgrade() -> None:
    op.add_column("membership", sa.Column("calendar_token", sa.String(length=22), nullable=True))


def downgrade() -> None:
    op.drop_column("membership", "calendar_token")
