"""The only place that knows where an instant stands in a drawn week: how far down, on days of 23, 24 and 25 hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from widget_server.domain.wall_times import MIDNIGHT, ONE_DAY, first_instant

HOUR_MIN, DAY_MIN = 60, 24 * 60
_MINUTE = timedelta(minutes=1)

Stretch = tuple[int, int]
"""From a minute of the axis on, up to another one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The beginning of an hour, as the clock shows it."""

    minute: int
    hour: int
    is_again: bool = False
    """Shown by the clock for the second time on that day."""


class Axis:
    """One for all days of a week: the same wall time is at the same height on each of them.

    Where clocks are put back on one of the days, the hour that they show twice has two rows, and the other days have
    nothing in the second one. Where they are put forward, that day has nothing in the hour that they skip.
    """

    def __init__(self, days: Sequence[date], zone: ZoneInfo) -> None:
        self._zone = zone
        self._bounds = {
            day: (first_instant(day, MIDNIGHT, zone), first_instant(day + ONE_DAY, MIDNIGHT, zone)) for day in days
        }
        self._skipped = {day: _skipped(*self._bounds[day], zone) for day in days}
        self._repeated_on: date | None = None
        self._repeated: Stretch | None = None
        for day, bounds in self._bounds.items():
            if self._repeated is None and (found := _repeated(*bounds, zone)) is not None:
                self._repeated_on, self._repeated = day, found
        self.length = DAY_MIN + (self._repeated[1] - self._repeated[0] if self._repeated else 0)

    def minute(self, day: date, at: datetime) -> int:
        """Of an instant, as far as this day goes: what is before it is at the top, what is after at the bottom."""
        begins, ends = self._bounds[day]
        if at <= begins or at >= ends:
            return 0 if at <= begins else self.length
        local = at.astimezone(self._zone)
        return self._row(local.hour * HOUR_MIN + local.minute, is_again=local.fold == 1)

    def hours(self, day: date) -> int:
        """How many full hours this day has."""
        begins, ends = self._bounds[day]
        return (ends - begins) // timedelta(hours=1)

    def missing(self, day: date) -> list[Stretch]:
        """Rows in which this day has no time at all."""
        found = []
        if (skipped := self._skipped[day]) is not None:
            found.append((self._row(skipped[0]), self._row(skipped[1])))
        if self._repeated is not None and day != self._repeated_on:
            found.append((self._repeated[1], 2 * self._repeated[1] - self._repeated[0]))
        return found

    def marks(self, first: int, last: int) -> list[Mark]:
        """Each full hour from one minute of the axis to another."""
        marks = [Mark(self._row(hour * HOUR_MIN), hour) for hour in range(24)]
        if self._repeated is not None:
            from_min, until_min = self._repeated
            again = range(-(-from_min // HOUR_MIN), -(-until_min // HOUR_MIN))
            marks += [Mark(self._row(hour * HOUR_MIN, is_again=True), hour, is_again=True) for hour in again]
        return sorted((mark for mark in marks if first <= mark.minute < last), key=lambda mark: mark.minute)

    def _row(self, wall_min: int, *, is_again: bool = False) -> int:
        if self._repeated is None:
            return wall_min
        from_min, until_min = self._repeated
        is_below = wall_min >= until_min or (is_again and wall_min >= from_min)
        return wall_min + (until_min - from_min if is_below else 0)


def lanes(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """For each of these, in order of their starts: in which lane it lies, and how many lie beside each other there."""
    lane_of: list[int] = []
    ends: list[int] = []
    counted: list[tuple[int, int]] = []
    for starts, until in stretches:
        if ends and starts >= max(ends):
            counted += [(lane, len(ends)) for lane in lane_of]
            lane_of, ends = [], []
        free = next((lane for lane, ended in enumerate(ends) if ended <= starts), len(ends))
        ends[free : free + 1] = [until]
        lane_of.append(free)
    return counted + [(lane, len(ends)) for lane in lane_of]


def _repeated(begins: datetime, ends: datetime, zone: ZoneInfo) -> Stretch | None:
    """The wall times that this day has twice."""
    put_back = _offset(begins, zone) - _offset(ends - _MINUTE, zone)
    if put_back <= timedelta(0):
        return None
    from_min = _wall(_changes_at(begins, ends, zone), zone)
    return from_min, min(DAY_MIN, from_min + put_back // _MINUTE)


def _skipped(begins: datetime, ends: datetime, zone: ZoneInfo) -> Stretch | None:
    """The wall times that this day does not have."""
    if begins < ends and (wall := _wall(begins, zone)) > 0:
        return 0, wall
    put_forward = _offset(ends - _MINUTE, zone) - _offset(begins, zone)
    if put_forward <= timedelta(0):
        return None
    until_min = _wall(_changes_at(begins, ends, zone), zone)
    return until_min - put_forward // _MINUTE, until_min


def _changes_at(begins: datetime, ends: datetime, zone: ZoneInfo) -> datetime:
    """The first minute of the day's last offset."""
    before, after = begins, ends - _MINUTE
    while after - before > _MINUTE:
        middle = before + (after - before) // (2 * _MINUTE) * _MINUTE
        if _offset(middle, zone) == _offset(begins, zone):
            before = middle
        else:
            after = middle
    return after


def _wall(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return local.hour * HOUR_MIN + local.minute


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).replace(tzinfo=UTC) - at.astimezone(UTC)
