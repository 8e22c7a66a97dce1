"""Other times that are held for whoever has paid too late, and entries of the audit log that no operator made."""

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"

_BEFORE = "state IN ('opening', 'open', 'capturing', 'paid', 'returning', 'ended')"
_AFTER = "state IN ('opening', 'open', 'offering', 'capturing', 'paid', 'returning', 'ended')"


def upgrade() -> None:
    with op.batch_alter_table("audit_entry") as audit_entry:
        audit_entry.alter_column("operator_id", existing_type=sa.Integer(), nullable=True)
    with op.batch_alter_table("attempt") as attempt:
        attempt.add_column(sa.Column("seats_id", sa.String(length=22), nullable=True))
        attempt.add_column(sa.Column("offered_until", sa.DateTime(timezone=True), nullable=True))
        attempt.add_column(sa.Column("chosen_id", sa.String(length=22), nullable=True))
        attempt.drop_constraint(op.f("ck_attempt_state"), type_="check")
        attempt.create_check_constraint(op.f("ck_attempt_state"), _AFTER)
    op.create_index("ix_attempt_site_id_ended_at", "attempt", ["site_id", "ended_at"])
    op.create_table(
        "alternative",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.String(length=22), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("is_same", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('wanted', 'held', 'gone', 'taken')", name=op.f("ck_alternative_state")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_alternative_attempt_id_attempt")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_alternative_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alternative")),
        sa.UniqueConstraint("site_id", "hold_id", name=op.f("uq_alternative_site_id_hold_id")),
    )
    op.create_index(op.f("ix_alternative_attempt_id"), "alternative", ["attempt_id"])


def downgrade() -> None:
    op.drop_table("alternative")
    op.drop_index("ix_attempt_site_id_ended_at", "attempt")
    with op.batch_alter_table("attempt") as attempt:
        attempt.drop_constraint(op.f("ck_attempt_state"), type_="check")
        attempt.create_check_constraint(op.f("ck_attempt_state"), _BEFORE)
        attempt.drop_column("chosen_id")
        attempt.drop_column("offered_until")
        attempt.drop_column("seats_id")
    op.execute("DELETE FROM audit_entry WHERE operator_id IS NULL")
    with op.batch_alter_table("audit_entry") as audit_entry:
        audit_entry.alter_column("operator_id", existing_type=sa.Integer(), nullable=False)
