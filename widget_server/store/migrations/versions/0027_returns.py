"""What was given back and confirmed may be followed by more: one that is under way, or refused, is the only one."""

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"

_BEFORE = sa.text("reason = 'no_seats'")
_AFTER = sa.text("reason = 'no_seats' AND state <> 'done'")


def upgrade() -> None:
    _index(_AFTER)


def downgrade() -> None:
    newest = "SELECT max(id) FROM refund WHERE reason = 'no_seats' GROUP BY attempt_id"
    op.execute(f"UPDATE refund SET reason = 'operator' WHERE reason = 'no_seats' AND id NOT IN ({newest})")  # noqa: S608
    _index(_BEFORE)


def _index(where: sa.TextClause) -> None:
    op.drop_index("ix_refund_no_seats", "refund")
    op.create_index(
        "ix_refund_no_seats", "refund", ["attempt_id"], unique=True, sqlite_where=where, postgresql_where=where
    )
