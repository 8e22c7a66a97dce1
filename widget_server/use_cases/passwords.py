"""The only place that hashes passwords and compares them: Argon2, off the event loop, a few at a time."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from widget_server.errors import InvalidRequest, TooManyTries

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 10, 200
AT_ONCE_MAX, WAITING_MAX = 2, 40
"""A hash takes 64 MiB and a core for 0.1 s: more at once would slow down everybody else."""

_NOBODY = "$argon2id$v=19$m={m},t={t},p={p}$bm9ib2R5bm9ib2R5bm9ibw$bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2Q"

_Result = TypeVar("_Result")


def may_be_password(password: str) -> None:
    """Raises InvalidRequest. Length is what counts (NIST SP 800-63B): no rules about signs and digits."""
    if len(password) < PASSWORD_LENGTH_MIN:
        raise InvalidRequest(f"Use at least {PASSWORD_LENGTH_MIN} characters.")
    if len(password) > PASSWORD_LENGTH_MAX:
        raise InvalidRequest(f"Use at most {PASSWORD_LENGTH_MAX} characters.")
    if len(set(password)) < 4:
        raise InvalidRequest("Use more than three different characters.")


class Passwords:
    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._limiter = CapacityLimiter(AT_ONCE_MAX)
        self._callers = 0

    async def hash(self, password: str) -> str:
        """Raises TooManyTries where too many are waiting already."""
        return await self._in_turn(partial(self._hasher.hash, password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long without a hash as with one, so that nobody learns which addresses are known.

        Raises TooManyTries where too many are waiting already.
        """
        return await self._in_turn(partial(self._matches, password, password_hash))

    async def _in_turn(self, work: Callable[[], _Result]) -> _Result:
        if self._callers >= AT_ONCE_MAX + WAITING_MAX:
            raise TooManyTries("Very many people are signing in just now. Please try again in a minute.")
        self._callers += 1
        try:
            return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._callers -= 1

    def _matches(self, password: str, password_hash: str | None) -> bool:
        try:
            return self._hasher.verify(password_hash or self._of_nobody(), password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False

    def _of_nobody(self) -> str:
        return _NOBODY.format(m=self._hasher.memory_cost, t=self._hasher.time_cost, p=self._hasher.parallelism)
