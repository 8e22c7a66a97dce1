"""The only place that knows which stretches of wall time begin on which day, however many a year has of them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from widget_server.domain.wall_times import Stretch

DAYS_LOOKED_UP = 64
"""A month and the days around it."""
REACH = 2
"""What begins on a day ends on the next; two days are looked around because a zone may skip a whole one, as Apia did
on 30 December 2011."""

S = TypeVar("S", bound=Stretch)


class Timetable(Generic[S]):
    def __init__(self, zone: ZoneInfo, stretches: Iterable[S]) -> None:
        self._zone = zone
        self._of_day: defaultdict[date | int, list[S]] = defaultdict(list)
        for stretch in stretches:
            on = stretch.weekday if stretch.day is None else stretch.day
            assert on is not None, "weekly or dated"
            self._of_day[on].append(stretch)
        self.on = lru_cache(DAYS_LOOKED_UP)(self._on)

    def _on(self, day: date) -> tuple[tuple[datetime, datetime, S], ...]:
        """All that begin on this day, the earliest first, with their instants; without those that DST skips."""
        stretches = [*self._of_day.get(day, ()), *self._of_day.get(day.weekday(), ())]
        spans = ((*stretch.span(day, self._zone), stretch) for stretch in stretches)
        return tuple(sorted((found for found in spans if found[0] < found[1]), key=lambda found: found[:2]))


def days_near(day: date) -> list[date]:
    """On which all begins that may have an instant in common with a slot that starts on this day."""
    return [day + timedelta(days=n) for n in range(-REACH, REACH + 1)]
