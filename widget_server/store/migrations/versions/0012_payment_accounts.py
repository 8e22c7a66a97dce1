"""Accounts at Stripe: the keys that operators enter for their sites, sealed."""

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"


def upgrade() -> None:
    op.create_table(
        "payment_account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("secret_key_enc", sa.String(length=500), nullable=False),
        sa.Column("webhook_secret_enc", sa.String(length=500), nullable=True),
        sa.Column("sealed_by", sa.String(length=32), nullable=False),
        sa.Column("key_shown", sa.String(length=40), nullable=False),
        sa.Column("webhook_shown", sa.String(length=40), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("webhook_entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('unchecked', 'accepted', 'refused')", name=op.f("ck_payment_account_state")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_payment_account_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_account")),
        sa.UniqueConstraint("site_id", "is_test", name=op.f("uq_payment_account_site_id_is_test")),
    )


def downgrade() -> None:
    op.drop_table("payment_account")
