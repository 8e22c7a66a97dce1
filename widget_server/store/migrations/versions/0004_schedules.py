"""Services with all their rules, typed slots, staff with shifts, blackouts, and where a widget was seen last."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"

_TABLES = ("sighting", "blackout", "day_off", "shift_service", "shift", "staff_service", "staff", "slot_rule")
_SERVICE_CHECKS = {
    "ck_service_capacity_rule": "capacity_rule IN ('fixed', 'by_shift')",
    "ck_service_buffers": "buffer_before_min >= 0 AND buffer_after_min >= 0",
    "ck_service_deadlines": "notice_min >= 0 AND cancel_until_min >= 0 AND horizon_days > 0",
}


def upgrade() -> None:
    with op.batch_alter_table("service") as service:
        for column in _service_columns():
            service.add_column(column)
        for name, check in _SERVICE_CHECKS.items():
            service.create_check_constraint(op.f(name), check)
    with op.batch_alter_table("opening") as opening:
        opening.add_column(sa.Column("whole", sa.Boolean(), nullable=False, server_default=sa.false()))
    _create_slot_rules()
    _create_staff()
    _create_shifts()
    _create_blackouts()
    _create_sightings()


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    with op.batch_alter_table("opening") as opening:
        opening.drop_column("whole")
    with op.batch_alter_table("service") as service:
        for name in _SERVICE_CHECKS:
            service.drop_constraint(op.f(name), type_="check")
        for column in _service_columns():
            service.drop_column(column.name)


def _service_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("capacity_rule", sa.String(length=16), nullable=False, server_default="fixed"),
        sa.Column("buffer_before_min", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("buffer_after_min", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("notice_min", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("horizon_days", sa.Integer(), nullable=False, server_default="365"),
        sa.Column("cancel_until_min", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("is_offered", sa.Boolean(), nullable=False, server_default=sa.true()),
    ]


def _create_slot_rules() -> None:
    op.create_table(
        "slot_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.String(length=100), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("is_kept", sa.Boolean(), nullable=False),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_slot_rule_capacity")),
        _of_service("slot_rule"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot_rule")),
        sa.UniqueConstraint("site_id", "slot", name=op.f("uq_slot_rule_site_id_slot")),
    )


def _create_staff() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_staff_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("site_id", "key", name=op.f("uq_staff_site_id_key")),
    )
    op.create_table(
        "staff_service",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        _of_staff("staff_service"),
        _of_service("staff_service"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_service")),
        sa.UniqueConstraint("site_id", "staff", "service", name=op.f("uq_staff_service_site_id_staff_service")),
    )


def _create_shifts() -> None:
    op.create_table(
        "shift",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.CheckConstraint("(weekday IS NULL) <> (day IS NULL)", name=op.f("ck_shift_weekly_or_dated")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_shift_weekday")),
        _of_staff("shift"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift")),
    )
    op.create_index(op.f("ix_shift_site_id_staff"), "shift", ["site_id", "staff"])
    op.create_table(
        "shift_service",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("shift_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["shift_id"], ["shift.id"], name=op.f("fk_shift_service_shift_id_shift")),
        _of_service("shift_service"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_service")),
        sa.UniqueConstraint("shift_id", "service", name=op.f("uq_shift_service_shift_id_service")),
    )
    op.create_index(op.f("ix_shift_service_site_id"), "shift_service", ["site_id"])
    op.create_table(
        "day_off",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        _of_staff("day_off"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_day_off")),
        sa.UniqueConstraint("site_id", "staff", "day", name=op.f("uq_day_off_site_id_staff_day")),
    )


def _create_blackouts() -> None:
    op.create_table(
        "blackout",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=True),
        sa.Column("staff", sa.String(length=64), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("starts", sa.Time(), nullable=True),
        sa.Column("ends", sa.Time(), nullable=True),
        sa.Column("weekdays", sa.JSON(), nullable=False),
        sa.Column("yearly", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.CheckConstraint("service IS NULL OR staff IS NULL", name=op.f("ck_blackout_service_or_staff")),
        sa.CheckConstraint("(starts IS NULL) = (ends IS NULL)", name=op.f("ck_blackout_times")),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_blackout_days")),
        sa.CheckConstraint("last_day IS NOT NULL OR NOT yearly", name=op.f("ck_blackout_yearly")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_blackout_site_id_site")),
        _of_service("blackout"),
        _of_staff("blackout"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blackout")),
    )
    op.create_index(op.f("ix_blackout_site_id"), "blackout", ["site_id"])


def _create_sightings() -> None:
    op.create_table(
        "sighting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_sighting_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
        sa.UniqueConstraint("site_id", name=op.f("uq_sighting_site_id")),
    )


def _of_service(table: str) -> sa.ForeignKeyConstraint:
    own, others = ["site_id", "service"], ["service.site_id", "service.key"]
    return sa.ForeignKeyConstraint(own, others, name=op.f(f"fk_{table}_site_id_service_service"))


def _of_staff(table: str) -> sa.ForeignKeyConstraint:
    own, others = ["site_id", "staff"], ["staff.site_id", "staff.key"]
    return sa.ForeignKeyConstraint(own, others, name=op.f(f"fk_{table}_site_id_staff_staff"))
