"""Attempts to pay what a move costs more."""

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"

_ARE_MOVES = sa.text("order_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("attempt", sa.Column("order_id", sa.String(length=22), nullable=True))
    op.create_index(
        "ix_attempt_of_moves",
        "attempt",
        ["site_id", "order_id"],
        sqlite_where=_ARE_MOVES,
        postgresql_where=_ARE_MOVES,
    )


def downgrade() -> None:
    op.drop_index("ix_attempt_of_moves", "attempt")
    op.drop_column("attempt", "order_id")
