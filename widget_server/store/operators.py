"""The only place that keeps operators, the links that make one, and sign-ins. All secrets come as hashes."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.operators import Operator, SignIn
from widget_server.errors import IdConflict
from widget_server.store.database import Database, insert
from widget_server.store.memberships import put_owner, read_memberships
from widget_server.store.tables import MembershipRow, OperatorRow, SignInRow, SiteRow, values


class Operators:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def by_email(self, email: str) -> Operator | None:
        of_email = select(OperatorRow).where(col(OperatorRow.email) == email.lower())
        async with self._db.snapshot() as session:
            row = (await session.exec(of_email)).one_or_none()
        return None if row is None else _to_operator(row)

    async def any_of(self, site_id: int) -> bool:
        """Whether anybody may enter the site yet."""
        of_site = select(MembershipRow.id).where(col(MembershipRow.site_id) == site_id).limit(1)
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

    async def set_up(
        self, token_hash: str, *, email: str, password_hash: str, at: datetime, is_proven: bool = False
    ) -> Operator | None:
        """Use up a first-run link: a new owner of the site, or a new password for one. None if it works no longer.

        Who is known by the password they have, as `is_proven` says, keeps it. Raises IdConflict, and leaves the link as
        it is, for anybody else who has another site: a link of one must not open the others.
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
            new = OperatorRow(email=email.lower(), password_hash=password_hash, created_at=at)
            operator = await _put(session, new, site_id, is_proven=is_proven)
            await put_owner(session, site_id, operator.id, at=at)
            return operator

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
            memberships = await read_memberships(session, row.operator_id)
        return SignIn(_to_operator(operator), row.created_at, row.expires_at, memberships)

    async def prolong(self, token_hash: str, *, until: datetime) -> None:
        """Does nothing for a sign-in that was revoked meanwhile."""
        async with self._db.transaction() as session:
            prolonged = update(SignInRow).where(col(SignInRow.token_hash) == token_hash)
            await session.exec(prolonged.values(expires_at=until))

    async def sign_out(self, token_hash: str) -> None:
        """Revoke one sign-in; again: nothing more happens."""
        async with self._db.transaction() as session:
            await session.exec(delete(SignInRow).where(col(SignInRow.token_hash) == token_hash))


async def _put(session: AsyncSession, new: OperatorRow, site_id: int, *, is_proven: bool) -> Operator:
    of_email = select(OperatorRow).where(col(OperatorRow.email) == new.email).with_for_update()
    known = (await session.exec(of_email)).one_or_none()
    if known is None:
        put = insert(session, OperatorRow).values(values(new)).on_conflict_do_nothing(index_elements=["email"])
        new.id = (await session.exec(put.returning(col(OperatorRow.id)))).scalar_one_or_none()
        if new.id is None:
            raise IdConflict("This address has just been used. Please try again.", field="email")
        return _to_operator(new)
    if not is_proven:
        assert known.id is not None
        if any(one.site_id != site_id for one in await read_memberships(session, known.id)):
            raise IdConflict("This address signs in to another site: use the password it has there.", field="email")
        known.password_hash = new.password_hash
        await session.exec(delete(SignInRow).where(col(SignInRow.operator_id) == known.id))
    return _to_operator(known)


def _to_operator(row: OperatorRow) -> Operator:
    assert row.id is not None
    return Operator(id=row.id, email=row.email, password_hash=row.password_hash)
