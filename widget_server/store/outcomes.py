"""The only place that writes what became of a pinned hold: one row, and whoever writes it first has decided."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import SystemClock
from widget_server.domain.orders import Order, OutcomeState
from widget_server.store.database import insert, insert_by
from widget_server.store.orders import read_order
from widget_server.store.tables import OutcomeRow, SiteRow, values

GIVEN_UP_KEPT = timedelta(days=7)
"""Far longer than any hold may live. Whoever began to confirm before that is refused: see `prune_outcomes`."""
PRUNED_AT_ONCE = 1_000
_OF_HOLD = select(OutcomeRow).where(
    col(OutcomeRow.site_id) == bindparam("site_id"), col(OutcomeRow.hold_id) == bindparam("hold_id")
)

_its_table: Any = OutcomeRow.__table__  # type: ignore[attr-defined]


def _taking(new: Any) -> Any:
    decided = ("state", "fence", "digest", "decided_at")
    return new.on_conflict_do_update(
        index_elements=["site_id", "hold_id"],
        set_={name: new.excluded[name] for name in decided},
        where=(_its_table.c.state == OutcomeState.ABANDONED)
        & (_its_table.c.fence < new.excluded.fence)
        & _its_table.c.digest.is_distinct_from(bindparam("owner")),
    ).returning(_its_table.c.id)


def _abandoning(new: Any) -> Any:
    highest = case((_its_table.c.fence > new.excluded.fence, _its_table.c.fence), else_=new.excluded.fence)
    last_told = func.coalesce(new.excluded.digest, _its_table.c.digest)
    return new.on_conflict_do_update(
        index_elements=["site_id", "hold_id"],
        set_={"fence": highest, "digest": last_told, "decided_at": new.excluded.decided_at},
        where=_its_table.c.state == OutcomeState.ABANDONED,
    ).returning(_its_table.c.id)


_TAKE, _ABANDON = insert_by(OutcomeRow, _taking), insert_by(OutcomeRow, _abandoning)


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
    session: AsyncSession, site_id: int, hold_id: str, state: OutcomeState, *, fence: int, digest: str, owner: str
) -> None:
    """As `take_outcome`. Raises OutcomeTaken where somebody else was first."""
    if await take_outcome(session, site_id, hold_id, state, fence=fence, digest=digest, owner=owner):
        return
    winner = await read_outcome(session, site_id, hold_id)
    assert winner is not None
    raise OutcomeTaken(winner.state, winner.order, winner.digest)


async def take_outcome(
    session: AsyncSession, site_id: int, hold_id: str, state: OutcomeState, *, fence: int, digest: str, owner: str
) -> bool:
    """Write the outcome, unless there is one. Waits for whoever is writing one just now.

    Giving up a pin decides about that pin only. If the same hold is pinned again, the higher fence is decided anew,
    unless this very owner was told no meanwhile.
    """
    at = SystemClock().now()
    wanted = {"site_id": site_id, "hold_id": hold_id, "state": state, "fence": fence, "digest": digest}
    taken = await session.exec(_TAKE(session), params={**wanted, "decided_at": at, "owner": owner})
    return taken.first() is not None


async def abandon(session: AsyncSession, site_id: int, hold_id: str, *, fence: int, owner: str | None = None) -> bool:
    """Decide that nothing comes of pins up to this fence, nor of any try of `owner`. False if it was decided otherwise.

    The digest of such a row is the owner that was told no last; whom nobody told anything keeps what stands there.
    """
    at = SystemClock().now()
    wanted = {"site_id": site_id, "hold_id": hold_id, "state": OutcomeState.ABANDONED, "fence": fence, "digest": owner}
    abandoned = await session.exec(_ABANDON(session), params={**wanted, "decided_at": at})
    return abandoned.first() is not None


async def void_outcome(session: AsyncSession, site_id: int, hold_id: str, *, fence: int) -> None:
    """Decide that nothing ever comes of this hold, whoever pins it again: what was paid goes back.

    What became a booking of another try stays one. One that waits for its capture is undone by whoever calls this.
    """
    at = SystemClock().now()
    row = OutcomeRow(site_id=site_id, hold_id=hold_id, state=OutcomeState.VOIDING, fence=fence, decided_at=at)
    undone = (OutcomeState.ABANDONED, OutcomeState.CONFIRMING)
    await session.exec(
        insert(session, OutcomeRow)
        .values(values(row))
        .on_conflict_do_update(
            index_elements=["site_id", "hold_id"],
            set_={"state": OutcomeState.VOIDING, "decided_at": at},
            where=col(OutcomeRow.state).in_(undone),
        )
    )


async def move_outcome(
    session: AsyncSession, site_id: int, hold_id: str, *, before: OutcomeState, after: OutcomeState
) -> None:
    """On to the end of what was decided. Where another state stands, that stays."""
    of_hold = (col(OutcomeRow.site_id) == site_id, col(OutcomeRow.hold_id) == hold_id)
    await session.exec(update(OutcomeRow).where(*of_hold, col(OutcomeRow.state) == before).values(state=after))


async def read_outcome(session: AsyncSession, site_id: int, hold_id: str) -> Outcome | None:
    row = (await session.exec(_OF_HOLD, params={"site_id": site_id, "hold_id": hold_id})).one_or_none()
    if row is None:
        return None
    order = await read_order(session, site_id, hold_id)
    return Outcome(OutcomeState(row.state), row.fence, row.digest, order and order[0])


async def prune_outcomes(session: AsyncSession, site_id: int, before: datetime) -> int:
    """Forget pins of a site that were given up before then, and return how many; at most `PRUNED_AT_ONCE`.

    The site notes it in the same transaction. So nobody who began to confirm before that, and was stopped on the way,
    can still become an order because nothing says any more that the hold was given up.
    """
    given_up = (
        col(OutcomeRow.site_id) == site_id,
        col(OutcomeRow.state) == OutcomeState.ABANDONED,
        col(OutcomeRow.decided_at) < before,
    )
    oldest = select(OutcomeRow.id).where(*given_up).order_by(col(OutcomeRow.decided_at)).limit(PRUNED_AT_ONCE)
    ids = (await session.exec(oldest)).all()
    if not ids:
        return 0
    await session.exec(update(SiteRow).where(col(SiteRow.id) == site_id).values(outcomes_since=before))
    return (await session.exec(delete(OutcomeRow).where(col(OutcomeRow.id).in_(ids), *given_up))).rowcount
