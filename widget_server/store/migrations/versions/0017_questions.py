"""What services ask whoever books, and the answers of each booking."""

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"


def upgrade() -> None:
    op.add_column("service", sa.Column("questions", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("booking", sa.Column("answers", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("booking", "answers")
    op.drop_column("service", "questions")
