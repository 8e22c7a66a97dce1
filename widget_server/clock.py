"""The only place that asks the machine for the time. Deadlines of holds are Redis's business, not this clock's."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def from_ms(instant_ms: int) -> datetime:
    """Epoch milliseconds, as Redis and Lua keep instants, to a UTC datetime."""
    # Exact for as long as datetimes go: a float has room for their microseconds.
    return datetime.fromtimestamp(instant_ms / 1000, UTC)


def to_ms(instant: datetime) -> int:
    """A UTC datetime to epoch milliseconds, rounding down."""
    assert instant.tzinfo is not None, "instants carry UTC"
    return int(instant.timestamp()) * 1000 + instant.microsecond // 1000


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with Z, milliseconds only where there are any: 2026-11-21T09:30:00Z."""
    ms = instant.microsecond // 1000
    second = _second(math.floor(instant.timestamp()))
    return f"{second}.{ms:03}Z" if instant.microsecond else f"{second}Z"


@lru_cache(64)
def _second(since_1970: int) -> str:
    """Of all that is answered in the same second, most tells the same few."""
    return datetime.fromtimestamp(since_1970, UTC).isoformat()[:-6]
