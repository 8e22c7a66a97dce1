"""Pins that were given up are found among all that became orders, however many those are."""

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"

_GIVEN_UP = sa.text("state = 'abandoned'")


def upgrade() -> None:
    op.create_index(
        "ix_outcome_given_up",
        "outcome",
        ["site_id", "decided_at"],
        sqlite_where=_GIVEN_UP,
        postgresql_where=_GIVEN_UP,
    )
    op.drop_index("ix_outcome_decided_at", "outcome")


def downgrade() -> None:
    op.create_index("ix_outcome_decided_at", "outcome", ["decided_at"])
    op.drop_index("ix_outcome_given_up", "outcome")
