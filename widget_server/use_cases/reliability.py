"""What an operator may know of how well their seats are counted: figures of the audit, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from widget_server.clock import Clock
from widget_server.domain.sites import Site
from widget_server.store.reliability import Reliability as StoredReliability
from widget_server.store.reliability import SiteFigures
from widget_server.use_cases.feed_lag import Lag
from widget_server.use_cases.readiness import OK

LATE_MS = 5_000
"""For so long no change waits that is to be told to open widgets."""
ROUND_MAX = timedelta(minutes=5)
"""A worker that has not come round for so long is taken for gone."""


class Follower(Protocol):
    def heard_ago_s(self, partition: str) -> float | None: ...


class FeedLag(Protocol):
    async def of(self, partition: str) -> Lag | None: ...


class Readiness(Protocol):
    async def ask(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Report:
    now: datetime
    figures: SiteFigures
    heard_ago_s: float | None
    lag: Lag | None
    parts: Mapping[str, str]
    """Each part of the server with "ok", or what is wrong in one sentence."""

    @property
    def checked_ago(self) -> timedelta | None:
        return None if self.figures.last_round is None else self.now - self.figures.last_round.ended_at

    @property
    def is_checked(self) -> bool:
        return self.checked_ago is not None and self.checked_ago <= ROUND_MAX

    @property
    def leaked(self) -> int:
        """What the last round found, and did not mend at once."""
        last = self.figures.last_round
        return 0 if last is None else max(0, last.found - last.mended)

    @property
    def failing(self) -> dict[str, str]:
        return {name: told for name, told in self.parts.items() if told != OK}

    @property
    def is_late(self) -> bool:
        """Whether open widgets are told of changes so late that their visitors see it."""
        return self.lag is not None and self.lag.waiting_ms >= LATE_MS

    @property
    def is_well(self) -> bool:
        return self.is_checked and not (self.leaked or self.figures.oversold or self.failing or self.is_late)


class Reliability:
    def __init__(
        self, *, reliability: StoredReliability, feed: Follower, lag: FeedLag, readiness: Readiness, clock: Clock
    ) -> None:
        self._reliability = reliability
        self._feed = feed
        self._lag = lag
        self._readiness = readiness
        self._clock = clock

    async def report(self, site: Site) -> Report:
        """Raises Unavailable where SQL is not there: then nobody can sign in either."""
        now = self._clock.now()
        figures = await self._reliability.figures(site.id, site.partition, now)
        heard_ago_s, lag = self._feed.heard_ago_s(site.partition), await self._lag.of(site.partition)
        return Report(now, figures, heard_ago_s, lag, await self._readiness.ask())
