"""The only place that remembers where in the feed of a partition this process has been, whichever site moved there."""

from widget_server.live.board import feed_position


class Heard:
    """Whoever stands at such a place has missed of a site what its board has recorded since, and nothing else."""

    __slots__ = ("_first", "_last", "_past")

    def __init__(self) -> None:
        self.begin_anew()

    def __contains__(self, feed_id: object) -> bool:
        """Whether it was among what could be read of the past, or lies between what has come since we listen."""
        if feed_id in self._past:
            return True
        return self._first is not None and self._first <= feed_position(str(feed_id)) <= self._last

    def begin_anew(self, past: frozenset[str] = frozenset()) -> None:
        """From here on every update is heard as it comes; `past`: the ids of those that could be read before."""
        self._past = past
        self._first: tuple[int, int] | None = None
        self._last = (0, 0)

    def add(self, feed_id: str) -> None:
        self._last = max(self._last, feed_position(feed_id))
        self._first = self._first or self._last
