"""The only place that keeps operators, the links that make one, and sign-ins. All secrets come as hashes."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.operators import Operator, SignIn
from widget_server.errors import IdConflict
from widget_server.store.database import Database, insert
from widget_server.store.tables import OperatorRow, SignInRow, SiteRow, values


class Operators:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def by_email(self, email: str) -> Operator | None:
        of_email = select(OperatorRow).where(col(OperatorRow.email) == email.lower())
        async with self._db.snapshot() as session:
            row = (await session.exec(of_email)).one_or_none()
        return None if row is None else _to_operator(row)

    async def any_of(self, site_id: int) -> bool:
        """Whether the site has an operator yet."""
        of_site = select(OperatorRow.id).where(col(OperatorRow.site_id) == site_id).limit(1)
        async with self._db.snapshot() as session:
            return (await session.exec(of_site)).first() is not None

    async def offer_setup(self, site_id: int, token_hash: str, *, until: datetime) -> None:
        """A first-run link for the site; the one before it works no longer."""
        offered = update(SiteRow).where(col(SiteRow.id) == site_id).values(setup_hash=token_hash, setup_until=until)
        async with self._db.transaction() as session:
            await session.exec(offered)

    async def setup_of(self, token_hash: str, at: datetime) -> int | None:
        """The id of the site that a first-run link is for, while it works."""
        of_token = select(SiteRow.id).where(col(SiteRow.setup_hash) == token_hash, col(SiteRow.setup_until) > at)
        async with self._db.snapshot() as session:
            return (await session.exec(of_token)).one_or_none()

    async def set_up(self, token_hash: str, *, email: str, password_hash: str, at: datetime) -> Operator | None:
        """Use up a first-run link: a new operator, or a new password for one of the site. None if it works no longer.

        Raises IdConflict, and leaves the link as it is, if the address signs in to another site.
        """
        spent = (
            update(SiteRow)
            .where(col(SiteRow.setup_hash) == token_hash, col(SiteRow.setup_until) > at)
            .values(setup_hash=None, setup_until=None)
            .returning(col(SiteRow.id))
        )
        async with self._db.transaction() as session:
            site_id: int | None = (await session.exec(spent)).scalar_one_or_none()
            if site_id is None:
                return None
            return await _put(session, site_id=site_id, email=email.lower(), password_hash=password_hash, at=at)

    async def set_password(self, operator_id: int, password_hash: str) -> None:
        """Also ends all sign-ins: whoever knew the old password is out."""
        async with self._db.transaction() as session:
            changed = update(OperatorRow).where(col(OperatorRow.id) == operator_id)
            await session.exec(changed.values(password_hash=password_hash))
            await session.exec(delete(SignInRow).where(col(SignInRow.operator_id) == operator_id))

    async def sign_in(self, operator_id: int, token_hash: str, *, at: datetime, until: datetime) -> None:
        """Also clears away this operator's sign-ins that have run out."""
        async with self._db.transaction() as session:
            over = (col(SignInRow.operator_id) == operator_id, col(SignInRow.expires_at) <= at)
            await session.exec(delete(SignInRow).where(*over))
            session.add(SignInRow(operator_id=operator_id, token_hash=token_hash, created_at=at, expires_at=until))

    async def signed_in(self, token_hash: str, at: datetime) -> SignIn | None:
        """The sign-in, unless it has run out or was revoked."""
        of_token = (
            select(SignInRow, OperatorRow)
            .join(OperatorRow, col(OperatorRow.id) == col(SignInRow.operator_id))
            .where(col(SignInRow.token_hash) == token_hash, col(SignInRow.expires_at) > at)
        )
        async with self._db.snapshot() as session:
            found = (await session.exec(of_token)).one_or_none()
        if found is None:
            return None
        row, operator = found
        return SignIn(_to_operator(operator), created_at=row.created_at, expires_at=row.expires_at)

    async def prolong(self, token_hash: str, *, until: datetime) -> None:
        """Does nothing for a sign-in that was revoked meanwhile."""
        async with self._db.transaction() as session:
            prolonged = update(SignInRow).where(col(SignInRow.token_hash) == token_hash)
            await session.exec(prolonged.values(expires_at=until))

    async def sign_out(self, token_hash: str) -> None:
        """Revoke one sign-in; again: nothing more happens."""
        async with self._db.transaction() as session:
            await session.exec(delete(SignInRow).where(col(SignInRow.token_hash) == token_hash))


async def _put(session: AsyncSession, *, site_id: int, email: str, password_hash: str, at: datetime) -> Operator:
    row = OperatorRow(site_id=site_id, email=email, password_hash=password_hash, created_at=at)
    put = insert(session, OperatorRow).values(values(row))
    put = put.on_conflict_do_update(
        index_elements=["email"],
        set_={"password_hash": password_hash},
        where=col(OperatorRow.site_id) == site_id,
    )
    row.id = (await session.exec(put.returning(col(OperatorRow.id)))).scalar_one_or_none()
    if row.id is None:
        raise IdConflict("This address already signs in to another site.", field="email")
    await session.exec(delete(SignInRow).where(col(SignInRow.operator_id) == row.id))
    return _to_operator(row)


def _to_operator(row: OperatorRow) -> Operator:
    assert row.id is not None
    return Operator(id=row.id, site_id=row.site_id, email=row.email, password_hash=row.password_hash)
