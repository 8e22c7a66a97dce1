"""The only place that says lengths of time in words, for lists to choose from."""

from collections.abc import Sequence

from widget_server.web.admin.choices import Choice

HOUR, DAY = 60, 24 * 60
NOTICES = (0, 15, 30, HOUR, 2 * HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY)
CANCELLATIONS = (0, HOUR, 2 * HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY)
REMINDERS = (0, 1, 2, 4, 12, 24, 48, 72, 168)
"""In hours."""
HORIZONS = (7, 14, 30, 60, 90, 180, 365, 730)


def in_minutes(lengths: Sequence[int], present: int, *, none: str) -> tuple[Choice, ...]:
    """The present one is there too, whatever it is."""
    return tuple(Choice(str(n), spelled(n) if n else none) for n in sorted({*lengths, present}))


def in_hours(lengths: Sequence[int], present: int, *, none: str) -> tuple[Choice, ...]:
    return tuple(Choice(str(n), spelled(n * HOUR) if n else none) for n in sorted({*lengths, present}))


def in_days(lengths: Sequence[int], present: int) -> tuple[Choice, ...]:
    return tuple(Choice(str(n), _count(n, "day")) for n in sorted({*lengths, present}))


def spelled(minutes: int) -> str:
    """`90` is `1 hour 30 minutes`."""
    days, rest = divmod(minutes, DAY)
    hours, left = divmod(rest, HOUR)
    parts = [_count(n, unit) for n, unit in ((days, "day"), (hours, "hour"), (left, "minute")) if n]
    return " ".join(parts) or "0 minutes"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
