"""The only place that knows the seats of slots that need somebody, as visitors are to see them, under one schedule."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from widget_server.domain.claims import days_touched, seats_with_claims, touches
from widget_server.domain.events import SeatsMoved
from widget_server.domain.schedule import CapacityRule, Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Need, OfferedSlot, Seats, Slot
from widget_server.use_cases.known_diaries import DiaryDay
from widget_server.use_cases.known_seats import DayKey, KnownSeats

SEATS_MAX = 20_000
"""Slots whose seats are kept worked out."""
_DAYS_MAX = 10_000
_REACH = timedelta(days=2)
"""What begins on a day ends on the next, and a zone may skip a whole one in between."""

Wanted = Mapping[date, set[str]]
"""Names by day of UTC, whose diaries are needed."""


def is_shared(schedule: Schedule) -> bool:
    """Whether it has services that are served by people who may be taken elsewhere."""
    return any(service.capacity_rule is CapacityRule.BY_SHIFT for service in schedule.services.values())


def diaries_of(slots: Iterable[OfferedSlot]) -> Wanted:
    """Whose diaries say what is left of these slots."""
    wanted: defaultdict[date, set[str]] = defaultdict(set)
    for need in (need for offered in slots for need in offered.needs):
        for day in days_touched(need):
            wanted[day].update(need.candidates)
    return dict(wanted)


class Served:
    """What is worked out is kept until a seat of the slot moves, or a diary of its day."""

    def __init__(self, site: Site, schedule: Schedule, seats: KnownSeats) -> None:
        self.site = site
        self.schedule = schedule
        self.known = seats
        shared = [one for one in schedule.services.values() if one.capacity_rule is CapacityRule.BY_SHIFT]
        self._keys = [service.key for service in shared]
        self._before = timedelta(minutes=max((one.buffer_before_min for one in shared), default=0))
        self._after = timedelta(minutes=max((one.buffer_after_min for one in shared), default=0))
        self._busy: dict[DayKey, tuple[datetime, datetime] | None] = {}
        self._worked_out: dict[str, _WorkedOut] = {}

    def knows(self, days: Sequence[DayKey], diaries: Wanted) -> bool:
        return self.known.knows(days) and self.known.diaries.knows(diaries)

    def seats_of(self, offered: OfferedSlot) -> Seats:
        return self.seats((offered.slot.service, offered.slot.starts_at.date()), offered.slot.id)

    def seats(self, day: DayKey, slot_id: str) -> Seats:
        """Of a slot whose day and diaries are known."""
        own, kept = self.known.seats(day, slot_id), self._worked_out.get(slot_id)
        if kept is None:
            kept = self._keep(slot_id)
        return kept.seats(own, self.known.diaries.days, self.schedule.version)

    def moved_by(self, update: SeatsMoved) -> list[OfferedSlot]:
        """The slots that this update may change anything of, which need somebody."""
        own = (self.schedule.find(Slot.parse(slot_id)) for slot_id, _ in update.seats)
        moved = {offered.slot: offered for offered in own if offered is not None and offered.needs}
        taken = {(moved.claimed, moved.claim.busy_from, moved.claim.busy_until): moved for moved in update.claims}
        for one in taken.values():
            for offered, need in self._near(one.claim.busy_from, one.claim.busy_until):
                if touches(one.claim, need) and one.claimed in need.candidates:
                    moved[offered.slot] = offered
        return list(moved.values())

    def _near(self, begins: datetime, ends: datetime) -> Iterable[tuple[OfferedSlot, Need]]:
        """The slots of all days on which some are busy between these instants, with what they need."""
        first = self.schedule.day_of(begins - self._after - _REACH)
        days = (self.schedule.day_of(ends + self._before) - first).days
        for day in (first + timedelta(days=n) for n in range(days + 1)):
            for key in self._keys:
                busy = self._busy_on(key, day)
                if busy is not None and busy[0] < ends and busy[1] > begins:
                    yield from (
                        (offered, need) for offered in self.schedule.slots_on(key, day) for need in offered.needs
                    )

    def _busy_on(self, service: str, day: date) -> tuple[datetime, datetime] | None:
        """From when to when anybody is needed by what begins on this day; None where nobody is."""
        if (service, day) not in self._busy:
            if len(self._busy) >= _DAYS_MAX:
                self._busy.clear()
            needs = [need for offered in self.schedule.slots_on(service, day) for need in offered.needs]
            busy = (min(need.busy_from for need in needs), max(need.busy_until for need in needs)) if needs else None
            self._busy[service, day] = busy
        return self._busy[service, day]

    def _keep(self, slot_id: str) -> "_WorkedOut":
        offered = self.schedule.find(Slot.parse(slot_id))
        assert offered is not None, "only what is offered is asked for"
        if len(self._worked_out) >= SEATS_MAX:
            self._worked_out.clear()
        kept = self._worked_out[slot_id] = _WorkedOut(offered)
        return kept


class _WorkedOut:
    __slots__ = ("_days", "_offered", "_own", "_seats", "_stamps")

    def __init__(self, offered: OfferedSlot) -> None:
        self._offered = offered
        self._days = tuple(dict.fromkeys(day for need in offered.needs for day in days_touched(need)))
        self._own: Seats | None = None
        self._stamps: list[int] = []
        self._seats = Seats()

    def seats(self, own: Seats, diaries: Mapping[date, DiaryDay], schedule_version: int) -> Seats:
        """The same object as before, unless something has changed."""
        if not self._days:
            return own
        stamps = [diaries[day].stamp for day in self._days]
        if own is not self._own or stamps != self._stamps:
            self._own, self._stamps = own, stamps
            seats = seats_with_claims(self._offered, own, diaries, schedule_version=schedule_version)
            self._seats = self._seats if seats == self._seats else seats
        return self._seats
