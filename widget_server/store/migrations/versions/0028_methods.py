"""How something was paid: the kind of it, its brand, and four digits."""

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("method", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempt", "method")
