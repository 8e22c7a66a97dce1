"""The only place that says why a day has nothing to book, and which day has something."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from widget_server.domain.schedule import Bar, Schedule
from widget_server.domain.slots import OfferedSlot, Seats, SlotState

SEARCH_DAYS_MAX = 366

SeatsOf = Callable[[str], Seats]
"""What is taken of a slot, by its id."""


class Reason(StrEnum):
    """In the order in which they are told, where several are true."""

    PAST = "past"
    ALL_HELD = "all_held"
    """No seats are left, but some are only held: they may free up."""
    ALL_FULL = "all_full"
    TOO_FAR = "too_far"
    TOO_SOON = "too_soon"
    NO_SHIFTS = "no_shifts"
    """The service is open, and nobody who serves it is on shift yet."""
    BLACKOUT = "blackout"
    CLOSED = "closed"
    """By the operator: single slots of it, or the whole service."""
    OUTSIDE_OPENING_HOURS = "outside_opening_hours"


@dataclass(frozen=True, slots=True)
class WhyNot:
    reason: Reason
    until: datetime | None = None
    """ALL_HELD: when seats free up at the earliest, if that can be said. TOO_FAR: when the day opens."""


def why_not(schedule: Schedule, service: str, day: date, seats_of: SeatsOf, now: datetime) -> WhyNot | None:
    """Why nothing of this service can be booked on a day of the site's zone; None if something can.

    What has begun by now is no reason, unless there is no other.
    """
    if day < schedule.day_of(now):
        return WhyNot(Reason.PAST)
    ahead = [offered for offered in schedule.slots_on(service, day) if offered.slot.starts_at > now]
    open_to_some = [(offered.state(seats := seats_of(offered.slot.id), now), seats) for offered in ahead]
    states = {state for state, _ in open_to_some}
    if SlotState.OPEN in states:
        return None
    if SlotState.HELD in states:
        frees = [seats.frees_at for state, seats in open_to_some if state is SlotState.HELD and seats.frees_at]
        return WhyNot(Reason.ALL_HELD, min(frees, default=None))
    if SlotState.FULL in states:
        return WhyNot(Reason.ALL_FULL)
    return _untimely(ahead, now) or _not_offered(schedule, service, day, ahead, now)


def next_date(
    schedule: Schedule, service: str, first: date, last: date, seats_of: SeatsOf, now: datetime
) -> date | None:
    """The first day from `first` to `last`, both included, on which something can be booked now.

    Whoever has to read seats goes a month at a time; never more than SEARCH_DAYS_MAX days. Days that are past, or
    beyond the horizon of the service, cost nothing.
    """
    assert (last - first).days < SEARCH_DAYS_MAX, "a search has an end"
    today = schedule.day_of(now)
    day = max(first, today)
    while day <= min(last, today + timedelta(days=schedule.services[service].horizon_days)):
        if any(o.state(seats_of(o.slot.id), now) is SlotState.OPEN for o in schedule.slots_on(service, day)):
            return day
        day += timedelta(days=1)
    return None


def _untimely(ahead: list[OfferedSlot], now: datetime) -> WhyNot | None:
    """All that are ahead are closed: some of them only by the clock?"""
    for offered in ahead:
        if not offered.is_closed and offered.is_too_far(now):
            return WhyNot(Reason.TOO_FAR, offered.bookable_from)
    if any(not offered.is_closed for offered in ahead):
        return WhyNot(Reason.TOO_SOON)
    return None


def _not_offered(schedule: Schedule, service: str, day: date, ahead: list[OfferedSlot], now: datetime) -> WhyNot:
    cut = list(schedule.cut_on(service, day))
    bars = {one.bar for one in cut if one.slot.starts_at > now}
    if Bar.NO_SHIFTS in bars:
        return WhyNot(Reason.NO_SHIFTS)
    if Bar.BLACKOUT in bars:
        return WhyNot(Reason.BLACKOUT)
    if Bar.WITHDRAWN in bars or ahead:
        return WhyNot(Reason.CLOSED)
    return WhyNot(Reason.PAST if cut else Reason.OUTSIDE_OPENING_HOURS)
