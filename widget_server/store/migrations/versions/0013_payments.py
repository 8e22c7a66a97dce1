"""Attempts to pay, refunds, events of Stripe's, and how much of what was paid a service gives back."""

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"


def upgrade() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=22), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.String(length=22), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=32), nullable=False),
        sa.Column("order_secret_hash", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("session_id", sa.String(length=255), nullable=True),
        sa.Column("session_url", sa.String(length=2000), nullable=True),
        sa.Column("intent_id", sa.String(length=255), nullable=True),
        sa.Column("was_paid", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pay_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("went_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_attempt_amount")),
        sa.CheckConstraint(
            "state IN ('opening', 'open', 'capturing', 'paid', 'returning', 'ended')", name=op.f("ck_attempt_state")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_attempt_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("public_id", name=op.f("uq_attempt_public_id")),
    )
    op.create_index("ix_attempt_site_id_hold_id", "attempt", ["site_id", "hold_id"])
    op.create_index("ix_attempt_site_id_intent_id", "attempt", ["site_id", "intent_id"])
    op.create_index(
        "ix_attempt_one_a_hold",
        "attempt",
        ["site_id", "hold_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'ended'"),
        postgresql_where=sa.text("state <> 'ended'"),
    )
    op.create_index(op.f("ix_attempt_due_at"), "attempt", ["due_at"])
    op.create_index(op.f("ix_attempt_ended_at"), "attempt", ["ended_at"])
    op.create_table(
        "refund",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=22), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(length=22), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=True),
        sa.Column("form_key", sa.String(length=16), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stripe_id", sa.String(length=255), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_amount")),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed')", name=op.f("ck_refund_state")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_refund_attempt_id_attempt")),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name=op.f("fk_refund_operator_id_operator")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_refund_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("public_id", name=op.f("uq_refund_public_id")),
        sa.UniqueConstraint("site_id", "form_key", name=op.f("uq_refund_site_id_form_key")),
    )
    op.create_index("ix_refund_site_id_order_id", "refund", ["site_id", "order_id"])
    op.create_index(op.f("ix_refund_attempt_id"), "refund", ["attempt_id"])
    op.create_index(op.f("ix_refund_due_at"), "refund", ["due_at"])
    op.create_index(
        "ix_refund_no_seats",
        "refund",
        ["attempt_id"],
        unique=True,
        sqlite_where=sa.text("reason = 'no_seats'"),
        postgresql_where=sa.text("reason = 'no_seats'"),
    )
    op.create_table(
        "payment_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_payment_event_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_event")),
        sa.UniqueConstraint("site_id", "event_id", name=op.f("uq_payment_event_site_id_event_id")),
    )
    op.create_index(op.f("ix_payment_event_at"), "payment_event", ["at"])
    with op.batch_alter_table("service") as service:
        service.add_column(sa.Column("refund_percent", sa.Integer(), nullable=False, server_default="100"))
        service.create_check_constraint(op.f("ck_service_refund_percent"), "refund_percent BETWEEN 0 AND 100")


def downgrade() -> None:
    with op.batch_alter_table("service") as service:
        service.drop_constraint(op.f("ck_service_refund_percent"), type_="check")
        service.drop_column("refund_percent")
    for table in ("payment_event", "refund", "attempt"):
        op.drop_table(table)
