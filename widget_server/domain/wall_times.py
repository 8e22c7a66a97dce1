"""The only place where a wall time, what a clock in the site's zone shows, becomes an instant."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MIDNIGHT = time(0)
ONE_DAY = timedelta(days=1)
_MIDNIGHTS_KEPT = 1024
_SPANS_KEPT = 4096
"""Many shifts of many people begin and end at the same times."""


def first_instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The first instant at which the wall clock shows this time; one skipped by DST is as much later as was skipped."""
    return datetime.combine(day, wall, zone).replace(fold=0).astimezone(UTC)


def last_instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The last instant at which the wall clock shows this time; one skipped by DST is as much later as was skipped.

    PEP 495: for a skipped time fold=0 gives the later instant and fold=1 the earlier, for a repeated time the reverse.
    """
    first, second = (datetime.combine(day, wall, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(first, second)


def day_at(at: datetime, zone: ZoneInfo) -> date:
    """On which day an instant lies: each begins when its midnight is first, and lasts until the next one does.

    That is the date which the clock shows, unless it is put across midnight after that: in St. John's it went from
    00:01 back to 23:01 until 2011. By the date, two days would be in two pieces each, with one in the other.
    """
    day = at.astimezone(zone).date()
    if at < _midnight(day, zone):
        return day - ONE_DAY
    return day + ONE_DAY if at >= _midnight(day + ONE_DAY, zone) else day


@lru_cache(_MIDNIGHTS_KEPT)
def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return first_instant(day, MIDNIGHT, zone)


class Stretch:
    """A stretch of wall time, weekly (`weekday`, Monday is 0) or on one `day`.

    It lasts until the wall clock shows `ends` for the last time; `ends` at or before `starts` is on the next day.
    """

    __slots__ = ()

    starts: time
    ends: time
    weekday: int | None
    day: date | None

    def __post_init__(self) -> None:
        assert (self.weekday is None) != (self.day is None), "weekly or dated, not both"

    def is_on(self, day: date) -> bool:
        return self.day == day if self.day is not None else self.weekday == day.weekday()

    def span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when to when it lasts if it begins on this day. Empty where DST skips all of it."""
        return span(day, self.starts, self.ends, zone)


@lru_cache(_SPANS_KEPT)
def span(day: date, starts: time, ends: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to when these wall times last that begin on this day; `ends` at or before `starts` is a day later."""
    end_day = day if ends > starts else day + ONE_DAY
    return first_instant(day, starts, zone), last_instant(end_day, ends, zone)
