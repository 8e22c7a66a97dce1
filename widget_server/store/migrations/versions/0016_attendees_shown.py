"""What customers with a booking see of who else comes."""

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"


def upgrade() -> None:
    shown = sa.Column("attendees_shown", sa.String(length=16), nullable=False, server_default="first_names")
    with op.batch_alter_table("service") as service:
        service.add_column(shown)
        service.create_check_constraint(
            op.f("ck_service_attendees_shown"), "attendees_shown IN ('first_names', 'emails', 'nobody')"
        )


def downgrade() -> None:
    with op.batch_alter_table("service") as service:
        service.drop_constraint(op.f("ck_service_attendees_shown"), type_="check")
        service.drop_column("attendees_shown")
