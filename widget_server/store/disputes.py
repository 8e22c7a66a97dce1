"""The only place that keeps what becomes of disputed payments: with their attempt, those told, and the audit log."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import NOBODY, Deed, Entry, kept_money
from widget_server.domain.messages import Kind, NewMessage, Role
from widget_server.domain.money import Money
from widget_server.domain.payments import Dispute, DisputeState
from widget_server.store.audit_log import put_entry
from widget_server.store.messages import put_message
from widget_server.store.tables import AttemptRow

DISPUTES_MAX = 10
"""Of one payment: as a rule, there is one at most."""
_EVENT_LENGTH_MAX = 64
_TOLD = {
    DisputeState.OPEN: (Deed.PAYMENT_DISPUTED, Kind.DISPUTED),
    DisputeState.WON: (Deed.DISPUTE_WON, Kind.DISPUTE_WON),
    DisputeState.LOST: (Deed.DISPUTE_LOST, Kind.DISPUTE_LOST),
}


async def write_dispute(session: AsyncSession, row: AttemptRow, dispute: Dispute, at: datetime) -> None:
    """Its attempt is locked. What is decided stays so, also where it was told of the beginning last."""
    known = dict(row.disputes or {})
    before = known.get(dispute.id)
    if before is None and len(known) >= DISPUTES_MAX:
        return
    if before is not None and (before["state"] != DisputeState.OPEN or dispute.state is DisputeState.OPEN):
        return
    amount = kept_money(dispute.amount)
    row.disputes = {**known, dispute.id: {"state": dispute.state, "reason": dispute.reason, **amount}}
    deed, kind = _TOLD[dispute.state]
    number, order_id = {"number": row.wanted["number"]}, row.order_id or row.hold_id
    put_entry(session, Entry(row.site_id, NOBODY, deed, at, order_id, number).with_money("amount", dispute.amount))
    event, back = f"dispute/{dispute.state}/{dispute.id}"[:_EVENT_LENGTH_MAX], {"back": amount}
    told = NewMessage(row.site_id, kind, Role.OPERATOR, event, at, order_id=order_id, detail=back)
    await put_message(session, told)


def disputes_of(row: AttemptRow) -> tuple[Dispute, ...]:
    return tuple(
        Dispute(dispute_id, Money(one["amount"], one["currency"]), DisputeState(one["state"]), one["reason"])
        for dispute_id, one in (row.disputes or {}).items()
    )
