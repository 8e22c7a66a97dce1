"""Moves of a booking, and messages that ended long ago, are found by an index."""

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"


def upgrade() -> None:
    op.create_index("ix_rescheduling_booking_id", "rescheduling", ["booking_id"])
    op.create_index("ix_message_ended_at", "message", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_message_ended_at", "message")
    op.drop_index("ix_rescheduling_booking_id", "rescheduling")
