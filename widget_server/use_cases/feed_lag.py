"""How soon this process tells open widgets of a change, by the clock of the Redis in which it happened."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from widget_server.engine.feed import BEHIND_MAX, NOTHING, Behind, happened_ms, is_after
from widget_server.errors import Unavailable
from widget_server.use_cases.availability import Told
from widget_server.use_cases.readiness import PATIENCE_S

COMPARED_FOR = timedelta(minutes=10)
"""After longer, the clocks of two machines may have drifted apart too far to say milliseconds."""


class Feed(Protocol):
    async def behind(self, partition: str, feed_id: str) -> Behind: ...


class Follower(Protocol):
    @property
    def followed(self) -> Collection[str]: ...

    def told(self, partition: str) -> Told | None: ...


@dataclass(frozen=True, slots=True)
class Lag:
    told_ago_s: float | None
    """When widgets were last told of a change; None where there was none since this process began to follow."""
    told_after_ms: int | None
    """So long after it had happened; None where that was too long ago to compare."""
    waiting: int
    """Changes that have happened, and widgets are not told of yet; at most BEHIND_MAX are counted."""
    waiting_ms: int
    """So long has the first of them been waiting."""

    @property
    def are_more(self) -> bool:
        return self.waiting == BEHIND_MAX


class FeedLag:
    def __init__(self, *, feed: Feed, follower: Follower) -> None:
        self._feed = feed
        self._follower = follower

    async def of(self, partition: str) -> Lag | None:
        """None where its changes are not heard, or Redis is not there."""
        if self._follower.told(partition) is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._ask(partition)
        except (Unavailable, TimeoutError):
            return None

    async def figures(self) -> dict[str, float]:
        """As names and values of metrics, of each partition that is followed."""
        figures = {}
        for partition in sorted(self._follower.followed):
            lag = await self.of(partition)
            if lag is None:
                continue
            name = f'{{partition="{partition}"}}'
            figures[f"tenuto_feed_waiting{name}"] = float(lag.waiting)
            figures[f"tenuto_feed_waiting_seconds{name}"] = lag.waiting_ms / 1000
            if lag.told_after_ms is not None:
                figures[f"tenuto_feed_told_after_seconds{name}"] = lag.told_after_ms / 1000
        return figures

    async def _ask(self, partition: str) -> Lag | None:
        """What was told is looked at last: whatever is told meanwhile does not wait any more."""
        first = self._follower.told(partition)
        behind = await self._feed.behind(partition, first.feed_id if first else NOTHING)
        told = self._follower.told(partition)
        if told is None:
            return None
        waiting = [feed_id for feed_id in behind.ids if is_after(feed_id, told.feed_id)]
        after_ms = None
        if told.ago_s is not None and told.ago_s <= COMPARED_FOR.total_seconds():
            after_ms = max(0, behind.now_ms - round(told.ago_s * 1000) - happened_ms(told.feed_id))
        waiting_ms = max(0, behind.now_ms - happened_ms(waiting[0])) if waiting else 0
        return Lag(told.ago_s, after_ms, len(waiting), waiting_ms)
