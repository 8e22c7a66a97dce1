"""The only place that remembers where in the feed of a partition this process has been, whichever site moved there."""

from bisect import bisect_left
from collections import deque

from widget_server.live.board import feed_position

EACH_MAX = 4_096
"""So many of the newest places are remembered one by one: enough for all who come back within seconds."""


class Heard:
    """Whoever stands at such a place has missed of a site what its board has recorded since, and nothing else."""

    __slots__ = ("_first", "_newest", "_past")

    def __init__(self) -> None:
        self._past: frozenset[str] = frozenset()
        self._first: tuple[int, int] | None = None
        self._newest: deque[tuple[int, int]] = deque(maxlen=EACH_MAX)

    def knows(self, feed_id: str) -> bool | None:
        """Whether there was such a place; None where this process cannot say, as it did not listen then.

        Between those that were heard nothing else was. What lies there, Redis has lost and has gone on without: whoever
        had got so far sees that it is gone, and whoever had not sees no gap.
        """
        if feed_id in self._past:
            return True
        position = feed_position(feed_id)
        if self._first is None or not self._first <= position <= self._newest[-1]:
            return None
        if position < self._newest[0]:
            return True  # as far as anybody remembers
        return self._newest[bisect_left(self._newest, position)] == position

    def begin_anew(self, past: frozenset[str] = frozenset()) -> None:
        """From here on every update is heard as it comes; `past`: the ids of those that could be read before."""
        self._past, self._first = past, None
        self._newest.clear()

    def add(self, feed_id: str) -> None:
        position = feed_position(feed_id)
        if self._first is None:
            self._first = position
        elif position <= self._newest[-1]:
            return
        self._newest.append(position)
