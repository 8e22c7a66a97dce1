"""Sites and those who run them: making a site, the first-run link, signing in and out, and the settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.changes import changed
from widget_server.domain.operators import Membership, Operator
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import DEFAULT_PARTITION, Site
from widget_server.errors import Changed, InvalidRequest, NotFound, SignInNeeded, TooLate
from widget_server.ids import hash_secret, is_key, new_id
from widget_server.store.audit_log import put_entry
from widget_server.store.operators import Operators
from widget_server.store.schedule import Schedules, put_settings, read_schedule
from widget_server.store.sites import Sites as StoredSites
from widget_server.use_cases.edits import Edits, fingerprint
from widget_server.use_cases.passwords import Passwords, may_be_password
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.tries import Tries

SETUP_LASTS = timedelta(days=7)
SESSION_IDLE = timedelta(days=14)
"""A session ends when nobody has used it for this long."""
SESSION_MAX = timedelta(days=90)
"""And after this long in any case."""
_PROLONG_AFTER = timedelta(hours=12)
"""Prolonging at every page would be a write at every page."""
_EMAIL_LENGTH_MAX = 254
_TRIES_OF_ADDRESS_MAX, _TRIES_OF_NETWORK_MAX = 5, 40
_SETTINGS = (
    "name",
    "zone",
    "currency",
    "locale",
    "accent",
    "theme",
    "holds_on",
    "is_test",
    "hold_minutes",
    "origins",
    "staff_enter_shifts",
    "receipt_seller",
    "receipt_tax",
)
"""All that an operator may set, and nothing else of a site."""
GIVEN_BACK_PER_NETWORK_MAX = 100
"""So many forms go back to those of a network that cannot be taken, in `Tries.window`."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An operator and the session they came with; `session` is the secret of the cookie."""

    operator: Operator
    session: str
    prolonged: bool
    """Whether the session was just given more time, so that the cookie wants it too."""
    memberships: tuple[Membership, ...] = ()
    """Which sites they may enter, as of the beginning of this request."""

    @property
    def email(self) -> str:
        return self.operator.email

    @property
    def owns_a_site(self) -> bool:
        return any(one.is_owner for one in self.memberships)

    def membership(self, site_key: str) -> Membership:
        """Raises NotFound, also for sites of others: who asks learns nothing."""
        for one in self.memberships:
            if one.site_key == site_key:
                return one
        raise _no_such_site()


class Sites:
    def __init__(
        self,
        *,
        sites: StoredSites,
        operators: Operators,
        schedules: Schedules,
        scheduling: Scheduling,
        clock: Clock,
        edits: Edits | None = None,
        passwords: Passwords | None = None,
        partitions: Sequence[str] = (DEFAULT_PARTITION,),
    ) -> None:
        self._sites = sites
        self._operators = operators
        self._schedules = schedules
        self._scheduling = scheduling
        self._clock = clock
        self._edits = edits
        self._partitions = partitions
        self._passwords = passwords or Passwords()
        self._tries = Tries(clock)

    async def create(
        self, *, key: str, name: str, zone: str, currency: str, locale: str = "en", owner: SignedIn | None = None
    ) -> Site:
        """A new site that offers nothing yet, and is its maker's.

        Raises InvalidRequest, and IdConflict for a taken key, each with `field`.
        """
        if not is_key(key):
            raise InvalidRequest("Use a-z, 0-9 and hyphens for the site key.", field="key")
        if zone not in available_timezones():
            raise InvalidRequest("There is no such time zone; use a name such as Europe/Berlin.", field="zone")
        if re.fullmatch("[A-Z]{3}", currency) is None:
            raise InvalidRequest("Use the three capital letters of a currency, such as EUR.", field="currency")
        return await self._sites.create(
            key=key,
            name=name,
            zone=zone,
            currency=currency,
            locale=locale,
            at=self._clock.now(),
            partition=await self._least_used(),
            owner_id=owner.operator.id if owner else None,
        )

    async def first_run_token(self, site: Site) -> str:
        """The secret of a new first-run link, `/admin/setup#<token>`: works once, for a week, and ends the one before.

        The same link gives an operator who forgot their password a new one.
        """
        token = new_id()
        await self._operators.offer_setup(site.id, hash_secret(token), until=self._clock.now() + SETUP_LASTS)
        return token

    def count_given_back(self, network: str) -> None:
        """A form that is not taken is about to go back to its sender, whoever that is. Raises TooManyTries."""
        self._tries.spend([(f"given back/{network}", GIVEN_BACK_PER_NETWORK_MAX)])

    async def needs_setup(self, site: Site) -> bool:
        return not await self._operators.any_of(site.id)

    async def set_up(self, token: str, email: str, password: str, *, network: str) -> str:
        """Use up a first-run link: from now on this address and password sign in. Returns the secret of a session.

        Raises TooLate for a link that works no longer, InvalidRequest or IdConflict (each with `field`), TooManyTries.
        """
        self._tries.spend([(f"setup {network}", _TRIES_OF_NETWORK_MAX)])
        now = self._clock.now()
        if await self._operators.setup_of(hash_secret(token), now) is None:
            raise _link_is_over()
        address = address_of(email)
        is_proven = await self._is_known_by(address, password, network)
        if not is_proven:
            check_password(password)
        password_hash = await self._passwords.hash(password)
        operator = await self._operators.set_up(
            hash_secret(token), email=address, password_hash=password_hash, at=self._clock.now(), is_proven=is_proven
        )
        if operator is None:
            raise _link_is_over()
        return await self.begin_session(operator.id)

    async def sign_in(self, email: str, password: str, *, network: str) -> str:
        """The secret of a new session. It takes as long for an unknown address as for a known one.

        Raises SignInNeeded without saying which of the two was wrong, TooManyTries.
        """
        address = _address_or_anything(email)
        of_address = _tries_of(address, network)
        self._tries.spend([(of_address, _TRIES_OF_ADDRESS_MAX), (f"network {network}", _TRIES_OF_NETWORK_MAX)])
        operator = await self._operators.by_email(address)
        if not await self._passwords.matches(password, operator.password_hash if operator else None):
            raise SignInNeeded("E-mail or password is not right.")
        assert operator is not None, "nobody's password never matches"
        self._tries.forget(of_address)
        return await self.begin_session(operator.id)

    async def signed_in(self, session: str) -> SignedIn | None:
        """Whose session this is. Using a session prolongs it."""
        now = self._clock.now()
        found = await self._operators.signed_in(hash_secret(session), now)
        if found is None:
            return None
        until = _end_of_session(began_at=found.created_at, now=now)
        prolonged = until - found.expires_at > _PROLONG_AFTER
        if prolonged:
            await self._operators.prolong(hash_secret(session), until=until)
        return SignedIn(found.operator, session, prolonged, found.memberships)

    async def sign_out(self, session: str) -> None:
        """A second call changes nothing."""
        await self._operators.sign_out(hash_secret(session))

    async def change_password(self, signed_in: SignedIn, present: str, wanted: str, *, network: str) -> str:
        """Ends all sessions of the operator and returns the secret of a new one.

        Raises SignInNeeded for a wrong present password, InvalidRequest with `field`, TooManyTries.
        """
        operator = signed_in.operator
        of_operator = f"password {operator.id} {network}"
        self._tries.spend([(of_operator, _TRIES_OF_ADDRESS_MAX)])
        if not await self._passwords.matches(present, operator.password_hash):
            raise SignInNeeded("This is not your current password.", field="current")
        self._tries.forget(of_operator)
        check_password(wanted)
        await self._operators.set_password(operator.id, await self._passwords.hash(wanted))
        return await self.begin_session(operator.id)

    async def begin_session(self, operator_id: int) -> str:
        """For who has shown that they are it. Returns the secret of a new session."""
        session, now = new_id(), self._clock.now()
        await self._operators.sign_in(operator_id, hash_secret(session), at=now, until=now + SESSION_IDLE)
        return session

    async def open(self, signed_in: SignedIn, site_key: str) -> tuple[Site, Schedule]:
        """A site that this operator owns and what it offers, fresh from SQL.

        Raises NotFound, also for sites of others, and for one at which they have another role: they may be an owner who
        has become staff with the page open, so it says why.
        """
        if not signed_in.membership(site_key).is_owner:
            raise NotFound("This page is for owners of the site. Your role there is staff.")
        return await self.enter(signed_in, site_key)

    async def enter(self, signed_in: SignedIn, site_key: str) -> tuple[Site, Schedule]:
        """Likewise whatever their role is: only for pages that look at it."""
        return await self._schedules.load_with_site(signed_in.membership(site_key).site_id)

    async def read(self, site: Site) -> tuple[Site, Schedule]:
        """As it is by now, fresh from SQL. Raises NotFound."""
        return await self._schedules.load_with_site(site.id)

    async def change_settings(self, signed_in: SignedIn, wanted: Site, *, seen: str) -> Site:
        """Save everything an operator may set about a site; its key, partition and epoch stay what they are.

        Nothing happens if it is so already. `seen` is the mark of the settings that were shown: raises Changed if that
        is another by now, also where others save at the same time. Raises NotFound, Unavailable.
        """
        present, _ = await self.open(signed_in, wanted.key)
        settled = replace(
            wanted,
            id=present.id,
            partition=present.partition,
            epoch=present.epoch,
            schedule_version=present.schedule_version,
        )
        if mark(settled) == mark(present):
            return present

        async def write(session: AsyncSession) -> None:
            before, _ = await read_schedule(session, present.id)
            if mark(settled) == mark(before):
                return
            if seen != mark(before):
                raise Changed("Somebody has changed these settings meanwhile.")
            await put_settings(session, settled)
            detail = changed(before, settled, _SETTINGS)
            put_entry(session, Entry(site_id, operator_id, Deed.SETTINGS_CHANGED, self._clock.now(), detail=detail))

        site_id, operator_id = present.id, signed_in.operator.id
        if self._edits is not None and settled.zone != present.zone:
            version = await self._edits.move_openings(present, write)
        else:
            version = await self._scheduling.change(present, write)
        return replace(settled, schedule_version=version)

    async def _least_used(self) -> str:
        """The partition with the fewest sites. Two sites made at once may get the same: it is about the load only."""
        used = await self._sites.partitions()
        return min(self._partitions, key=lambda partition: used.get(partition, 0))

    async def _is_known_by(self, address: str, password: str, network: str) -> bool:
        """Whether somebody signs in with both already. Raises TooManyTries."""
        operator = await self._operators.by_email(address)
        if operator is None:
            return False
        self._tries.spend([(_tries_of(address, network), _TRIES_OF_ADDRESS_MAX)])
        return await self._passwords.matches(password, operator.password_hash)


def mark(site: Site) -> str:
    """The same for the same settings: tells whether somebody else saved others while a form was open."""
    return fingerprint([getattr(site, name) for name in _SETTINGS])


def _end_of_session(*, began_at: datetime, now: datetime) -> datetime:
    return min(now + SESSION_IDLE, began_at + SESSION_MAX)


def address_of(email: str) -> str:
    """In the form in which it is kept. Raises InvalidRequest with `field`."""
    try:
        found = validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidRequest("This is not an e-mail address.", field="email") from error
    return found.normalized.lower()


def _address_or_anything(email: str) -> str:
    """An address in the form in which it is kept; for anything else no hint that it could not be one."""
    try:
        return address_of(email)
    except InvalidRequest:
        return email.lower()[:_EMAIL_LENGTH_MAX]


def check_password(password: str) -> None:
    """Raises InvalidRequest with `field`."""
    try:
        may_be_password(password)
    except InvalidRequest as refusal:
        raise InvalidRequest(refusal.message, field="password") from refusal


def _tries_of(address: str, network: str) -> str:
    return f"address {hash_secret(address)} {network}"


def _no_such_site() -> NotFound:
    return NotFound("You have no site of this name.")


def _link_is_over() -> TooLate:
    return TooLate("This link was used already, or is too old. Ask for a new one where the server runs.", field="token")
