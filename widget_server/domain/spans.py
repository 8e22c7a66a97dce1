"""The only place that compares stretches of instants: which of them meet, and which cover which."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime

Span = tuple[datetime, datetime]
"""From an instant on, up to another one that is not part of it."""


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same instants in as few spans as there can be, in order; those that adjoin become one, empty ones vanish."""
    joined: list[Span] = []
    for starts_at, ends_at in sorted(span for span in spans if span[0] < span[1]):
        if joined and starts_at <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(ends_at, joined[-1][1])
        else:
            joined.append((starts_at, ends_at))
    return joined


class Spans:
    """Some instants, to ask often about."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        joined = merged(spans)
        self._starts, self._ends = [span[0] for span in joined], [span[1] for span in joined]

    def meet(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether they have an instant in common with a span that is not empty."""
        before = bisect_left(self._starts, ends_at)
        return before > 0 and self._ends[before - 1] > starts_at

    def cover(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether all of a span is among them."""
        before = bisect_right(self._starts, starts_at)
        return before > 0 and self._ends[before - 1] >= ends_at


NOTHING = Spans()
