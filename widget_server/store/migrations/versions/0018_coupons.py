"""Coupons: codes that take something off a price, and what they were used for."""

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"


def upgrade() -> None:
    op.create_table(
        "coupon",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("folded", sa.String(length=64), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("amount_minor", sa.Integer(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("uses_max", sa.Integer(), nullable=True),
        sa.Column("uses_per_address_max", sa.Integer(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(percent IS NULL) <> (amount_minor IS NULL)", name="ck_coupon_percent_or_amount"),
        sa.CheckConstraint("percent BETWEEN 1 AND 100 AND amount_minor > 0", name="ck_coupon_sizes"),
        sa.CheckConstraint("uses_max > 0 AND uses_per_address_max > 0 AND used >= 0", name="ck_coupon_uses"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_coupon_site_id_site"),
        sa.PrimaryKeyConstraint("id", name="pk_coupon"),
        sa.UniqueConstraint("site_id", "folded", name="uq_coupon_site_id_folded"),
    )
    op.create_table(
        "coupon_use",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("coupon_id", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.String(length=22), nullable=False),
        sa.Column("address_hash", sa.String(length=32), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_coupon_use_site_id_site"),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name="fk_coupon_use_coupon_id_coupon"),
        sa.PrimaryKeyConstraint("id", name="pk_coupon_use"),
        sa.UniqueConstraint("site_id", "hold_id", name="uq_coupon_use_site_id_hold_id"),
    )
    op.create_index("ix_coupon_use_coupon_id_address_hash", "coupon_use", ["coupon_id", "address_hash"])
    op.add_column("site", sa.Column("coupons_last_day", sa.Date(), nullable=True))
    op.add_column("orders", sa.Column("coupon", sa.String(length=32), nullable=True))
    op.add_column("booking", sa.Column("discount_minor", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("booking", "discount_minor")
    op.drop_column("orders", "coupon")
    op.drop_column("site", "coupons_last_day")
    op.drop_table("coupon_use")
    op.drop_table("coupon")
