"""The only place that keeps which members of a site have their bookings in a calendar program, and as whom."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.operators import Role
from widget_server.errors import NotFound
from widget_server.store.audit_log import put_entry
from widget_server.store.database import Database
from widget_server.store.tables import MembershipRow


@dataclass(frozen=True, slots=True)
class Subscription:
    """It says what its member may see by now: whoever has no access any more has none."""

    id: int
    token: str
    site_id: int
    is_of_owner: bool
    staff: str | None
    """Key of the staff member they are; who is no owner always is one."""


class Subscriptions:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, site_id: int, operator_id: int) -> Subscription | None:
        """Of a member. Raises NotFound for somebody who is none."""
        async with self._db.snapshot() as session:
            return _to_subscription(await _member(session, site_id, operator_id))

    async def find(self, subscription_id: int) -> Subscription | None:
        async with self._db.snapshot() as session:
            row = await session.get(MembershipRow, subscription_id)
            return _to_subscription(row) if row else None

    async def put(self, site_id: int, operator_id: int, token: str, *, at: datetime) -> None:
        """The one before works no longer. Raises NotFound, likewise."""
        async with self._db.transaction() as session:
            (await _member(session, site_id, operator_id)).calendar_token = token
            put_entry(session, Entry(site_id, operator_id, Deed.CALENDAR_ADDRESS_MADE, at))

    async def end(self, site_id: int, operator_id: int, *, at: datetime) -> None:
        """Again: nothing more happens. Raises NotFound, likewise."""
        async with self._db.transaction() as session:
            row = await _member(session, site_id, operator_id)
            if row.calendar_token is not None:
                row.calendar_token = None
                put_entry(session, Entry(site_id, operator_id, Deed.CALENDAR_ADDRESS_REMOVED, at))


async def _member(session: AsyncSession, site_id: int, operator_id: int) -> MembershipRow:
    of_both = (col(MembershipRow.site_id) == site_id, col(MembershipRow.operator_id) == operator_id)
    row = (await session.exec(select(MembershipRow).where(*of_both))).one_or_none()
    if row is None:
        raise NotFound("There is no such person at this site.")
    return row


def _to_subscription(row: MembershipRow) -> Subscription | None:
    if row.calendar_token is None:
        return None
    assert row.id is not None
    return Subscription(row.id, row.calendar_token, row.site_id, row.role == Role.OWNER, row.staff)
