"""What a site's receipts say about who sells, and about taxes."""

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"


def upgrade() -> None:
    op.add_column("site", sa.Column("receipt_seller", sa.String(length=500), nullable=False, server_default=""))
    op.add_column("site", sa.Column("receipt_tax", sa.String(length=200), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("site", "receipt_tax")
    op.drop_column("site", "receipt_seller")
