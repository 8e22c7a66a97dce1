"""The only place that keeps who may enter which site, and who is invited to. Secrets of invitations come as hashes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.operators import MEMBERS_MAX, SITES_MAX, Invitation, Member, Membership, Role
from widget_server.errors import IdConflict, InvalidRequest, NotFound
from widget_server.store.audit_log import put_entry
from widget_server.store.database import Database, insert
from widget_server.store.tables import InvitationRow, MembershipRow, OperatorRow, SignInRow, SiteRow, values


class Memberships:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_site(self, site_id: int) -> list[Member]:
        """By their addresses."""
        rows = (
            select(MembershipRow, OperatorRow.email)
            .join(OperatorRow, col(OperatorRow.id) == col(MembershipRow.operator_id))
            .where(col(MembershipRow.site_id) == site_id)
            .order_by(col(OperatorRow.email))
        )
        async with self._db.snapshot() as session:
            return [_to_member(row, email) for row, email in await session.exec(rows)]

    async def emails_of(self, operator_ids: Collection[int]) -> Mapping[int, str]:
        """Also of those who have no access any more."""
        of_ids = select(OperatorRow.id, OperatorRow.email).where(col(OperatorRow.id).in_(operator_ids))
        async with self._db.snapshot() as session:
            return {found: email for found, email in await session.exec(of_ids) if found is not None}

    async def change_role(
        self, site_id: int, operator_id: int, *, role: Role, staff: str | None, by: int, at: datetime
    ) -> None:
        """Nothing happens if it is so already.

        Raises NotFound where one of both is none of the site, or `by` no owner, InvalidRequest for its last owner.
        """
        async with self._db.transaction() as session:
            owners = await _lock_owners(session, site_id, by=by)
            row = await _find(session, site_id, operator_id)
            if (row.role, row.staff) == (role, staff):
                return
            if role is not Role.OWNER:
                _must_not_be_last(operator_id, owners)
            entry = Entry(site_id, by, Deed.ROLE_CHANGED, at, detail=_change(row, operator_id, role, staff))
            row.role, row.staff = role, staff
            put_entry(session, entry)

    async def remove(self, site_id: int, operator_id: int, *, by: int, at: datetime) -> None:
        """Ends their access to this site and to no other. Raises as `change_role`."""
        async with self._db.transaction() as session:
            owners = await _lock_owners(session, site_id, by=by)
            row = await _find(session, site_id, operator_id)
            _must_not_be_last(operator_id, owners)
            await session.delete(row)
            await _forget_links(session, site_id, operator_id)
            detail = {"person": operator_id, "role": row.role}
            put_entry(session, Entry(site_id, by, Deed.ACCESS_TAKEN_AWAY, at, detail=detail))

    async def invitations(self, site_id: int, at: datetime) -> list[Invitation]:
        """Those that can still be accepted, by their addresses."""
        of_site = (col(InvitationRow.site_id) == site_id, col(InvitationRow.sets_password).is_(False))
        rows = select(InvitationRow).where(*of_site, col(InvitationRow.expires_at) > at)
        rows = rows.order_by(col(InvitationRow.email))
        async with self._db.snapshot() as session:
            return [_to_invitation(row) for row in await session.exec(rows)]

    async def invite(
        self,
        site_id: int,
        email: str,
        token_hash: str,
        *,
        role: Role,
        staff: str | None,
        by: int,
        at: datetime,
        until: datetime,
    ) -> Invitation:
        """The one before it to the same address works no longer.

        Raises IdConflict for a member, InvalidRequest for too many of them, NotFound if `by` is no owner.
        """
        async with self._db.transaction() as session:
            await _lock_owners(session, site_id, by=by)
            await _clear_away(session, site_id, email, at)
            await _must_be_room(session, site_id)
            if await _is_member(session, site_id, email):
                raise IdConflict("Whoever has this address has access already.", field="email")
            row = InvitationRow(
                site_id=site_id,
                email=email,
                role=role,
                staff=staff,
                token_hash=token_hash,
                created_at=at,
                expires_at=until,
            )
            session.add(row)
            await session.flush()
            put_entry(session, Entry(site_id, by, Deed.PERSON_INVITED, at, detail=_of_role(role, staff)))
            return _to_invitation(row)

    async def offer_password(self, site_id: int, email: str, token_hash: str, *, at: datetime, until: datetime) -> bool:
        """A link that sets a new password for a member of the site. False where nobody has this address there."""
        async with self._db.transaction() as session:
            of_email = select(MembershipRow).join(OperatorRow, col(OperatorRow.id) == col(MembershipRow.operator_id))
            of_email = of_email.where(col(MembershipRow.site_id) == site_id, col(OperatorRow.email) == email)
            member = (await session.exec(of_email)).one_or_none()
            if member is None:
                return False
            await _clear_away(session, site_id, email, at)
            session.add(
                InvitationRow(
                    site_id=site_id,
                    email=email,
                    role=member.role,
                    staff=member.staff,
                    sets_password=True,
                    token_hash=token_hash,
                    created_at=at,
                    expires_at=until,
                )
            )
            return True

    async def withdraw(self, site_id: int, invitation_id: int, *, by: int, at: datetime) -> None:
        """Raises NotFound, also for one that was accepted or withdrawn before."""
        async with self._db.transaction() as session:
            await _lock_owners(session, site_id, by=by)
            of_id = (col(InvitationRow.site_id) == site_id, col(InvitationRow.id) == invitation_id)
            gone = delete(InvitationRow).where(*of_id).returning(col(InvitationRow.role), col(InvitationRow.staff))
            found = (await session.exec(gone)).one_or_none()
            if found is None:
                raise NotFound("This invitation was accepted or withdrawn already.")
            put_entry(session, Entry(site_id, by, Deed.INVITATION_WITHDRAWN, at, detail=_of_role(*found)))

    async def invitation(self, token_hash: str, at: datetime) -> tuple[Invitation, str] | None:
        """What a link invites to, while it works, and the name of the site."""
        of_token = select(InvitationRow, SiteRow.name).join(SiteRow, col(SiteRow.id) == col(InvitationRow.site_id))
        of_token = of_token.where(col(InvitationRow.token_hash) == token_hash, col(InvitationRow.expires_at) > at)
        async with self._db.snapshot() as session:
            found = (await session.exec(of_token)).one_or_none()
        return None if found is None else (_to_invitation(found[0]), found[1])

    async def accept(self, token_hash: str, *, password_hash: str | None, at: datetime) -> int | None:
        """Use up an invitation: the id of the operator, who is a member from now on. None if it works no longer.

        One that sets a password does that, and changes nobody's access.

        `password_hash` is of a new operator, or the new one of who forgot theirs. Without it, the address is known.
        Raises IdConflict, and leaves the invitation as it is, if that is not so any more; InvalidRequest.
        """
        async with self._db.transaction() as session:
            of_token = (col(InvitationRow.token_hash) == token_hash, col(InvitationRow.expires_at) > at)
            row = (await session.exec(select(InvitationRow).where(*of_token).with_for_update())).one_or_none()
            if row is None:
                return None
            await session.delete(row)
            if row.sets_password:
                return await _renewed(session, row, password_hash)
            operator_id = await _operator_for(session, row, password_hash, at)
            await _let_in(session, row, operator_id, at)
            return operator_id


async def put_owner(session: AsyncSession, site_id: int, operator_id: int, *, at: datetime) -> None:
    """Part of the transaction in which they become one. Raises InvalidRequest for who has too many sites already."""
    await _must_be_room_for(session, operator_id)
    row = MembershipRow(site_id=site_id, operator_id=operator_id, role=Role.OWNER, created_at=at)
    put = insert(session, MembershipRow).values(values(row))
    put = put.on_conflict_do_update(index_elements=["site_id", "operator_id"], set_={"role": Role.OWNER})
    await session.exec(put)


async def read_memberships(session: AsyncSession, operator_id: int) -> tuple[Membership, ...]:
    """By the names of their sites."""
    rows = (
        select(MembershipRow, SiteRow.key, SiteRow.name)
        .join(SiteRow, col(SiteRow.id) == col(MembershipRow.site_id))
        .where(col(MembershipRow.operator_id) == operator_id)
        .order_by(func.lower(col(SiteRow.name)), col(SiteRow.id))
    )
    return tuple(
        Membership(row.site_id, key, name, Role(row.role), row.staff) for row, key, name in await session.exec(rows)
    )


async def _lock_owners(session: AsyncSession, site_id: int, *, by: int) -> set[int]:
    """Who owns the site, and will until we are done. Raises NotFound if `by` does not."""
    owning = (col(MembershipRow.site_id) == site_id, col(MembershipRow.role) == Role.OWNER)
    rows = select(MembershipRow).where(*owning).order_by(col(MembershipRow.id)).with_for_update()
    owners = {row.operator_id for row in await session.exec(rows)}
    if by not in owners:
        raise NotFound("You have no site of this name.")
    return owners


def _must_not_be_last(operator_id: int, owners: set[int]) -> None:
    if owners == {operator_id}:
        raise InvalidRequest("A site needs an owner: make somebody else one first.", field="page")


async def _find(session: AsyncSession, site_id: int, operator_id: int) -> MembershipRow:
    of_both = (col(MembershipRow.site_id) == site_id, col(MembershipRow.operator_id) == operator_id)
    row = (await session.exec(select(MembershipRow).where(*of_both).with_for_update())).one_or_none()
    if row is None:
        raise NotFound("This person has no access to the site.")
    return row


async def _clear_away(session: AsyncSession, site_id: int, email: str, at: datetime) -> None:
    """Invitations that have run out, and the one that is to be another."""
    over = (col(InvitationRow.expires_at) <= at) | (col(InvitationRow.email) == email)
    await session.exec(delete(InvitationRow).where(col(InvitationRow.site_id) == site_id, over))


async def _must_be_room(session: AsyncSession, site_id: int) -> None:
    for table in (InvitationRow, MembershipRow):
        of_site: Any = select(func.count()).select_from(table).where(col(table.site_id) == site_id)
        if (await session.exec(of_site)).one() >= MEMBERS_MAX:
            raise InvalidRequest(f"A site has room for {MEMBERS_MAX} people.", field="page")


async def _must_be_room_for(session: AsyncSession, operator_id: int) -> None:
    own = select(func.count()).select_from(MembershipRow).where(col(MembershipRow.operator_id) == operator_id)
    if (await session.exec(own)).one() >= SITES_MAX:
        raise InvalidRequest(f"One address can have {SITES_MAX} sites.", field="page")


async def _is_member(session: AsyncSession, site_id: int, email: str) -> bool:
    members = select(MembershipRow.id).join(OperatorRow, col(OperatorRow.id) == col(MembershipRow.operator_id))
    of_email = members.where(col(MembershipRow.site_id) == site_id, col(OperatorRow.email) == email)
    return (await session.exec(of_email)).first() is not None


async def _forget_links(session: AsyncSession, site_id: int, operator_id: int) -> None:
    """What was made for them lets nobody in any more."""
    email = select(OperatorRow.email).where(col(OperatorRow.id) == operator_id).scalar_subquery()
    gone = (col(InvitationRow.site_id) == site_id, col(InvitationRow.email) == email)
    await session.exec(delete(InvitationRow).where(*gone))


async def _operator_for(session: AsyncSession, row: InvitationRow, password_hash: str | None, at: datetime) -> int:
    of_email = select(OperatorRow.id).where(col(OperatorRow.email) == row.email)
    known = (await session.exec(of_email)).one_or_none()
    if known is None and password_hash is not None:
        new = OperatorRow(email=row.email, password_hash=password_hash, created_at=at)
        put = insert(session, OperatorRow).values(values(new)).on_conflict_do_nothing(index_elements=["email"])
        known = (await session.exec(put.returning(col(OperatorRow.id)))).scalar_one_or_none()
    elif password_hash is not None:
        known = None
    if known is None:
        raise IdConflict("Something has changed meanwhile: open the invitation once more.", field="password")
    return known


async def _renewed(session: AsyncSession, row: InvitationRow, password_hash: str | None) -> int:
    """Also ends all sign-ins: whoever knew the old password is out."""
    assert password_hash is not None, "asked for wherever an invitation sets one"
    changed = update(OperatorRow).where(col(OperatorRow.email) == row.email).values(password_hash=password_hash)
    operator_id: int = (await session.exec(changed.returning(col(OperatorRow.id)))).scalar_one()
    await session.exec(delete(SignInRow).where(col(SignInRow.operator_id) == operator_id))
    return operator_id


async def _let_in(session: AsyncSession, row: InvitationRow, operator_id: int, at: datetime) -> None:
    """Who is a member by now keeps the role they have."""
    await _must_be_room_for(session, operator_id)
    new = MembershipRow(site_id=row.site_id, operator_id=operator_id, role=row.role, staff=row.staff, created_at=at)
    put = insert(session, MembershipRow).values(values(new))
    await session.exec(put.on_conflict_do_nothing(index_elements=["site_id", "operator_id"]))
    detail = _of_role(row.role, row.staff)
    put_entry(session, Entry(row.site_id, operator_id, Deed.INVITATION_ACCEPTED, at, detail=detail))


def _of_role(role: str, staff: str | None) -> dict[str, Any]:
    return {"role": str(role)} | ({"staff": staff} if staff else {})


def _change(row: MembershipRow, operator_id: int, role: Role, staff: str | None) -> dict[str, Any]:
    changed = {"role": [row.role, str(role)], "staff": [row.staff or "", staff or ""]}
    return {"person": operator_id} | {name: pair for name, pair in changed.items() if pair[0] != pair[1]}


def _to_member(row: MembershipRow, email: str) -> Member:
    return Member(row.operator_id, email, Role(row.role), row.staff, row.created_at)


def _to_invitation(row: InvitationRow) -> Invitation:
    assert row.id is not None
    return Invitation(row.id, row.site_id, row.email, Role(row.role), row.staff, row.sets_password, row.expires_at)
