import asyncio
from typing import Literal

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY

from widget_server.errors import TooManyTries
from widget_server.use_cases.passwords import AT_ONCE_MAX, WAITING_MAX, Passwords

pytestmark = pytest.mark.anyio

PASSWORD = "seven quiet herons"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(PasswordHasher.from_parameters(CHEAPEST))


async def test_only_the_same_password_matches(passwords: Passwords) -> None:
    kept = await passwords.hash(PASSWORD)

    assert await passwords.matches(PASSWORD, kept)
    assert not await passwords.matches(PASSWORD + " ", kept)
    assert not await passwords.matches(PASSWORD, "not a hash")


async def test_a_hash_is_as_dear_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """By RFC 9106 at least, for machines with little memory; all other tests take cheaper ones."""
    monkeypatch.setattr("widget_server.use_cases.passwords.PasswordHasher", PasswordHasher)

    kept = extract_parameters(await Passwords().hash(PASSWORD))
    assert (kept.type, kept.memory_cost >= RFC_9106_LOW_MEMORY.memory_cost) == (Type.ID, True)
    assert kept.time_cost >= RFC_9106_LOW_MEMORY.time_cost


async def test_without_a_hash_the_same_work_is_done_for_nothing() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords = Passwords(hasher)

    assert not await passwords.matches(PASSWORD, None)
    assert hasher.verified == 1


async def test_the_line_of_waiting_hashes_is_bounded(passwords: Passwords) -> None:
    tries = (passwords.matches(PASSWORD, None) for _ in range(AT_ONCE_MAX + WAITING_MAX + 5))

    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(isinstance(answer, TooManyTries) for answer in answers) == 5


class CountingHasher(PasswordHasher):
    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified += 1
        return super().verify(hash, password)
