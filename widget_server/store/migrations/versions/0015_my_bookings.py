"""Orders are found by their customer's address, and a link opens all of one."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"

_AT_ONCE = 1_000
_orders = sa.table(
    "orders",
    sa.column("id", sa.Integer()),
    sa.column("customer_email", sa.String()),
    sa.column("address_hash", sa.String()),
)


def upgrade() -> None:
    op.add_column("orders", sa.Column("address_hash", sa.String(length=32), nullable=True))
    _hash_addresses()
    op.create_index("ix_orders_site_id_address_hash", "orders", ["site_id", "address_hash"])
    op.create_table(
        "bookings_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.String(length=32), nullable=False),
        sa.Column("code_hash", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_bookings_link_site_id_site"),
        sa.PrimaryKeyConstraint("id", name="pk_bookings_link"),
        sa.UniqueConstraint("site_id", "address_hash", name="uq_bookings_link_site_id_address_hash"),
        sa.UniqueConstraint("code_hash", name="uq_bookings_link_code_hash"),
    )


def _hash_addresses() -> None:
    """Not in SQL, as SQLite knows no hashes; and not all at once, as there may be very many."""
    last, connection = 0, op.get_bind()
    while True:
        known = (_orders.c.id > last, _orders.c.customer_email.is_not(None))
        some = sa.select(_orders.c.id, _orders.c.customer_email).where(*known).order_by(_orders.c.id).limit(_AT_ONCE)
        found = connection.execute(some).all()
        if not found:
            return
        hashed = sa.update(_orders).where(_orders.c.id == sa.bindparam("of")).values(address_hash=sa.bindparam("hash"))
        connection.execute(hashed, [{"of": order_id, "hash": _hash(address)} for order_id, address in found])
        last = found[-1][0]


def _hash(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()[:32]


def downgrade() -> None:
    op.drop_table("bookings_link")
    op.drop_index("ix_orders_site_id_address_hash", "orders")
    op.drop_column("orders", "address_hash")
