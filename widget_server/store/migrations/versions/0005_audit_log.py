"""What operators have done, the newest orders of a site, and when a site was last filled from SQL."""

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=False),
        sa.Column("deed", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("about", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name=op.f("fk_audit_entry_operator_id_operator")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_audit_entry_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_site_id_id", "audit_entry", ["site_id", "id"])
    op.create_index("ix_orders_site_id_id", "orders", ["site_id", "id"])
    op.add_column("site", sa.Column("filled_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    with op.batch_alter_table("site") as site:
        site.drop_column("filled_at")
    op.drop_index("ix_orders_site_id_id", "orders")
    op.drop_table("audit_entry")
