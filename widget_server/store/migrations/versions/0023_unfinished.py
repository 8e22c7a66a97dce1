"""Indexes for the few payments and refunds that somebody should look at, among all that went well."""

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"

_NOT_PAID, _FAILED = sa.text("state <> 'paid'"), sa.text("state = 'failed'")


def upgrade() -> None:
    op.create_index(
        "ix_attempt_not_paid", "attempt", ["site_id", "id"], sqlite_where=_NOT_PAID, postgresql_where=_NOT_PAID
    )
    op.create_index("ix_refund_failed", "refund", ["site_id", "id"], sqlite_where=_FAILED, postgresql_where=_FAILED)


def downgrade() -> None:
    op.drop_index("ix_refund_failed", "refund")
    op.drop_index("ix_attempt_not_paid", "attempt")
