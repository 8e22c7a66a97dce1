"""The only place for who runs a site: operators, and how long each is signed in."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Operator:
    id: int
    site_id: int
    email: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser in which an operator is signed in, until `expires_at` or until it is revoked."""

    operator: Operator
    created_at: datetime
    expires_at: datetime
