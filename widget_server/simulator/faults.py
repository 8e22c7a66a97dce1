"""The only place that decides what goes wrong, and when: how often is part of what a seed decides."""

from collections import Counter
from enum import StrEnum
from random import Random

from widget_server.simulator.turns import VirtualClock

RATES = (0.001, 0.004, 0.008, 0.015)
"""Of all calls to Redis and SQL, in different runs."""
REDIS_AWAY_MS = (100, 700, 1_500)
SQL_AWAY_MS = (10, 50, 300)
STRIPE_AWAY_MS = (1_000, 20_000, 300_000)
STRIPE_WORSE = 6
"""So many times as often do calls to Stripe go wrong: there are few of them."""


class Fault(StrEnum):
    CRASH_BEFORE = "process killed before the effect"
    CRASH_AFTER = "process killed after the effect"
    REQUEST_LOST = "call to Redis lost"
    REPLY_LOST = "reply of Redis lost"
    SCRIPTS_FLUSHED = "script cache flushed"
    NOT_NOW = "Redis loading"
    REDIS_AWAY = "Redis away for a while"
    EMPTIED = "Redis emptied in the middle"
    TAKEN_OVER = "replica takes over in the middle"
    SQL_REFUSES = "SQL refuses"
    SQL_UNKNOWN = "commit done, answer lost"
    SQL_AWAY = "SQL away for a while"
    STRIPE_BUSY = "Stripe answers 429"
    STRIPE_BREAKS = "Stripe answers 500, all being done"
    STRIPE_SILENT = "Stripe silent, all being done"
    STRIPE_UNHEARD = "Stripe silent, and has heard nothing"
    STRIPE_SLOW = "Stripe slow"
    STRIPE_AWAY = "Stripe away for a while"


_AT_REDIS = (
    *(Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.REPLY_LOST) * 4,
    *(Fault.SCRIPTS_FLUSHED, Fault.NOT_NOW, Fault.REDIS_AWAY) * 3,
    *(Fault.EMPTIED, Fault.TAKEN_OVER),
)
_BEFORE_SQL = (Fault.CRASH_BEFORE, Fault.SQL_REFUSES, Fault.SQL_AWAY)
_AFTER_SQL = (Fault.CRASH_AFTER, Fault.SQL_UNKNOWN)
_AT_STRIPE = (
    *(Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.STRIPE_SILENT, Fault.STRIPE_BREAKS) * 2,
    *(Fault.STRIPE_BUSY, Fault.STRIPE_UNHEARD, Fault.STRIPE_SLOW, Fault.STRIPE_AWAY),
)


class Faults:
    def __init__(self, chance: Random, clock: VirtualClock) -> None:
        self.counted: Counter[str] = Counter()
        self.redis_away_until_ms = 0
        self.sql_away_until_ms = 0
        self.stripe_away_until_ms = 0
        self._chance = chance
        self._clock = clock
        self._rate = chance.choice(RATES)
        self._is_on = True

    def stop(self) -> None:
        """From here on all goes well, so that the world can come to rest."""
        self._is_on = False
        self.redis_away_until_ms = self.sql_away_until_ms = self.stripe_away_until_ms = 0

    def go_on(self) -> None:
        self._is_on = True

    @property
    def is_redis_away(self) -> bool:
        return self._clock.now_ms < self.redis_away_until_ms

    @property
    def is_sql_away(self) -> bool:
        return self._clock.now_ms < self.sql_away_until_ms

    @property
    def is_stripe_away(self) -> bool:
        return self._clock.now_ms < self.stripe_away_until_ms

    def at_redis(self) -> Fault | None:
        fault = self._one_of(_AT_REDIS, self._rate)
        if fault is Fault.REDIS_AWAY:
            self.redis_away_until_ms = self._clock.now_ms + self._chance.choice(REDIS_AWAY_MS)
        return fault

    def before_sql(self) -> Fault | None:
        fault = self._one_of(_BEFORE_SQL, self._rate)
        if fault is Fault.SQL_AWAY:
            self.sql_away_until_ms = self._clock.now_ms + self._chance.choice(SQL_AWAY_MS)
        return fault

    def after_sql(self) -> Fault | None:
        return self._one_of(_AFTER_SQL, self._rate)

    def at_stripe(self) -> Fault | None:
        fault = self._one_of(_AT_STRIPE, self._rate * STRIPE_WORSE)
        if fault is Fault.STRIPE_AWAY:
            self.stripe_away_until_ms = self._clock.now_ms + self._chance.choice(STRIPE_AWAY_MS)
        return fault

    def _one_of(self, faults: tuple[Fault, ...], rate: float) -> Fault | None:
        if not self._is_on or self._chance.random() >= rate:
            return None
        fault = self._chance.choice(faults)
        self.counted[fault] += 1
        return fault
