"""The only place that hashes passwords and compares them: Argon2, off the event loop, a few at a time."""

from dataclasses import dataclass, field
from functools import partial

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from widget_server.errors import InvalidRequest

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 10, 200
AT_ONCE_MAX = 2
"""A hash takes 64 MiB and a core for 0.1 s: more at once would slow down everybody else."""

_NOBODY = "$argon2id$v=19$m={m},t={t},p={p}$bm9ib2R5bm9ib2R5bm9ibw$bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2Q"


def may_be_password(password: str) -> None:
    """Raises InvalidRequest. Length is what counts (NIST SP 800-63B): no rules about signs and digits."""
    if len(password) < PASSWORD_LENGTH_MIN:
        raise InvalidRequest(f"Use at least {PASSWORD_LENGTH_MIN} characters.")
    if len(password) > PASSWORD_LENGTH_MAX:
        raise InvalidRequest(f"Use at most {PASSWORD_LENGTH_MAX} characters.")
    if len(set(password)) < 4:
        raise InvalidRequest("Use more than three different characters.")


@dataclass(frozen=True)
class Passwords:
    hasher: PasswordHasher = field(default_factory=PasswordHasher)
    _limiter: CapacityLimiter = field(default_factory=partial(CapacityLimiter, AT_ONCE_MAX))

    async def hash(self, password: str) -> str:
        return await to_thread.run_sync(self.hasher.hash, password, limiter=self._limiter)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long without a hash as with one, so that nobody learns which addresses are known."""
        return await to_thread.run_sync(self._matches, password, password_hash, limiter=self._limiter)

    def _matches(self, password: str, password_hash: str | None) -> bool:
        try:
            return self.hasher.verify(password_hash or self._of_nobody(), password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False

    def _of_nobody(self) -> str:
        return _NOBODY.format(m=self.hasher.memory_cost, t=self.hasher.time_cost, p=self.hasher.parallelism)
