"""The only place that keeps why nothing can be booked on days of an answer, for as long as that stays true."""

from datetime import date, datetime

from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import UNTOUCHED, Seats
from widget_server.domain.why_not import why_not


class Reasons:
    """Of one service in one version of its schedule. Whether seats are left is not asked here: that changes."""

    def __init__(self, schedule: Schedule, service: str) -> None:
        self._schedule = schedule
        self._service = service
        self._known: dict[date, tuple[datetime | None, str]] = {}

    def of(self, day: date, now: datetime) -> str:
        """Why nothing can be booked on a day none of whose slots is open, held or full.

        What nothing offers is known for good until its day has come. Everything else is looked at again each minute,
        as all deadlines of slots are at whole minutes.
        """
        minute = now.replace(second=0, microsecond=0)
        is_ahead = day > self._schedule.day_of(now)
        known = self._known.get(day)
        if known is None or (known[0] != minute and not (known[0] is None and is_ahead)):
            lasts = is_ahead and not self._schedule.slots_on(self._service, day)
            known = self._known[day] = (None if lasts else minute, self._look_at(day, now))
        return known[1]

    def _look_at(self, day: date, now: datetime) -> str:
        found = why_not(self._schedule, self._service, day, _untouched, now)
        assert found is not None, "only asked where all is closed"
        return found.reason


def _untouched(slot_id: str) -> Seats:
    return UNTOUCHED
