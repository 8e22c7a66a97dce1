"""Payments that somebody has disputed with their bank."""

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("disputes", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempt", "disputes")
