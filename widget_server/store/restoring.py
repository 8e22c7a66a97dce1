"""The only place that reads what a Redis which knows nothing of a site is to be told: one reading, as of one moment."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import String, case, cast, func
from sqlalchemy import select as sql_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay
from widget_server.domain.holds import Line
from widget_server.domain.orders import Claimed
from widget_server.domain.slots import Slot
from widget_server.store.attempts import WAITING
from widget_server.store.claimed import read_claimed
from widget_server.store.database import Database
from widget_server.store.tables import AttemptRow, MeetingRow, OrderRow, OutcomeRow

_DATE_LENGTH = len("20261121")


async def read_to_restore(db: Database, site_id: int, first: date) -> tuple[list[BookedDay], list[WaitingPin]]:
    """Booked seats from that day on, or from an earlier one that somebody is still paying for: they may get back only
    what is not booked there.
    """
    async with db.snapshot() as session:
        pins = await _waiting_pins(session, site_id)
        first = min([first, *(line.slot.starts_at.date() for pin in pins for line in pin.lines)])
        return await _booked_days(session, site_id, first), pins


async def _booked_days(session: AsyncSession, site_id: int, first: date) -> list[BookedDay]:
    """The database puts the days together: to make a row of each of very many meetings takes several times as long."""
    slot, before_day = col(MeetingRow.slot), func.length(col(MeetingRow.service)) + 1
    day, rest = func.substr(slot, 1, before_day + _DATE_LENGTH), func.substr(slot, before_day + _DATE_LENGTH + 2)
    seats = rest + " " + cast(col(MeetingRow.booked), String) + " " + cast(col(MeetingRow.version), String)
    since = datetime.combine(first, time(), UTC)
    to_come = (
        select(day, func.aggregate_strings(seats, " "))
        .where(col(MeetingRow.site_id) == site_id, col(MeetingRow.starts_at) >= since)
        .group_by(day)
    )
    return [BookedDay(*row) for row in await session.exec(to_come)]


async def _waiting_pins(session: AsyncSession, site_id: int) -> list[WaitingPin]:
    """The oldest attempt first. One whose fence nobody has written down yet gets one that its hold has not had: of no
    other attempt, and of nothing that was given up before it.
    """
    other = aliased(AttemptRow)
    tried = select(func.max(col(other.fence))).where(*_of_same_hold(other)).scalar_subquery()
    decided = select(OutcomeRow.fence).where(*_of_same_hold(OutcomeRow), col(OutcomeRow.fence) > tried)
    highest = func.coalesce(decided.scalar_subquery(), tried)
    fence = case((col(AttemptRow.fence) > 0, col(AttemptRow.fence)), else_=highest + 1)
    attempt = AttemptRow
    waiting = (
        sql_select(  # type: ignore[call-overload]
            *(attempt.hold_id, attempt.secret_hash, attempt.public_id, fence, attempt.pay_until),
            *(attempt.wanted, attempt.order_id),
        )
        .where(col(attempt.site_id) == site_id, col(attempt.state).in_(WAITING))
        .order_by(col(attempt.id))
    )
    found = (await session.exec(waiting)).all()
    claimed = await _claimed_by_moved(session, site_id) if any(order_id for *_, order_id in found) else {}
    return [_waiting_pin(claimed, *row) for row in found]


async def _claimed_by_moved(session: AsyncSession, site_id: int) -> Mapping[str, Sequence[Claimed]]:
    """By the orders whose moves are being paid."""
    moved = (
        select(AttemptRow.order_id)
        .where(col(AttemptRow.site_id) == site_id, col(AttemptRow.state).in_(WAITING))
        .where(col(AttemptRow.order_id).is_not(None))
    )
    return await read_claimed(session, col(OrderRow.site_id) == site_id, col(OrderRow.hold_id).in_(moved))


def _of_same_hold(other: type[AttemptRow | OutcomeRow]) -> tuple[Any, Any]:
    return col(other.site_id) == col(AttemptRow.site_id), col(other.hold_id) == col(AttemptRow.hold_id)


def _waiting_pin(
    claimed: Mapping[str, Sequence[Claimed]],
    hold_id: str,
    secret_hash: str,
    attempt_id: str,
    fence: int,
    pay_until: datetime,
    wanted: dict[str, Any],
    order_id: str | None,
) -> WaitingPin:
    leaves = set(wanted["move"]["leaves"]) if order_id else ()
    return WaitingPin(
        hold_id=hold_id,
        secret_hash=secret_hash,
        attempt_id=attempt_id,
        fence=fence,
        pay_until=pay_until,
        lines=tuple([Line(Slot.parse(line["slot"]), line["seats"]) for line in wanted["lines"]]),
        visitor=wanted["visitor"],
        network=wanted["network"],
        instead_of=tuple([one for one in claimed.get(order_id or "", ()) if one.slot.id in leaves]),
    )
