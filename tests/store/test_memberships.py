"""Who may enter a site: invitations work once, roles change, and the last owner stays, whoever acts at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.store.studio import NOW, found
from widget_server.domain.audit_log import Deed
from widget_server.domain.operators import Role
from widget_server.domain.sites import Site
from widget_server.domain.staffing import StaffMember
from widget_server.errors import IdConflict, InvalidRequest, NotFound
from widget_server.ids import hash_secret, new_id
from widget_server.store import memberships as module
from widget_server.store.audit_log import AuditLog
from widget_server.store.database import Database
from widget_server.store.memberships import Memberships
from widget_server.store.operators import Operators
from widget_server.store.staff import put_member
from widget_server.store.tables import MembershipRow

pytestmark = pytest.mark.anyio

LINK, COOKIE = hash_secret("link"), hash_secret("cookie")
WEEK = timedelta(days=7)
BEN = "ben@example.org"
HASH = "argon"


async def owner_of(db: Database, site: Site, email: str = "anna@example.org") -> int:
    token = hash_secret(new_id())
    await Operators(db).offer_setup(site.id, token, until=NOW + WEEK)
    operator = await Operators(db).set_up(token, email=email, password_hash="argon", at=NOW)
    assert operator is not None
    return operator.id


@pytest.fixture
async def anna(db: Database, site: Site) -> int:
    async with db.transaction() as session:
        await put_member(session, site.id, StaffMember("mia", "Mia"))
    return await owner_of(db, site)


async def invite(db: Database, site: Site, by: int, email: str = BEN, role: Role = Role.STAFF) -> int:
    invitation = await Memberships(db).invite(
        site.id, email, LINK, role=role, staff="mia" if role is Role.STAFF else None, by=by, at=NOW, until=NOW + WEEK
    )
    return invitation.id


async def accept(db: Database, *, password_hash: str | None = HASH) -> int | None:
    return await Memberships(db).accept(LINK, password_hash=password_hash, at=NOW)


async def owners(db: Database, site: Site) -> list[int]:
    async with db.snapshot() as session:
        of_site = (col(MembershipRow.site_id) == site.id, col(MembershipRow.role) == Role.OWNER)
        return list(await session.exec(select(MembershipRow.operator_id).where(*of_site)))


async def deeds(db: Database, site: Site) -> list[str]:
    return [entry.deed for entry in reversed(list(await AuditLog(db).entries(site.id, limit=100)))]


async def test_who_accepts_an_invitation_is_a_member_and_it_works_once(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)
    assert [one.email for one in await Memberships(db).invitations(site.id, NOW)] == [BEN]

    ben = await accept(db)
    assert await accept(db) is None

    assert ben is not None
    members = {one.operator_id: (one.email, one.role, one.staff) for one in await Memberships(db).of_site(site.id)}
    assert members == {anna: ("anna@example.org", Role.OWNER, None), ben: (BEN, Role.STAFF, "mia")}
    assert await Memberships(db).invitations(site.id, NOW) == []
    assert await deeds(db, site) == [Deed.PERSON_INVITED, Deed.INVITATION_ACCEPTED]


async def test_of_two_who_accept_at_once_one_does(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)

    accepted = await asyncio.gather(accept(db), accept(db))

    assert sum(one is not None for one in accepted) == 1


async def test_an_invitation_ends_when_its_time_has_come(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)

    assert await Memberships(db).invitation(LINK, NOW + WEEK) is None
    assert await Memberships(db).accept(LINK, password_hash="argon", at=NOW + WEEK) is None
    assert await Memberships(db).invitations(site.id, NOW + WEEK) == []


async def test_a_new_invitation_ends_the_one_before(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)
    new = hash_secret("new link")
    await Memberships(db).invite(site.id, BEN, new, role=Role.OWNER, staff=None, by=anna, at=NOW, until=NOW + WEEK)

    assert await accept(db) is None
    assert await Memberships(db).accept(new, password_hash="argon", at=NOW)
    assert len(await owners(db, site)) == 2


async def test_an_invitation_is_withdrawn_once(db: Database, site: Site, anna: int) -> None:
    other = await found(db, "other")
    ben = await owner_of(db, other, BEN)
    invitation = await invite(db, site, anna, "carla@example.org")

    with pytest.raises(NotFound):
        await Memberships(db).withdraw(other.id, invitation, by=ben, at=NOW)
    await Memberships(db).withdraw(site.id, invitation, by=anna, at=NOW)

    assert await accept(db) is None
    with pytest.raises(NotFound):
        await Memberships(db).withdraw(site.id, invitation, by=anna, at=NOW)
    assert await deeds(db, site) == [Deed.PERSON_INVITED, Deed.INVITATION_WITHDRAWN]


async def test_a_known_address_keeps_its_password(db: Database, site: Site, anna: int) -> None:
    ben = await owner_of(db, await found(db, "other"), BEN)
    await Operators(db).sign_in(ben, COOKIE, at=NOW, until=NOW + WEEK)
    await invite(db, site, anna)

    with pytest.raises(IdConflict):
        await accept(db, password_hash="stolen")
    assert await accept(db, password_hash=None) == ben

    known = await Operators(db).by_email(BEN)
    assert known is not None
    assert known.password_hash == "argon"
    signed_in = await Operators(db).signed_in(COOKIE, NOW)
    assert signed_in is not None
    assert {(one.site_key, one.role) for one in signed_in.memberships} == {
        ("other", Role.OWNER),
        ("studio", Role.STAFF),
    }


async def test_an_unknown_address_cannot_accept_without_a_password(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)

    with pytest.raises(IdConflict):
        await accept(db, password_hash=None)
    assert await accept(db)


async def test_who_is_a_member_is_not_invited_again(db: Database, site: Site, anna: int) -> None:
    with pytest.raises(IdConflict):
        await invite(db, site, anna, "anna@example.org")
    assert await deeds(db, site) == []


async def test_only_owners_act(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)
    ben = await accept(db)
    assert ben is not None

    stranger = await owner_of(db, await found(db, "other"), "carla@example.org")

    for by in (ben, stranger):
        with pytest.raises(NotFound):
            await invite(db, site, by, "dan@example.org")
        with pytest.raises(NotFound):
            await Memberships(db).remove(site.id, anna, by=by, at=NOW)
        with pytest.raises(NotFound):
            await Memberships(db).change_role(site.id, ben, role=Role.OWNER, staff=None, by=by, at=NOW)
    assert await owners(db, site) == [anna]


async def test_a_role_is_another_at_once_and_the_same_again_is_no_deed(db: Database, site: Site, anna: int) -> None:
    await invite(db, site, anna)
    ben = await accept(db)
    assert ben is not None

    for _ in range(2):
        await Memberships(db).change_role(site.id, ben, role=Role.OWNER, staff=None, by=anna, at=NOW)

    assert sorted(await owners(db, site)) == sorted([anna, ben])
    assert (await deeds(db, site))[2:] == [Deed.ROLE_CHANGED]


async def test_access_that_is_taken_away_is_gone_in_open_browsers(db: Database, site: Site, anna: int) -> None:
    other = await found(db, "other")
    ben = await owner_of(db, other, BEN)
    await invite(db, site, anna)
    await accept(db, password_hash=None)
    await Operators(db).sign_in(ben, COOKIE, at=NOW, until=NOW + WEEK)

    await Memberships(db).remove(site.id, ben, by=anna, at=NOW)

    signed_in = await Operators(db).signed_in(COOKIE, NOW)
    assert signed_in is not None
    assert [one.site_key for one in signed_in.memberships] == ["other"]
    with pytest.raises(NotFound):
        await Memberships(db).remove(site.id, ben, by=anna, at=NOW)
    assert (await deeds(db, site))[-1] == Deed.ACCESS_TAKEN_AWAY


async def test_a_link_for_a_password_sets_it_and_opens_nothing_else(db: Database, site: Site, anna: int) -> None:
    await Operators(db).sign_in(anna, COOKIE, at=NOW, until=NOW + WEEK)
    offer = partial(Memberships(db).offer_password, site.id, token_hash=LINK, at=NOW, until=NOW + WEEK)
    assert not await offer(BEN)
    assert await offer("anna@example.org")

    assert await accept(db, password_hash="new argon") == anna

    known = await Operators(db).by_email("anna@example.org")
    assert known is not None
    assert known.password_hash == "new argon"
    assert await Operators(db).signed_in(COOKIE, NOW) is None
    assert await owners(db, site) == [anna]


async def test_a_link_for_a_password_goes_with_the_access(db: Database, site: Site, anna: int) -> None:
    ben = await owner_of(db, site, BEN)
    await Memberships(db).offer_password(site.id, BEN, LINK, at=NOW, until=NOW + WEEK)

    await Memberships(db).remove(site.id, ben, by=anna, at=NOW)

    assert await accept(db) is None


async def test_the_last_owner_stays(db: Database, site: Site, anna: int) -> None:
    with pytest.raises(InvalidRequest):
        await Memberships(db).remove(site.id, anna, by=anna, at=NOW)
    with pytest.raises(InvalidRequest):
        await Memberships(db).change_role(site.id, anna, role=Role.STAFF, staff="mia", by=anna, at=NOW)
    assert await owners(db, site) == [anna]


async def both_leave(db: Database, site: Site, anna: int) -> list[object]:
    ben = await owner_of(db, site, BEN)
    store = Memberships(db)
    leaving = store.remove(site.id, anna, by=anna, at=NOW)
    demoted = store.change_role(site.id, ben, role=Role.STAFF, staff="mia", by=ben, at=NOW)
    return list(await asyncio.gather(leaving, demoted, return_exceptions=True))


async def test_of_two_owners_who_leave_at_once_one_stays(db: Database, site: Site, anna: int) -> None:
    answers = await both_leave(db, site, anna)

    assert [type(answer) for answer in answers if answer] == [InvalidRequest]
    assert len(await owners(db, site)) == 1


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_without_the_lock_both_would_leave(
    db: Database, site: Site, anna: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: on SQLite there is one writer at a time anyway."""
    monkeypatch.setattr(module, "_lock_owners", unlocked(asyncio.Barrier(2)))

    answers = await both_leave(db, site, anna)

    assert answers == [None, None]
    assert await owners(db, site) == []


def unlocked(both_are_here: asyncio.Barrier) -> Callable[..., object]:
    async def look(session: AsyncSession, site_id: int, *, by: int) -> set[int]:
        owning = (col(MembershipRow.site_id) == site_id, col(MembershipRow.role) == Role.OWNER)
        seen = set(await session.exec(select(MembershipRow.operator_id).where(*owning)))
        await both_are_here.wait()
        return seen

    return look
