"""Messages to people, and how long before its start a service reminds them."""

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(length=22), nullable=True),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("recipient", sa.String(length=80), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sendings", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.String(length=500), nullable=True),
        sa.Column("subject", sa.String(length=500), nullable=True),
        sa.Column("plain", sa.String(), nullable=True),
        sa.Column("html", sa.String(), nullable=True),
        sa.Column("calendar", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_message_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint(
            "site_id", "event", "kind", "recipient", name=op.f("uq_message_site_id_event_kind_recipient")
        ),
    )
    op.create_index(op.f("ix_message_due_at"), "message", ["due_at"])
    op.create_index("ix_message_site_id_id", "message", ["site_id", "id"])
    op.create_index("ix_message_site_id_order_id", "message", ["site_id", "order_id"])
    with op.batch_alter_table("service") as service:
        service.add_column(sa.Column("remind_hours", sa.Integer(), nullable=False, server_default="0"))
        service.create_check_constraint(op.f("ck_service_remind_hours"), "remind_hours >= 0")


def downgrade() -> None:
    with op.batch_alter_table("service") as service:
        service.drop_constraint(op.f("ck_service_remind_hours"), type_="check")
        service.drop_column("remind_hours")
    op.drop_table("message")
