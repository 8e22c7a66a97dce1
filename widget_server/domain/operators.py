"""The only place for who runs sites: operators, which sites each may enter and as what, and how long they stay."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

EMAIL_LENGTH_MAX = 254
MEMBERS_MAX = 200
"""Of one site; so many invitations may be open besides."""
SITES_MAX = 100
"""Of one operator."""


class Role(StrEnum):
    OWNER = "owner"
    """May do everything at a site."""
    STAFF = "staff"
    """Sees their own diary, and enters their own shifts where the site allows it."""


@dataclass(frozen=True, slots=True)
class Operator:
    id: int
    email: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """What makes an operator one of a site."""

    site_id: int
    site_key: str
    site_name: str
    role: Role
    staff: str | None = None
    """Key of the staff member they are; who has the role of staff always is one."""

    @property
    def is_owner(self) -> bool:
        return self.role is Role.OWNER


@dataclass(frozen=True, slots=True)
class Member:
    """A membership as the others of the site see it."""

    operator_id: int
    email: str
    role: Role
    staff: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """Until somebody accepts it, it is withdrawn or `expires_at` has come."""

    id: int
    site_id: int
    email: str
    role: Role
    staff: str | None
    sets_password: bool
    """Made where the server runs, for somebody who forgot their password: accepting it sets a new one."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser in which an operator is signed in, until `expires_at` or until it is revoked."""

    operator: Operator
    created_at: datetime
    expires_at: datetime
    memberships: tuple[Membership, ...] = ()
    """By the names of their sites."""
