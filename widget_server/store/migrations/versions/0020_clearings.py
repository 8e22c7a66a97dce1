"""Bookings that are cancelled or asked to move some at a time, as there are many."""

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"


def upgrade() -> None:
    op.create_table(
        "clearing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=1000), nullable=False),
        sa.Column("bookings", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_clearing_site_id_site")),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name=op.f("fk_clearing_operator_id_operator")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing")),
    )
    op.create_index(op.f("ix_clearing_site_id"), "clearing", ["site_id"])
    op.create_table(
        "clearing_booking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clearing_id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(length=22), nullable=False),
        sa.Column("slot", sa.String(length=100), nullable=False),
        sa.Column("choice", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["clearing_id"], ["clearing.id"], name=op.f("fk_clearing_booking_clearing_id_clearing")
        ),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_clearing_booking_booking_id_booking")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_booking")),
    )
    op.create_index("ix_clearing_booking_clearing_id_order_id", "clearing_booking", ["clearing_id", "order_id"])


def downgrade() -> None:
    op.drop_table("clearing_booking")
    op.drop_table("clearing")
