"""The only place that reads and writes who serves when: staff members, their shifts and their days off."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import bindparam, delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.staffing import DayOff, Shift, StaffMember
from widget_server.store.database import insert
from widget_server.store.tables import DayOffRow, ShiftRow, ShiftServiceRow, StaffRow, StaffServiceRow, values

# Read with every schedule, so they are made once: making one takes longer than running it.
_SERVED = select(StaffServiceRow).where(col(StaffServiceRow.site_id) == bindparam("site_id"))
_MEMBERS = select(StaffRow).where(col(StaffRow.site_id) == bindparam("site_id")).order_by(col(StaffRow.id))
_OF_SHIFTS = select(ShiftServiceRow).where(col(ShiftServiceRow.site_id) == bindparam("site_id"))
_SHIFTS = select(ShiftRow).where(col(ShiftRow.site_id) == bindparam("site_id")).order_by(col(ShiftRow.id))
_DAYS_OFF = (
    select(DayOffRow)
    .where(col(DayOffRow.site_id) == bindparam("site_id"))
    .order_by(col(DayOffRow.day), col(DayOffRow.id))
)


async def put_member(session: AsyncSession, site_id: int, member: StaffMember) -> None:
    """A new staff member, or what one is from now on."""
    row = StaffRow(site_id=site_id, key=member.key, name=member.name, email=member.email, is_active=member.is_active)
    put = insert(session, StaffRow).values(values(row))
    await session.exec(put.on_conflict_do_update(index_elements=["site_id", "key"], set_=values(row)))
    await session.exec(
        delete(StaffServiceRow).where(col(StaffServiceRow.site_id) == site_id, col(StaffServiceRow.staff) == member.key)
    )
    served = sorted(member.services)
    session.add_all(StaffServiceRow(site_id=site_id, staff=member.key, service=service) for service in served)


async def put_shifts(session: AsyncSession, site_id: int, staff: str, shifts: Sequence[Shift]) -> None:
    """These shifts in place of all that the member had."""
    own = (col(ShiftRow.site_id) == site_id, col(ShiftRow.staff) == staff)
    before = select(ShiftRow.id).where(*own)
    await session.exec(delete(ShiftServiceRow).where(col(ShiftServiceRow.shift_id).in_(before)))
    await session.exec(delete(ShiftRow).where(*own))
    rows = [
        ShiftRow(
            site_id=site_id, staff=staff, starts=shift.starts, ends=shift.ends, weekday=shift.weekday, day=shift.day
        )
        for shift in shifts
    ]
    session.add_all(rows)
    await session.flush()
    for row, shift in zip(rows, shifts, strict=True):
        session.add_all(_services_of(row, shift))


async def put_days_off(session: AsyncSession, site_id: int, staff: str, days: Iterable[date]) -> None:
    """These days in place of all that the member had off."""
    own = (col(DayOffRow.site_id) == site_id, col(DayOffRow.staff) == staff)
    await session.exec(delete(DayOffRow).where(*own))
    session.add_all(DayOffRow(site_id=site_id, staff=staff, day=day) for day in sorted(set(days)))


async def read_staff(session: AsyncSession, site_id: int) -> dict[str, StaffMember]:
    """By key, in the order in which they came."""
    served: defaultdict[str, set[str]] = defaultdict(set)
    for row in await session.exec(_SERVED, params={"site_id": site_id}):
        served[row.staff].add(row.service)
    return {
        row.key: StaffMember(row.key, row.name, row.email, frozenset(served[row.key]), row.is_active)
        for row in await session.exec(_MEMBERS, params={"site_id": site_id})
    }


async def read_shifts(session: AsyncSession, site_id: int) -> tuple[Shift, ...]:
    services: defaultdict[int, set[str]] = defaultdict(set)
    for row in await session.exec(_OF_SHIFTS, params={"site_id": site_id}):
        services[row.shift_id].add(row.service)
    return tuple(
        Shift(row.staff, row.starts, row.ends, row.weekday, row.day, frozenset(services[row.id or 0]), row.id)
        for row in await session.exec(_SHIFTS, params={"site_id": site_id})
    )


async def read_days_off(session: AsyncSession, site_id: int) -> tuple[DayOff, ...]:
    days = await session.exec(_DAYS_OFF, params={"site_id": site_id})
    return tuple(DayOff(row.staff, row.day, row.id) for row in days)


def _services_of(row: ShiftRow, shift: Shift) -> list[ShiftServiceRow]:
    assert row.id is not None
    return [ShiftServiceRow(site_id=row.site_id, shift_id=row.id, service=key) for key in sorted(shift.services)]
