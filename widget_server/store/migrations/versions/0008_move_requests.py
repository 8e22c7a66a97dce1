"""Customers who are asked for another time, and what is written to those whose bookings are cancelled."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    op.create_table(
        "move_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Integer(), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=1000), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_move_request_booking_id_booking")),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name=op.f("fk_move_request_operator_id_operator")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_move_request")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_move_request_booking_id")),
    )
    message = sa.Column("cancel_message", sa.String(length=1000), server_default="", nullable=False)
    op.add_column("booking", message)


def downgrade() -> None:
    op.drop_column("booking", "cancel_message")
    op.drop_table("move_request")
