"""The only place for when nothing can be booked, whatever else says: blackouts."""

from dataclasses import dataclass
from datetime import date, time

REASON_LETTERS_MAX = 200


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
    """For the operator's eyes only."""
    id: int | None = None
    """None until it is stored."""

    def __post_init__(self) -> None:
        assert self.service is None or self.staff is None, "of a service or of a staff member, not both"
        assert (self.starts is None) == (self.ends is None), "two times or none"
        assert self.last_day is None or self.first_day <= self.last_day, "days in order"
        assert not self.yearly or self.last_day is not None, "what is yearly has a last day within its year"

    @property
    def is_of_site(self) -> bool:
        return self.service is None and self.staff is None
