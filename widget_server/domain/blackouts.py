"""The only place for when nothing can be booked, whatever else says: blackouts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from widget_server.domain.spans import NOTHING, Span, Spans
from widget_server.domain.timetable import days_near
from widget_server.domain.wall_times import MIDNIGHT, span

REASON_LETTERS_MAX = 200
YEARLY_DAYS_MAX = 365


@dataclass(frozen=True, slots=True)
class Blackout:
    """Nothing can be booked then: of the whole site, of one service, or with one staff member.

    It is on every day from `first_day` to `last_day`, both included, that is one of its `weekdays`.
    """

    first_day: date
    last_day: date | None
    """None: for ever."""
    service: str | None = None
    staff: str | None = None
    """The member is off the roster of every slot that overlaps it; others serve on."""
    starts: time | None = None
    ends: time | None = None
    """Of each of its days, at or before `starts`: on the next day. Both None: whole days."""
    weekdays: frozenset[int] = frozenset()
    """Monday is 0; empty: all."""
    yearly: bool = False
    """On the same days of every later year, too, by month and day. 29 February is there in leap years only."""
    reason: str = ""
    """For operators, staff as well: their diaries show it."""
    id: int | None = None
    """None until it is stored."""

    def __post_init__(self) -> None:
        assert self.service is None or self.staff is None, "of a service or of a staff member, not both"
        assert (self.starts is None) == (self.ends is None), "two times or none"
        assert self.last_day is None or self.first_day <= self.last_day, "days in order"
        if self.yearly:
            assert self.last_day is not None, "what is yearly has a last day"
            assert (self.last_day - self.first_day).days < YEARLY_DAYS_MAX, "and begins anew before it has ended"

    @property
    def is_of_site(self) -> bool:
        return self.service is None and self.staff is None

    @property
    def is_ever(self) -> bool:
        """Whether any of its days is one of its weekdays; what comes back every year gets to each of them."""
        if self.last_day is None or self.yearly or not self.weekdays:
            return True
        days = min((self.last_day - self.first_day).days, 6)
        return any(self.is_on(self.first_day + timedelta(days=n)) for n in range(days + 1))

    def is_on(self, day: date) -> bool:
        if day < self.first_day or (self.weekdays and day.weekday() not in self.weekdays):
            return False
        if self.last_day is None or day <= self.last_day:
            return True
        return self.yearly and _is_in_year(day, self.first_day, self.last_day)

    def span(self, day: date, zone: ZoneInfo) -> Span:
        """From when to when it lasts if it is on this day."""
        return span(day, self.starts or MIDNIGHT, self.ends or MIDNIGHT, zone)


def spans_near(blackouts: Iterable[Blackout], day: date, zone: ZoneInfo) -> Spans:
    """All that a slot which starts on this day may meet."""
    near = days_near(day)
    found = [one.span(on, zone) for one in blackouts for on in near if one.is_on(on)]
    return Spans(found) if found else NOTHING


def _is_in_year(day: date, first: date, last: date) -> bool:
    """By month and day, whatever the year; over New Year too."""
    of_day, of_first, of_last = ((d.month, d.day) for d in (day, first, last))
    if of_first <= of_last:
        return of_first <= of_day <= of_last
    return of_day >= of_first or of_day <= of_last
