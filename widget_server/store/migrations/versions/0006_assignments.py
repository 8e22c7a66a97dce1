"""Who serves which bookings."""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    op.create_table(
        "assignment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.String(length=22), nullable=False),
        sa.Column("claimed", sa.String(length=80), nullable=False),
        sa.Column("slot", sa.String(length=100), nullable=False),
        sa.Column("busy_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("busy_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("freed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("seats > 0 AND busy_from < busy_until", name=op.f("ck_assignment_sizes")),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_assignment_booking_id_booking")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_assignment_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    op.create_index(op.f("ix_assignment_booking_id"), "assignment", ["booking_id"])
    op.create_index(op.f("ix_assignment_site_id_busy_until"), "assignment", ["site_id", "busy_until"])
    op.create_index(
        op.f("ix_assignment_site_id_claimed_busy_until"), "assignment", ["site_id", "claimed", "busy_until"]
    )
    op.create_index(op.f("ix_assignment_site_id_slot"), "assignment", ["site_id", "slot"])


def downgrade() -> None:
    op.drop_table("assignment")
