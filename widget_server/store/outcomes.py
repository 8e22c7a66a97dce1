"""The only place that writes what became of a pinned hold: one row, and whoever writes it first has decided."""

from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.orders import Order, OutcomeState
from widget_server.store.database import insert
from widget_server.store.orders import read_order
from widget_server.store.tables import OutcomeRow, values


@dataclass(frozen=True, slots=True)
class Outcome:
    state: OutcomeState
    fence: int
    digest: str | None
    order: Order | None


class OutcomeTaken(Exception):
    """Somebody has decided already. Carry on with their outcome, not with your own."""

    def __init__(self, outcome: OutcomeState, order: Order | None, digest: str | None) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.order = order
        self.digest = digest


async def decide(
    session: AsyncSession, site_id: int, hold_id: str, state: OutcomeState, *, fence: int, digest: str
) -> None:
    """As `take_outcome`. Raises OutcomeTaken where somebody else was first."""
    if await take_outcome(session, site_id, hold_id, state, fence=fence, digest=digest):
        return
    winner = await read_outcome(session, site_id, hold_id)
    assert winner is not None
    raise OutcomeTaken(winner.state, winner.order, winner.digest)


async def take_outcome(
    session: AsyncSession, site_id: int, hold_id: str, state: OutcomeState, *, fence: int, digest: str | None = None
) -> bool:
    """Write the outcome, unless there is one. Waits for whoever is writing one just now.

    Giving up a pin decides about that pin only. If the same hold is pinned again, the higher fence is decided anew.
    """
    row = OutcomeRow(site_id=site_id, hold_id=hold_id, state=state, fence=fence, digest=digest)
    new = insert(session, OutcomeRow).values(values(row))
    taken = new.on_conflict_do_update(
        index_elements=["site_id", "hold_id"],
        set_={"state": state, "fence": fence, "digest": digest},
        where=(col(OutcomeRow.state) == OutcomeState.ABANDONED) & (col(OutcomeRow.fence) < fence),
    )
    return (await session.exec(taken.returning(col(OutcomeRow.id)))).first() is not None


async def read_outcome(session: AsyncSession, site_id: int, hold_id: str) -> Outcome | None:
    of_hold = select(OutcomeRow).where(col(OutcomeRow.site_id) == site_id, col(OutcomeRow.hold_id) == hold_id)
    row = (await session.exec(of_hold)).one_or_none()
    if row is None:
        return None
    order = await read_order(session, site_id, hold_id)
    return Outcome(OutcomeState(row.state), row.fence, row.digest, order and order[0])
