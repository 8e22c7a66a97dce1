"""Sites in test mode with the orders that are made meanwhile, and by which form an operator made something."""

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    for table in ("site", "orders"):
        op.add_column(table, sa.Column("is_test", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_orders_test",
        "orders",
        ["site_id", "id"],
        sqlite_where=sa.text("is_test = 1"),
        postgresql_where=sa.text("is_test"),
    )
    op.add_column("audit_entry", sa.Column("form_key", sa.String(length=16), nullable=True))
    op.create_index("ix_audit_entry_site_id_form_key", "audit_entry", ["site_id", "form_key"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_audit_entry_site_id_form_key", "audit_entry")
    op.drop_column("audit_entry", "form_key")
    op.drop_index("ix_orders_test", "orders")
    for table in ("orders", "site"):
        op.drop_column(table, "is_test")
