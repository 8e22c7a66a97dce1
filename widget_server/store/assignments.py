"""The only place that keeps who serves which bookings. The last wall: nobody serves two slots at once.

One that ends stays, as freed, so that Redis can be told of it however late.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, func, literal, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.claims import Assignment
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.errors import SlotFull
from widget_server.store.tables import AssignmentRow, StaffRow

STAFF = "staff/"
"""How the engine's names of staff members begin."""
_FREED_MAX = 500
_is_member = and_(
    col(StaffRow.site_id) == col(AssignmentRow.site_id),
    literal(STAFF).concat(col(StaffRow.key)) == col(AssignmentRow.claimed),
)
_NAMES = (
    select(AssignmentRow.booking_id, StaffRow.name)
    .join(StaffRow, _is_member)
    .where(col(AssignmentRow.site_id) == bindparam("site_id"), col(AssignmentRow.freed_at).is_(None))
    .where(col(AssignmentRow.booking_id).in_(bindparam("booking_ids", expanding=True)))
    .order_by(col(AssignmentRow.id))
)
_FREED = (
    select(AssignmentRow)
    .where(col(AssignmentRow.site_id) == bindparam("site_id"), col(AssignmentRow.freed_at).is_not(None))
    .where(col(AssignmentRow.slot).in_(bindparam("slots", expanding=True)))
    .order_by(col(AssignmentRow.freed_at).desc(), col(AssignmentRow.id))
    .limit(_FREED_MAX)
)


async def assign(
    session: AsyncSession,
    site_id: int,
    wanted: Sequence[Assignment],
    offered: Mapping[Slot, OfferedSlot],
    bookings: Mapping[Slot, int],
) -> None:
    """Write who serves these bookings, by slot. Staff are locked by id, after all meetings. Raises SlotFull."""
    _must_be_served(wanted, offered)
    if not wanted:
        return
    await _lock_staff(session, site_id, {one.claimed for one in wanted})
    for one in wanted:
        await _must_be_free(session, site_id, one, offered[one.slot])
        session.add(
            AssignmentRow(
                site_id=site_id,
                booking_id=bookings[one.slot],
                hold_id=one.hold_id,
                claimed=one.claimed,
                slot=one.slot.id,
                busy_from=one.busy_from,
                busy_until=one.busy_until,
                seats=one.seats,
            )
        )
        await session.flush()


async def free(session: AsyncSession, booking_ids: Iterable[int], at: datetime) -> None:
    """Whoever served these bookings does so no more. Again: nothing more happens."""
    standing = (col(AssignmentRow.booking_id).in_(tuple(booking_ids)), col(AssignmentRow.freed_at).is_(None))
    await session.exec(update(AssignmentRow).where(*standing).values(freed_at=at))


async def read_names(session: AsyncSession, site_id: int, booking_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The names of the staff who serve these bookings, by booking."""
    names: dict[int, tuple[str, ...]] = {}
    if not booking_ids:
        return names
    for booking_id, name in await session.exec(_NAMES, params={"site_id": site_id, "booking_ids": tuple(booking_ids)}):
        names[booking_id] = (*names.get(booking_id, ()), name)
    return names


async def read_freed(session: AsyncSession, site_id: int, slots: Sequence[Slot]) -> list[Assignment]:
    """Who was to serve bookings of these slots, and does no more."""
    of_slots = {"site_id": site_id, "slots": [slot.id for slot in slots]}
    return [to_assignment(row) for row in await session.exec(_FREED, params=of_slots)]


async def read_between(
    session: AsyncSession, site_id: int, since: datetime, until: datetime | None
) -> list[Assignment]:
    """All that somebody is busy with at some time after the one instant and before the other, freed ones too."""
    meanwhile = [col(AssignmentRow.site_id) == site_id, col(AssignmentRow.busy_until) > since]
    if until is not None:
        meanwhile.append(col(AssignmentRow.busy_from) < until)
    rows = select(AssignmentRow).where(*meanwhile).order_by(col(AssignmentRow.id))
    return [to_assignment(row) for row in await session.exec(rows)]


def _must_be_served(wanted: Sequence[Assignment], offered: Mapping[Slot, OfferedSlot]) -> None:
    """Seats that were held before their service needed anybody have nobody: they cannot be booked any more."""
    served = {one.slot for one in wanted}
    for slot, one in offered.items():
        if one.needs and slot not in served:
            raise SlotFull("There are not enough seats left.", slot=slot.id, left=0)


async def _lock_staff(session: AsyncSession, site_id: int, claimed: Iterable[str]) -> None:
    keys = [name.removeprefix(STAFF) for name in claimed if name.startswith(STAFF)]
    members = select(StaffRow.id).where(col(StaffRow.site_id) == site_id, col(StaffRow.key).in_(keys))
    await session.exec(members.order_by(col(StaffRow.id)).with_for_update())


async def _must_be_free(session: AsyncSession, site_id: int, one: Assignment, offered: OfferedSlot) -> None:
    of_somebody = (
        col(AssignmentRow.site_id) == site_id,
        col(AssignmentRow.claimed) == one.claimed,
        col(AssignmentRow.freed_at).is_(None),
    )
    meanwhile = (col(AssignmentRow.busy_from) < one.busy_until, col(AssignmentRow.busy_until) > one.busy_from)
    in_slot = col(AssignmentRow.slot) == one.slot.id
    served = (await session.exec(select(func.sum(AssignmentRow.seats)).where(*of_somebody, in_slot))).one() or 0
    elsewhere = select(AssignmentRow.id).where(*of_somebody, *meanwhile, ~in_slot).limit(1)
    most = min((need.seats_each for need in offered.needs if one.claimed in need.candidates), default=None)
    is_busy = (await session.exec(elsewhere)).first() is not None
    if is_busy or (most is not None and served + one.seats > most):
        raise SlotFull("There are not enough seats left.", slot=one.slot.id, left=0)


def to_assignment(row: AssignmentRow) -> Assignment:
    slot, is_freed = Slot.parse(row.slot), row.freed_at is not None
    return Assignment(row.hold_id, row.claimed, slot, row.busy_from, row.busy_until, row.seats, is_freed)
