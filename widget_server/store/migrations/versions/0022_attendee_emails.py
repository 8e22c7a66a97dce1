"""Services that ask for the addresses of those who come, and the addresses."""

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"


def upgrade() -> None:
    op.add_column("service", sa.Column("attendee_emails", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("attendee", sa.Column("email", sa.String(length=320), nullable=True))


def downgrade() -> None:
    op.drop_column("attendee", "email")
    op.drop_column("service", "attendee_emails")
