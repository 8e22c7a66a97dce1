"""The only place for who serves when: staff, their shifts, and the roster of a slot."""

from dataclasses import dataclass
from datetime import date, time

from widget_server.domain.wall_times import Stretch


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Somebody who serves bookings. `key` never changes: it stands in claims and diaries."""

    key: str
    name: str
    email: str | None = None
    """Where they are told of their bookings; None: they are not told."""
    services: frozenset[str] = frozenset()
    """Keys of the services they serve."""
    is_active: bool = True
    """False: has left. On no roster any more; who was assigned stays assigned."""


@dataclass(frozen=True, slots=True)
class Shift(Stretch):
    """A stretch of wall time in which a staff member serves: weekly (`weekday`, Monday is 0) or on one `day`.

    It lasts until the wall clock shows `ends` for the last time; `ends` at or before `starts` is on the next day.
    """

    staff: str
    starts: time
    ends: time
    weekday: int | None = None
    day: date | None = None
    services: frozenset[str] = frozenset()
    """Keys of the services served in it, of those the member serves at all; empty: all of them."""
    id: int | None = None
    """None until it is stored."""


@dataclass(frozen=True, slots=True)
class DayOff:
    """The weekly shifts of this member that begin on this day do not count; dated ones do."""

    staff: str
    day: date
    id: int | None = None
    """None until it is stored."""
