"""The worker's audit, and when outcomes were decided, so that those given up long ago can go."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.create_table(
        "audit_round",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partition", sa.String(length=64), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("mended", sa.Integer(), nullable=False),
        sa.Column("mended_ever", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_round")),
        sa.UniqueConstraint("partition", name=op.f("uq_audit_round_partition")),
    )
    op.add_column("site", sa.Column("outcomes_since", sa.DateTime(timezone=True)))
    op.add_column("outcome", sa.Column("decided_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE outcome SET decided_at = CURRENT_TIMESTAMP")
    with op.batch_alter_table("outcome") as outcome:
        outcome.alter_column("decided_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        outcome.create_index(op.f("ix_outcome_decided_at"), ["decided_at"])


def downgrade() -> None:
    with op.batch_alter_table("outcome") as outcome:
        outcome.drop_index(op.f("ix_outcome_decided_at"))
        outcome.drop_column("decided_at")
    with op.batch_alter_table("site") as site:
        site.drop_column("outcomes_since")
    op.drop_table("audit_round")
