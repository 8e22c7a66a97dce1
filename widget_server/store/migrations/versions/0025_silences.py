"""For which accounts Stripe is silent: one asks whether it answers again, and all others wait for that."""

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"


def upgrade() -> None:
    op.add_column("payment_account", sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payment_account", sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("payment_account", "silent_since")
    op.drop_column("payment_account", "probe_at")
