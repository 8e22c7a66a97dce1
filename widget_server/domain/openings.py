"""The only place for what an operator says about when a service can be booked: openings, and rules for single slots."""

from dataclasses import dataclass
from datetime import date, time

from widget_server.domain.slots import Slot
from widget_server.domain.wall_times import Stretch


@dataclass(frozen=True, slots=True)
class Opening(Stretch):
    """A stretch of wall time in which a service is offered: weekly (`weekday`, Monday is 0) or on one `day`.

    It lasts until the wall clock shows `ends` for the last time; `ends` at or before `starts` is on the next day.
    """

    service: str
    starts: time
    ends: time
    weekday: int | None = None
    day: date | None = None
    whole: bool = False
    """False: slots of the service's length are cut from it. True: it is one typed slot, just as long as itself."""
    id: int | None = None
    """None until it is stored."""


@dataclass(frozen=True, slots=True)
class SlotRule:
    """What is said of one single slot, by its id and so by its instants, whatever becomes of openings and zone.

    There is at most one for a slot. A rule for a slot that is not offered, and not kept, says nothing.
    """

    slot: Slot
    is_closed: bool = False
    """Closed by the operator: those who booked it keep it, nobody else can."""
    capacity: int | None = None
    """FIXED: seats of this one slot in place of the service's. BY_SHIFT the roster says how many; only a kept slot
    that is not offered has at least so many."""
    is_kept: bool = False
    """Somebody had seats of it when an edit would have taken it away. It stays where it is, closed for all others
    for as long as it is not offered; and no other slot of its service is offered across it."""
