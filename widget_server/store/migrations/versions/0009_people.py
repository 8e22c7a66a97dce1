"""Operators of several sites, with roles, invitations, and whether staff enter their own shifts."""

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"

_ROLE = "role IN ('owner', 'staff') AND (role = 'owner' OR staff IS NOT NULL)"


def upgrade() -> None:
    _add_memberships()
    _add_invitations()
    op.execute(
        "INSERT INTO membership (site_id, operator_id, role, created_at)"
        " SELECT site_id, id, 'owner', created_at FROM operator"
    )
    with op.batch_alter_table("operator") as operator:
        operator.drop_index("ix_operator_site_id")
        operator.drop_constraint("fk_operator_site_id_site", type_="foreignkey")
        operator.drop_column("site_id")
    with op.batch_alter_table("site") as site:
        site.add_column(sa.Column("staff_enter_shifts", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """There is room for one site an operator then: the first, if they own it. Others are let in nowhere."""
    with op.batch_alter_table("site") as site:
        site.drop_column("staff_enter_shifts")
    with op.batch_alter_table("operator") as operator:
        operator.add_column(sa.Column("site_id", sa.Integer()))
        operator.create_foreign_key("fk_operator_site_id_site", "site", ["site_id"], ["id"])
        operator.create_index("ix_operator_site_id", ["site_id"])
    op.execute(
        "UPDATE operator SET site_id = (SELECT min(site_id) FROM membership"
        " WHERE membership.operator_id = operator.id AND membership.role = 'owner')"
    )
    op.drop_table("invitation")
    op.drop_table("membership")


def _add_memberships() -> None:
    op.create_table(
        "membership",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_ROLE, name=op.f("ck_membership_role")),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name=op.f("fk_membership_operator_id_operator")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_membership_site_id_site")),
        sa.ForeignKeyConstraint(
            ["site_id", "staff"], ["staff.site_id", "staff.key"], name=op.f("fk_membership_site_id_staff_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("site_id", "operator_id", name=op.f("uq_membership_site_id_operator_id")),
    )
    op.create_index(op.f("ix_membership_operator_id"), "membership", ["operator_id"])


def _add_invitations() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=True),
        sa.Column("sets_password", sa.Boolean(), nullable=False),
        sa.Column("token_hash", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_ROLE, name=op.f("ck_invitation_role")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_invitation_site_id_site")),
        sa.ForeignKeyConstraint(
            ["site_id", "staff"], ["staff.site_id", "staff.key"], name=op.f("fk_invitation_site_id_staff_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("site_id", "email", name=op.f("uq_invitation_site_id_email")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
