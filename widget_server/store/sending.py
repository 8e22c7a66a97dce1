"""The only place for messages on their way out: claimed, written down, and ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.messages import KeptMessage, Mail, MessageState
from widget_server.store.database import Database, insert
from widget_server.store.messages import WHY_LENGTH_MAX, its_order, to_message
from widget_server.store.my_bookings import NewLink, put_link
from widget_server.store.tables import BookingsLinkRow, MessageRow, OrderRow, values

_PRUNED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Share:
    """Of a message to many: one of those whom it concerns, and what of it."""

    recipient: str
    address: str
    kind: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A message is written, or it turns out that nobody needs it: then it has ended, with the reason."""

    id: int
    address: str | None = None
    language: str = ""
    zone: str = ""
    mail: Mail | None = None
    ends_as: MessageState | None = None
    why: str | None = None
    is_kept: bool = True
    """Whether it stays, once it has ended. Of what somebody asked for an address without bookings nothing does."""
    link: NewLink | None = None
    """What its link opens by then."""


class Sending:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def due(self, limit: int, *, at: datetime, claim: timedelta) -> list[KeptMessage]:
        """Claim up to `limit` messages, the longest due first. Nobody else gets them until `claim` has passed."""
        if not await self._any_due(at):
            return []
        due = select(MessageRow, OrderRow.number).join(OrderRow, its_order, isouter=True)
        due = due.where(col(MessageRow.due_at) <= at).order_by(col(MessageRow.due_at), col(MessageRow.id)).limit(limit)
        async with self._db.transaction() as session:
            claimed = (await session.exec(due.with_for_update(of=MessageRow, skip_locked=True))).all()
            ids = [row.id for row, _ in claimed]
            await session.exec(update(MessageRow).where(col(MessageRow.id).in_(ids)).values(due_at=at + claim))
            return [to_message(row, number) for row, number in claimed]

    async def share_out(self, message: KeptMessage, shares: Sequence[Share], at: datetime) -> None:
        """One message to all of them becomes one each, due at once. Again: nothing more happens."""
        async with self._db.transaction() as session:
            await _share_out(session, message.id, shares, at)

    async def write(self, written: Sequence[Written], at: datetime) -> frozenset[int]:
        """What was written is what is sent from now on, whoever sends it. The answer is which of them waited for it.

        The others were dropped meanwhile, perhaps as their personal data was erased.
        """
        waited = set[int]()
        async with self._db.transaction() as session:
            for one in sorted(written, key=attrgetter("id")):  # as whoever erases locks them
                if await _write(session, one, at):
                    waited.add(one.id)
            links = [one.link for one in written if one.link is not None and one.id in waited]
            for link in sorted(links, key=attrgetter("site_id", "address_hash", "asked_at")):  # after all messages
                await put_link(session, link)
        return frozenset(waited)

    async def renew(self, id: int, link: NewLink) -> bool:
        """Have its link work for as long as it says from the moment at which its mail is handed over.

        Whether the message still waits: if not, perhaps as personal data was erased, nothing is opened or sent.
        """
        waiting = select(MessageRow.id).where(col(MessageRow.id) == id, col(MessageRow.state) == MessageState.WAITING)
        async with self._db.transaction() as session:
            if (await session.exec(waiting.with_for_update())).one_or_none() is None:
                return False
            await put_link(session, link)
            return True

    async def ended(self, id: int, state: MessageState, at: datetime, why: str | None = None) -> None:
        """Again: the same."""
        ended = {"state": state, "due_at": None, "ended_at": at, "why": why and why[:WHY_LENGTH_MAX]}
        async with self._db.transaction() as session:
            await session.exec(_still_waiting(id).values(tries=col(MessageRow.tries) + 1, **ended))

    async def failed(self, id: int, why: str, next_at: datetime) -> None:
        """Try again at `next_at`."""
        async with self._db.transaction() as session:
            again = {"why": why[:WHY_LENGTH_MAX], "due_at": next_at}
            await session.exec(_still_waiting(id).values(tries=col(MessageRow.tries) + 1, **again))

    async def prune(self, before: datetime) -> int:
        """Forget messages that ended before then, a bounded number, and return how many."""
        old = select(MessageRow.id).where(col(MessageRow.ended_at) < before).limit(_PRUNED_AT_ONCE)
        async with self._db.snapshot() as session:
            ids = (await session.exec(old)).all()
        if ids:
            async with self._db.transaction() as session:
                await session.exec(delete(MessageRow).where(col(MessageRow.id).in_(ids)))
        return len(ids)

    async def prune_links(self, at: datetime) -> int:
        """Forget links that show nothing any more by then, likewise."""
        expired = col(BookingsLinkRow.expires_at) <= at
        async with self._db.snapshot() as session:
            ids = (await session.exec(select(BookingsLinkRow.id).where(expired).limit(_PRUNED_AT_ONCE))).all()
        if ids:
            async with self._db.transaction() as session:
                await session.exec(delete(BookingsLinkRow).where(col(BookingsLinkRow.id).in_(ids), expired))
        return len(ids)

    async def _any_due(self, at: datetime) -> bool:
        """Looking first, as on SQLite a transaction keeps everybody else from writing."""
        async with self._db.snapshot() as session:
            next_at = (await session.exec(select(func.min(col(MessageRow.due_at))))).one()
        return next_at is not None and next_at <= at


async def _write(session: AsyncSession, one: Written, at: datetime) -> bool:
    """Whether it waited, and there still is something to be sent or kept."""
    if not one.is_kept:
        waiting = (col(MessageRow.id) == one.id, col(MessageRow.state) == MessageState.WAITING)
        await session.exec(delete(MessageRow).where(*waiting))
        return False
    changed = _still_waiting(one.id).values(**_values_of(one, at)).returning(col(MessageRow.id))
    return (await session.exec(changed)).scalar_one_or_none() is not None


def _still_waiting(id: int) -> Any:
    return update(MessageRow).where(col(MessageRow.id) == id, col(MessageRow.state) == MessageState.WAITING)


def _values_of(one: Written, at: datetime) -> dict[str, Any]:
    changed: dict[str, Any] = {"address": one.address, "language": one.language, "zone": one.zone}
    if one.mail is not None:
        mail = one.mail
        changed |= {"subject": mail.subject, "plain": mail.plain, "html": mail.html, "calendar": mail.calendar}
    if one.ends_as is not None:
        changed |= {"state": one.ends_as, "due_at": None, "ended_at": at, "why": one.why}
    return changed


async def _share_out(session: AsyncSession, id: int, shares: Sequence[Share], at: datetime) -> None:
    of_id = select(MessageRow).where(col(MessageRow.id) == id).with_for_update()
    row = (await session.exec(of_id)).one_or_none()
    if row is None or row.state != MessageState.WAITING:
        return  # somebody else was faster, or it was erased
    if shares:
        each = [values(row) | _values_of_share(share, at) for share in shares]
        await session.exec(insert(session, MessageRow).values(each).on_conflict_do_nothing())
    await session.exec(delete(MessageRow).where(col(MessageRow.id) == id))


def _values_of_share(share: Share, at: datetime) -> dict[str, Any]:
    return {
        "recipient": share.recipient,
        "address": share.address,
        "kind": share.kind,
        "detail": dict(share.detail),
        "due_at": at,
    }
