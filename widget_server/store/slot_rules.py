"""The only place that reads and writes rules for single slots."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Integer, bindparam, case, delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.openings import SlotRule
from widget_server.domain.slots import Slot
from widget_server.store.database import Database, insert
from widget_server.store.tables import MeetingRow, SiteRow, SlotRuleRow, Table, values

_OF_SITE = select(SlotRuleRow).where(col(SlotRuleRow.site_id) == bindparam("site_id")).order_by(col(SlotRuleRow.slot))
"""Read with every schedule, so it is made once."""


class KeptSlots:
    """Slots that stay only for whoever has them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def without_bookings(self, at: datetime, *, limit: int) -> list[str]:
        """The keys of sites with such slots to come of which nothing is booked any more; seats may be held."""
        booked = (
            select(MeetingRow.id)
            .where(col(MeetingRow.site_id) == col(SlotRuleRow.site_id), col(MeetingRow.slot) == col(SlotRuleRow.slot))
            .where(col(MeetingRow.booked) > 0)
            .correlate(SlotRuleRow)
        )
        idle = (
            select(SiteRow.key)
            .join(SlotRuleRow, col(SlotRuleRow.site_id) == col(SiteRow.id))
            .where(col(SlotRuleRow.is_kept).is_(True), col(SlotRuleRow.ends_at) > at, ~booked.exists())
            .distinct()
            .limit(limit)
        )
        async with self._db.snapshot() as session:
            return list(await session.exec(idle))


async def put_slot_rules(session: AsyncSession, site_id: int, rules: Iterable[SlotRule]) -> None:
    """Each in place of the one that its slot had; one that says nothing any more goes.

    Where a rule names seats, the slot's meeting gets just as many; with more seats booked already it keeps these.
    """
    rows = []
    for rule in rules:
        if rule.is_closed or rule.is_kept or rule.capacity:
            rows.append(values(_row_of(site_id, rule)))
        else:
            await remove_slot_rule(session, site_id, rule.slot)
    if rows:
        put = insert(session, SlotRuleRow)
        put = put.on_conflict_do_update(
            index_elements=["site_id", "slot"], set_={name: put.excluded[name] for name in rows[0]}
        )
        await session.exec(put, params=rows)  # all in one go: an import has thousands
    await _resize(session, site_id, {row["slot"]: row["capacity"] for row in rows if row["capacity"] is not None})


async def remove_slot_rule(session: AsyncSession, site_id: int, slot: Slot) -> None:
    """Again: nothing more happens."""
    await session.exec(delete(SlotRuleRow).where(col(SlotRuleRow.site_id) == site_id, col(SlotRuleRow.slot) == slot.id))


async def prune_slot_rules(session: AsyncSession, site_id: int, before: datetime) -> None:
    """Forget rules of slots that have ended by then."""
    await session.exec(
        delete(SlotRuleRow).where(col(SlotRuleRow.site_id) == site_id, col(SlotRuleRow.ends_at) < before)
    )


async def read_slot_rules(session: AsyncSession, site_id: int) -> tuple[SlotRule, ...]:
    """What is said of a slot that there cannot be is passed over: a whole site must not stand still for it."""
    return tuple(
        SlotRule(slot, row.is_closed, row.capacity, row.is_kept)
        for row in await session.exec(_OF_SITE, params={"site_id": site_id})
        if (slot := _slot(row.slot)) is not None
    )


def _slot(slot_id: str) -> Slot | None:
    try:
        return Slot.parse(slot_id)
    except ValueError:
        return None


async def _resize(session: AsyncSession, site_id: int, capacities: Mapping[str, int]) -> None:
    if not capacities:
        return
    booked, capacity = col(MeetingRow.booked), bindparam("seats", type_=Integer)
    resize = (
        update(Table.metadata.tables["meeting"])  # of a row class it would take the parameters for primary keys
        .where(col(MeetingRow.site_id) == site_id, col(MeetingRow.slot) == bindparam("of_slot"))
        .values(capacity=case((booked > capacity, booked), else_=capacity))
    )
    each = [{"of_slot": slot, "seats": seats} for slot, seats in capacities.items()]
    await session.exec(resize, params=each)


def _row_of(site_id: int, rule: SlotRule) -> SlotRuleRow:
    return SlotRuleRow(
        site_id=site_id,
        slot=rule.slot.id,
        service=rule.slot.service,
        ends_at=rule.slot.ends_at,
        is_closed=rule.is_closed,
        capacity=rule.capacity,
        is_kept=rule.is_kept,
    )
