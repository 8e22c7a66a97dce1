"""The only place that reads and writes blackouts."""

from typing import Any

from sqlalchemy import bindparam, delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.blackouts import Blackout
from widget_server.errors import NotFound
from widget_server.store.tables import BlackoutRow, values

_OF_SITE = (
    select(BlackoutRow)
    .where(col(BlackoutRow.site_id) == bindparam("site_id"))
    .order_by(col(BlackoutRow.first_day), col(BlackoutRow.id))
)
"""Read with every schedule, so it is made once."""


async def put_blackout(session: AsyncSession, site_id: int, blackout: Blackout) -> None:
    """A new one, or what the one of this id is from now on. Raises NotFound for an id that the site does not have."""
    row = _row_of(site_id, blackout)
    if blackout.id is None:
        session.add(row)
        return
    changed = await session.exec(update(BlackoutRow).where(*_own(site_id, blackout.id)).values(values(row)))
    if changed.rowcount == 0:
        raise NotFound("There is no such blackout.")


async def remove_blackout(session: AsyncSession, site_id: int, blackout_id: int) -> None:
    """Again: nothing more happens."""
    await session.exec(delete(BlackoutRow).where(*_own(site_id, blackout_id)))


async def read_blackouts(session: AsyncSession, site_id: int) -> tuple[Blackout, ...]:
    return tuple(_to_blackout(row) for row in await session.exec(_OF_SITE, params={"site_id": site_id}))


def _own(site_id: int, blackout_id: int) -> tuple[Any, ...]:
    return (col(BlackoutRow.site_id) == site_id, col(BlackoutRow.id) == blackout_id)


def _row_of(site_id: int, blackout: Blackout) -> BlackoutRow:
    return BlackoutRow(
        site_id=site_id,
        service=blackout.service,
        staff=blackout.staff,
        first_day=blackout.first_day,
        last_day=blackout.last_day,
        starts=blackout.starts,
        ends=blackout.ends,
        weekdays=sorted(blackout.weekdays),
        yearly=blackout.yearly,
        reason=blackout.reason,
    )


def _to_blackout(row: BlackoutRow) -> Blackout:
    return Blackout(
        first_day=row.first_day,
        last_day=row.last_day,
        service=row.service,
        staff=row.staff,
        starts=row.starts,
        ends=row.ends,
        weekdays=frozenset(row.weekdays),
        yearly=row.yearly,
        reason=row.reason,
        id=row.id,
    )
