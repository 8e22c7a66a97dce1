"""The only place that keeps the keys of sites at Stripe: sealed in SQL, opened for those who are about to use them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import bindparam, delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from widget_server.domain.payment_accounts import AccountState, KeptAccount
from widget_server.domain.payments import AttemptState, PaymentAccount, RefundState
from widget_server.errors import PaymentsAway, PaymentsNotSetUp
from widget_server.sealing import Seal
from widget_server.store.database import Database, insert
from widget_server.store.silences import Silences
from widget_server.store.tables import AttemptRow, PaymentAccountRow, PaymentEventRow, RefundRow, values

# Asked with every reading of a schedule, so it is made once: making one takes longer than running it.
_USABLE = select(PaymentAccountRow.sealed_by).where(
    col(PaymentAccountRow.site_id) == bindparam("site_id"),
    col(PaymentAccountRow.is_test) == bindparam("is_test"),
    col(PaymentAccountRow.removed_at).is_(None),
    col(PaymentAccountRow.state) != AccountState.REFUSED,
)
# Likewise, with every call to Stripe.
_OF_MODE = select(PaymentAccountRow).where(
    col(PaymentAccountRow.site_id) == bindparam("site_id"), col(PaymentAccountRow.is_test) == bindparam("is_test")
)
_ENDS = (AttemptState.PAID, AttemptState.ENDED)
_IS_UNDER_WAY = col(AttemptRow.state).not_in(_ENDS)
_IS_WAITING = col(RefundRow.state) == RefundState.WAITING
_ITS_ATTEMPT = col(AttemptRow.id) == col(RefundRow.attempt_id)


class PaymentAccounts:
    def __init__(self, db: Database, seal: Seal) -> None:
        self._db = db
        self._seal = seal
        self.silences = Silences(db)

    async def find(self, site_id: int, *, is_test: bool) -> PaymentAccount:
        """The keys of one mode, also of an account that was removed while something is under way.

        Raises PaymentsNotSetUp where there are none, or none that can be read.
        """
        row = await self._row(site_id, is_test=is_test)
        return self._usable(row)

    async def find_answering(self, site_id: int, *, is_test: bool, at: datetime) -> PaymentAccount:
        """As `find`, for whoever can wait. Raises PaymentsAway, too: while Stripe is silent, one asks for all."""
        row = await self._row(site_id, is_test=is_test)
        if row is not None and row.silent_since is not None and await self.silences.are_probed(at):
            raise PaymentsAway("The payment service cannot be reached just now.")
        return self._usable(row)

    async def with_webhook(self, site_id: int) -> list[PaymentAccount]:
        """Those that an event may be signed for: real money first."""
        both = [await self.read(site_id, is_test=is_test) for is_test in (False, True)]
        return [found[1] for found in both if found and found[1] and found[1].webhook_secret]

    async def read(self, site_id: int, *, is_test: bool) -> tuple[KeptAccount, PaymentAccount | None] | None:
        """With its keys, if they can be read. None where there is no account. `webhook_secret` is empty without one."""
        row = await self._row(site_id, is_test=is_test)
        return None if row is None else (self._to_kept(row), self._keys_of(row))

    async def kept(self, site_id: int) -> Sequence[KeptAccount]:
        async with self._db.snapshot() as session:
            return [self._to_kept(row) for row in await session.exec(_rows(site_id))]

    async def doubt(self, site_id: int, *, is_test: bool) -> None:
        """Stripe has just not taken these keys: somebody is to check them."""
        async with self._db.transaction() as session:
            of_mode = (col(PaymentAccountRow.site_id) == site_id, col(PaymentAccountRow.is_test) == is_test)
            is_good = col(PaymentAccountRow.state) == AccountState.ACCEPTED
            await session.exec(update(PaymentAccountRow).where(*of_mode, is_good).values(state=AccountState.UNCHECKED))

    async def unchecked(self, limit: int) -> Sequence[tuple[int, bool]]:
        """Sites and modes whose keys nobody has checked; those that were never, or longest ago, first."""
        unchecked = (
            select(PaymentAccountRow.site_id, PaymentAccountRow.is_test)
            .where(
                col(PaymentAccountRow.state) == AccountState.UNCHECKED,
                col(PaymentAccountRow.removed_at).is_(None),
                col(PaymentAccountRow.sealed_by) == self._seal.name,
            )
            .order_by(col(PaymentAccountRow.checked_at).nulls_first(), col(PaymentAccountRow.id))
            .limit(limit)
        )
        async with self._db.snapshot() as session:
            return [(site_id, is_test) for site_id, is_test in await session.exec(unchecked)]

    async def unreadable(self) -> int:
        """How many accounts were sealed under another key than the server's own."""
        foreign = select(func.count()).where(col(PaymentAccountRow.sealed_by) != self._seal.name)
        async with self._db.snapshot() as session:
            return (await session.exec(foreign)).one()

    async def heard_at(self, site_id: int) -> datetime | None:
        """When Stripe has last told of something by itself; None also where that is long ago."""
        last = select(func.max(PaymentEventRow.at)).where(col(PaymentEventRow.site_id) == site_id)
        async with self._db.snapshot() as session:
            return (await session.exec(last)).one()

    async def under_way(self, site_id: int, *, is_test: bool) -> int:
        """How many payments and refunds of a mode are not at their end yet."""
        of_mode = (col(AttemptRow.site_id) == site_id, col(AttemptRow.is_test) == is_test)
        attempts = select(func.count()).select_from(AttemptRow).where(*of_mode, _IS_UNDER_WAY)
        refunds = (
            select(func.count()).select_from(RefundRow).join(AttemptRow, _ITS_ATTEMPT).where(*of_mode, _IS_WAITING)
        )
        async with self._db.snapshot() as session:
            return (await session.exec(attempts)).one() + (await session.exec(refunds)).one()

    async def session_under_way(self, site_id: int, *, is_test: bool) -> str | None:
        """A pay page of a mode that is not at its end yet, or whose refund Stripe has not heard of, if there is one."""
        async with self._db.snapshot() as session:
            return await _newest_session(session, site_id, is_test=is_test)

    async def forget_removed(self) -> int:
        """Accounts that were removed, once nothing needs their keys any more. Returns how many went."""
        of_account = (
            col(AttemptRow.site_id) == col(PaymentAccountRow.site_id),
            col(AttemptRow.is_test) == col(PaymentAccountRow.is_test),
        )
        paying = select(AttemptRow.id).where(*of_account, _IS_UNDER_WAY)
        refunding = select(RefundRow.id).join(AttemptRow, _ITS_ATTEMPT).where(*of_account, _IS_WAITING)
        gone = delete(PaymentAccountRow).where(
            col(PaymentAccountRow.removed_at).is_not(None), ~paying.exists(), ~refunding.exists()
        )
        async with self._db.transaction() as session:
            return (await session.exec(gone)).rowcount

    async def put(self, session: AsyncSession, site_id: int, kept: KeptAccount, keys: PaymentAccount) -> None:
        """In place of all there was of this mode."""
        webhook = keys.webhook_secret
        row = PaymentAccountRow(
            site_id=site_id,
            secret_key_enc=self._seal.close(keys.secret_key, place=_place(site_id, kept.is_test, "secret_key")),
            webhook_secret_enc=self._seal.close(webhook, place=_place(site_id, kept.is_test, "webhook_secret"))
            if webhook
            else None,
            sealed_by=self._seal.name,
            **{name: value for name, value in asdict(kept).items() if name != "is_readable"},
        )
        put = insert(session, PaymentAccountRow).values(values(row))
        await session.exec(put.on_conflict_do_update(index_elements=["site_id", "is_test"], set_=values(row)))

    async def _row(self, site_id: int, *, is_test: bool) -> PaymentAccountRow | None:
        of_mode = {"site_id": site_id, "is_test": is_test}
        async with self._db.snapshot() as session:
            return (await session.exec(_OF_MODE, params=of_mode)).one_or_none()

    def _usable(self, row: PaymentAccountRow | None) -> PaymentAccount:
        if row is None:
            raise PaymentsNotSetUp("Payments are not set up.")
        keys = self._keys_of(row)
        if keys is None:
            raise PaymentsNotSetUp("Payments have to be set up again: the server has another key by now.")
        return keys

    def _keys_of(self, row: PaymentAccountRow) -> PaymentAccount | None:
        sealed = {"secret_key": row.secret_key_enc, "webhook_secret": row.webhook_secret_enc}
        opened = {
            name: self._seal.open(value, place=_place(row.site_id, row.is_test, name)) if value else ""
            for name, value in sealed.items()
        }
        secret_key, webhook_secret = opened["secret_key"], opened["webhook_secret"]
        if secret_key is None or webhook_secret is None:
            return None
        return PaymentAccount(secret_key, webhook_secret)

    def _to_kept(self, row: PaymentAccountRow) -> KeptAccount:
        return KeptAccount(
            is_test=row.is_test,
            key_shown=row.key_shown,
            webhook_shown=row.webhook_shown,
            name=row.name,
            state=AccountState(row.state),
            checked_at=row.checked_at,
            entered_at=row.entered_at,
            webhook_entered_at=row.webhook_entered_at,
            removed_at=row.removed_at,
            is_readable=self._keys_of(row) is not None,
        )


async def read_just_begun(session: AsyncSession, site_id: int, *, is_test: bool, seen: str | None) -> bool:
    """Whether somebody has begun to pay in this mode since `session_under_way` has answered `seen`."""
    opening = select(AttemptRow.id).where(
        col(AttemptRow.site_id) == site_id,
        col(AttemptRow.is_test) == is_test,
        col(AttemptRow.state) == AttemptState.OPENING,
    )
    if (await session.exec(opening.limit(1))).first() is not None:
        return True
    return await _newest_session(session, site_id, is_test=is_test) not in (None, seen)


async def put_check(session: AsyncSession, site_id: int, checked: KeptAccount) -> None:
    """What Stripe has said of these very keys; nothing if others were entered meanwhile."""
    await session.exec(
        update(PaymentAccountRow)
        .where(
            col(PaymentAccountRow.site_id) == site_id,
            col(PaymentAccountRow.is_test) == checked.is_test,
            col(PaymentAccountRow.entered_at) == checked.entered_at,
        )
        .values(name=checked.name, state=checked.state, checked_at=checked.checked_at)
    )


async def put_removal(session: AsyncSession, site_id: int, *, is_test: bool, at: datetime) -> bool:
    """From now on nothing new is paid with this account. False where there is none, or it was removed before."""
    removed = (
        update(PaymentAccountRow)
        .where(
            col(PaymentAccountRow.site_id) == site_id,
            col(PaymentAccountRow.is_test) == is_test,
            col(PaymentAccountRow.removed_at).is_(None),
        )
        .values(removed_at=at)
    )
    return (await session.exec(removed)).rowcount > 0


async def read_takes_payments(
    session: AsyncSession, site_id: int, *, is_test: bool, sealed_by: str | None = None
) -> bool:
    """Whether there is an account for new payments of this mode; with the name of a seal, one that it has sealed."""
    found = (await session.exec(_USABLE, params={"site_id": site_id, "is_test": is_test})).first()
    return found is not None and sealed_by in (None, found)


async def _newest_session(session: AsyncSession, site_id: int, *, is_test: bool) -> str | None:
    of_mode = (col(AttemptRow.site_id) == site_id, col(AttemptRow.is_test) == is_test)
    unheard = select(RefundRow.id).where(_ITS_ATTEMPT, _IS_WAITING, col(RefundRow.stripe_id).is_(None)).exists()
    newest = select(AttemptRow.session_id).where(
        *of_mode, _IS_UNDER_WAY | unheard, col(AttemptRow.session_id).is_not(None)
    )
    return (await session.exec(newest.order_by(col(AttemptRow.id).desc()).limit(1))).one_or_none()


def _rows(site_id: int) -> SelectOfScalar[PaymentAccountRow]:
    return select(PaymentAccountRow).where(col(PaymentAccountRow.site_id) == site_id)


def _place(site_id: int, is_test: bool, field: str) -> str:
    """Where a value is sealed for: copied to another site, mode or column, it does not open."""
    return f"payment_account {site_id} {'test' if is_test else 'live'} {field}"
