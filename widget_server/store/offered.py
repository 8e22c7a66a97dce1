"""The only place that reads which seats are offered to whoever has paid too late for others."""

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.alternatives import Alternative, AlternativeState
from widget_server.domain.slots import Slot
from widget_server.store.tables import AlternativeRow


async def read_alternatives(session: AsyncSession, attempt_id: int | None) -> Sequence[AlternativeRow]:
    """Of an attempt, by the id of its row: all that were ever looked for, in the order in which they are offered."""
    of_attempt = select(AlternativeRow).where(col(AlternativeRow.attempt_id) == attempt_id)
    return (await session.exec(of_attempt.order_by(col(AlternativeRow.id)))).all()


async def read_offered(session: AsyncSession, attempt_id: int | None) -> tuple[Alternative, ...]:
    """What its customer may choose from."""
    found = (to_alternative(row) for row in await read_alternatives(session, attempt_id))
    return tuple(each for each in found if each.state is AlternativeState.HELD)


def to_alternative(row: AlternativeRow) -> Alternative:
    slots = tuple(Slot.parse(slot) for slot in row.slots)
    return Alternative(row.hold_id, slots, row.is_same, AlternativeState(row.state), row.fence)
