"""Who may enter a site, and as what: inviting, accepting, another role, and taking access away."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from widget_server.clock import Clock
from widget_server.domain.operators import Invitation, Member, Role
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import InvalidRequest, NotFound, NotYours, TooLate
from widget_server.ids import hash_secret, new_id
from widget_server.store.memberships import Memberships
from widget_server.store.operators import Operators
from widget_server.use_cases.passwords import Passwords
from widget_server.use_cases.sites import SignedIn, Sites, address_of, check_password
from widget_server.use_cases.tries import Tries

INVITATION_LASTS = timedelta(days=7)
_TRIES_OF_NETWORK_MAX = 40


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation with the secret of its link, which nobody can be told again."""

    invitation: Invitation
    token: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What somebody with the link is asked."""

    invitation: Invitation
    site_name: str
    is_known: bool
    """Whether the address signs in already; else it chooses a password."""

    @property
    def chooses_password(self) -> bool:
        return not self.is_known or self.invitation.sets_password


class People:
    def __init__(
        self, *, memberships: Memberships, operators: Operators, sites: Sites, clock: Clock, passwords: Passwords
    ) -> None:
        self._memberships = memberships
        self._operators = operators
        self._sites = sites
        self._clock = clock
        self._passwords = passwords
        self._tries = Tries(clock)

    async def members(self, site: Site) -> list[Member]:
        return await self._memberships.of_site(site.id)

    async def member(self, site: Site, operator_id: int) -> Member:
        """Raises NotFound."""
        for member in await self.members(site):
            if member.operator_id == operator_id:
                return member
        raise NotFound("This person has no access to the site.")

    async def emails_of(self, operator_ids: Collection[int]) -> Mapping[int, str]:
        """Also of those who have no access any more."""
        return await self._memberships.emails_of(operator_ids)

    async def invitations(self, site: Site) -> list[Invitation]:
        return await self._memberships.invitations(site.id, self._clock.now())

    async def invite(
        self, site: Site, schedule: Schedule, email: str, *, role: str, staff: str, operator_id: int
    ) -> Invited:
        """Makes a link that works once, for a week; one made before for the same address works no longer.

        Whoever sends it reads the token from the answer: it is kept nowhere. Raises InvalidRequest and IdConflict (each
        with `field`), NotFound if the operator is no owner any more.
        """
        address = address_of(email)
        wanted, member = _role(role, staff, schedule)
        token, now = new_id(), self._clock.now()
        invitation = await self._memberships.invite(
            site.id,
            address,
            hash_secret(token),
            role=wanted,
            staff=member,
            by=operator_id,
            at=now,
            until=now + INVITATION_LASTS,
        )
        return Invited(invitation, token)

    async def password_token(self, site: Site, email: str) -> str:
        """The secret of a link with which a member of the site sets a new password. Raises InvalidRequest, NotFound."""
        token, now = new_id(), self._clock.now()
        if not await self._memberships.offer_password(
            site.id, address_of(email), hash_secret(token), at=now, until=now + INVITATION_LASTS
        ):
            raise NotFound("Nobody with this address has access to the site.")
        return token

    async def withdraw(self, site: Site, invitation_id: int, *, operator_id: int) -> None:
        """Raises NotFound, also for one that was accepted or withdrawn before."""
        await self._memberships.withdraw(site.id, invitation_id, by=operator_id, at=self._clock.now())

    async def open(self, token: str, signed_in: SignedIn | None, *, network: str) -> Opened:
        """What the link invites to; changes nothing. Raises TooLate, NotYours for another's, TooManyTries."""
        self._tries.spend([(network, _TRIES_OF_NETWORK_MAX)])
        return await self._open(token, signed_in)

    async def accept(self, token: str, password: str, signed_in: SignedIn | None, *, network: str) -> str:
        """From now on they may enter the site. Returns the secret of their session.

        Whoever is signed in just accepts; a known address gives its password, a new one chooses one. Raises as `open`,
        InvalidRequest and IdConflict with `field`, SignInNeeded for a wrong password.
        """
        opened = await self.open(token, signed_in, network=network)
        if opened.chooses_password:
            check_password(password)
            return await self._accept_with(token, await self._passwords.hash(password))
        if signed_in is not None:
            await self._accept(token, None)
            return signed_in.session
        session = await self._sites.sign_in(opened.invitation.email, password, network=network)
        await self._accept(token, None)
        return session

    async def change_role(
        self, site: Site, schedule: Schedule, changed_id: int, *, role: str, staff: str, operator_id: int
    ) -> None:
        """Raises InvalidRequest with `field`, also for the last owner, and NotFound."""
        wanted, member = _role(role, staff, schedule)
        await self._memberships.change_role(
            site.id, changed_id, role=wanted, staff=member, by=operator_id, at=self._clock.now()
        )

    async def remove(self, site: Site, removed_id: int, *, operator_id: int) -> None:
        """At once, in all browsers in which they are signed in. Raises InvalidRequest for the last owner, NotFound."""
        await self._memberships.remove(site.id, removed_id, by=operator_id, at=self._clock.now())

    async def _open(self, token: str, signed_in: SignedIn | None) -> Opened:
        found = await self._memberships.invitation(hash_secret(token), self._clock.now())
        if found is None:
            raise _is_over()
        invitation, site_name = found
        if signed_in is not None and signed_in.email != invitation.email:
            raise NotYours(
                f"This link is for {invitation.email}, and you are signed in as {signed_in.email}. Sign out first, and"
                " open it again."
            )
        return Opened(invitation, site_name, await self._operators.by_email(invitation.email) is not None)

    async def _accept_with(self, token: str, password_hash: str) -> str:
        return await self._sites.begin_session(await self._accept(token, password_hash))

    async def _accept(self, token: str, password_hash: str | None) -> int:
        accepted = await self._memberships.accept(hash_secret(token), password_hash=password_hash, at=self._clock.now())
        if accepted is None:
            raise _is_over()
        return accepted


def _role(role: str, staff: str, schedule: Schedule) -> tuple[Role, str | None]:
    """As they were typed. Raises InvalidRequest with `field`."""
    if role not in set(Role):
        raise InvalidRequest("Choose a role.", field="role")
    if role == Role.OWNER:
        return Role.OWNER, None
    if staff not in schedule.staff:
        raise InvalidRequest("Choose who of your staff they are.", field="staff")
    return Role.STAFF, staff


def _is_over() -> TooLate:
    return TooLate("This link was used or withdrawn, or is too old. Ask whoever sent it for a new one.", field="token")
