"""Bookings that moved: from which meeting to which, and under which hold."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.create_table(
        "rescheduling",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.String(length=22), nullable=False),
        sa.Column("booking_id", sa.Integer(), nullable=False),
        sa.Column("from_meeting_id", sa.Integer(), nullable=False),
        sa.Column("to_meeting_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_rescheduling_site_id_site"),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name="fk_rescheduling_booking_id_booking"),
        sa.ForeignKeyConstraint(["from_meeting_id"], ["meeting.id"], name="fk_rescheduling_from_meeting_id_meeting"),
        sa.ForeignKeyConstraint(["to_meeting_id"], ["meeting.id"], name="fk_rescheduling_to_meeting_id_meeting"),
        sa.PrimaryKeyConstraint("id", name="pk_rescheduling"),
        sa.UniqueConstraint("site_id", "hold_id", "booking_id", name="uq_rescheduling_site_id_hold_id_booking_id"),
    )


def downgrade() -> None:
    op.drop_table("rescheduling")
