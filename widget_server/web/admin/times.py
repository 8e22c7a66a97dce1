"""The only place that reads times and days that somebody typed in rows of a form."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from widget_server.domain.slots import YEAR_MAX, YEAR_MIN
from widget_server.web.forms import Form

_TIME = re.compile(r"([01]?\d|2[0-3])[:.h]?([0-5]\d)?", re.ASCII)
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Row:
    """A start and an end as they were typed, under the names that their fields have."""

    prefix: str
    form: Form

    def text(self, field: str) -> str:
        return self.form.text(f"{self.prefix}-{field}")

    @property
    def is_blank(self) -> bool:
        return not self.text("starts") and not self.text("ends")

    @property
    def is_gone(self) -> bool:
        return self.text("gone") == "on"

    def refuse(self, why: str, field: str = "starts") -> None:
        self.form.refuse(f"{self.prefix}-{field}", why)

    def span(self) -> tuple[time, time] | None:
        """None where it is no span; what is wrong stands in the form's errors."""
        starts, ends = parse_time(self.text("starts")), parse_time(self.text("ends"))
        if starts is None or ends is None:
            self.refuse("Enter when it starts and when it ends, such as 09:00 and 17:30.")
            return None
        if starts == ends:
            self.refuse("Start and end are the same.")
            return None
        return starts, ends


def rows_of(form: Form, kind: str) -> Iterator[Row]:
    """All rows of this kind, in the order of their numbers, without blank ones and those that are to go."""
    for number in numbers_of(form, kind):
        row = Row(f"{kind}-{number}", form)
        if not row.is_blank and not row.is_gone:
            yield row


def numbers_of(form: Form, kind: str) -> list[int]:
    pattern = re.compile(rf"{kind}-(\d{{1,5}})-[a-z]+", re.ASCII)
    return sorted({int(match[1]) for name in form.values if (match := pattern.fullmatch(name))})


def refuse_overlaps(rows: list[tuple[Row, time, time]]) -> None:
    """Of one day: whatever begins before the one before it ends."""
    until, from_text = -1, ""
    for row, starts, ends in sorted(rows, key=lambda each: (each[1], each[2])):
        begins, length = _minutes(starts), (_minutes(ends) - _minutes(starts)) % _DAY_MINUTES
        if begins < until:
            row.refuse(f"It begins before the one from {from_text} ends.")
        if begins + length > until:
            until, from_text = begins + length, f"{starts:%H:%M}"


def parse_time(typed: str) -> time | None:
    """`9:30`, `09.30`, `0930` or `9`."""
    match = _TIME.fullmatch(typed)
    return time(int(match[1]), int(match[2] or 0)) if match else None


def parse_day(typed: str) -> date | None:
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return None
    return day if YEAR_MIN <= day.year <= YEAR_MAX and len(typed) == len("2026-11-21") else None


def parse_week(typed: str) -> date | None:
    """The first day of a week that lies within the years of slots, in whatever zone."""
    first = parse_day(typed)
    if first is None or first == date(YEAR_MIN, 1, 1) or (first + timedelta(days=7)).year > YEAR_MAX:
        return None
    return first


def said_span(starts: time | datetime, ends: time | datetime) -> str:
    """As people write a start and an end."""
    return f"{starts:%H:%M}\u2013{ends:%H:%M}"


def _minutes(wall: time) -> int:
    return wall.hour * 60 + wall.minute
