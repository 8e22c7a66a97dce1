"""The only place where openings become slots.

Slots of one service never overlap, however its openings do:

- A kept slot goes before everything, because somebody has seats of it.
- A typed slot goes before those that are cut; of two typed ones on one day the earlier goes first.
- Of two openings on one day the earlier goes first, and one that began on an earlier day before all of this day's.

A slot that is in the way of another one is not offered; the others of its opening stay where they are. It yields even
where the other one yields in turn: so each day is known from its neighbours, without going back for ever.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from widget_server.domain.openings import Opening
from widget_server.domain.services import Service
from widget_server.domain.slots import Slot
from widget_server.domain.spans import NOTHING, Spans
from widget_server.domain.timetable import DAYS_LOOKED_UP, Timetable, days_near
from widget_server.domain.wall_times import MIDNIGHT, ONE_DAY, day_at, first_instant

_TWO_DAYS = timedelta(days=2)


class Cutting:
    """What the openings of a site offer, before anybody asks who serves it and whether it is closed."""

    def __init__(
        self, zone: ZoneInfo, services: Mapping[str, Service], openings: Iterable[Opening], kept: Iterable[Slot]
    ) -> None:
        self._zone = zone
        self._services = services
        by_service: defaultdict[tuple[str, bool], list[Opening]] = defaultdict(list)
        for opening in openings:
            by_service[opening.service, opening.whole].append(opening)
        self._openings = {key: Timetable(zone, of_service) for key, of_service in by_service.items()}
        self._kept: defaultdict[str, set[Slot]] = defaultdict(set)
        self._kept_on: defaultdict[tuple[str, date], list[Slot]] = defaultdict(list)
        for slot in sorted(kept):
            self._kept[slot.service].add(slot)
            self._kept_on[slot.service, day_at(slot.starts_at, zone)].append(slot)
        self._kept_spans = {key: _spans_of(slots) for key, slots in self._kept.items()}
        self._typed_on = lru_cache(DAYS_LOOKED_UP)(self._type_out)
        self._cut_on = lru_cache(DAYS_LOOKED_UP)(self._cut_out)

    def starting_on(self, service: str, day: date) -> list[Slot]:
        """The slots that start on this day of the site's zone, in order, none overlapping another or a kept one."""
        midnight, next_midnight = (first_instant(d, MIDNIGHT, self._zone) for d in (day, day + ONE_DAY))
        kept, kept_spans = self._kept.get(service, ()), self._kept_spans.get(service, NOTHING)
        found = [
            slot
            for opened_on in (day - _TWO_DAYS, day - ONE_DAY, day)
            for slot in self._granted(service, opened_on)
            if midnight <= slot.starts_at < next_midnight
            and (not kept_spans.meet(slot.starts_at, slot.ends_at) or slot in kept)
        ]
        return sorted(found, key=_starts_at)

    def openings_on(self, service: str, day: date) -> Iterator[tuple[datetime, datetime, Opening]]:
        """The openings that begin on this day, with their instants."""
        for whole in (False, True):
            if openings := self._openings.get((service, whole)):
                yield from openings.on(day)

    def kept_on(self, service: str, day: date) -> list[Slot]:
        """The kept slots that start on this day, in order, whether something offers them or not."""
        return self._kept_on.get((service, day), [])

    def _granted(self, service: str, day: date) -> Iterator[Slot]:
        """The slots of openings that begin on this day, without those in the way of others."""
        earlier = (day - ONE_DAY, day - _TWO_DAYS)
        typed_before = _spans_of(slot for before in earlier for slot in self._typed_on(service, before))
        for slot in self._typed_on(service, day):
            if not typed_before.meet(slot.starts_at, slot.ends_at):
                yield slot
        typed = _spans_of(slot for near in days_near(day) for slot in self._typed_on(service, near))
        before = [slots for d in earlier if (slots := self._cut_on(service, d))]
        taken_until = max((slots[-1].ends_at for slots in before), default=None)
        for slot in self._cut_on(service, day):
            in_time = taken_until is None or taken_until <= slot.starts_at
            if in_time and not typed.meet(slot.starts_at, slot.ends_at):
                yield slot

    def _type_out(self, service: str, day: date) -> tuple[Slot, ...]:
        typed = self._openings.get((service, True))
        slots: list[Slot] = []
        for starts_at, ends_at, _ in typed.on(day) if typed else ():
            if not slots or slots[-1].ends_at <= starts_at:
                slots.append(Slot(service, starts_at, ends_at))
        return tuple(slots)

    def _cut_out(self, service: str, day: date) -> tuple[Slot, ...]:
        openings, of_service = self._openings.get((service, False)), self._services[service]
        length = timedelta(minutes=of_service.length_min)
        stride = length + timedelta(minutes=of_service.buffer_before_min + of_service.buffer_after_min)
        slots: list[Slot] = []
        for starts_at, ends_at, _ in openings.on(day) if openings else ():
            for start in _cut(starts_at, ends_at - length, stride):
                if not slots or slots[-1].ends_at <= start:
                    slots.append(Slot(service, start, start + length))
        return tuple(slots)


def _cut(first: datetime, last: datetime, stride: timedelta) -> Iterator[datetime]:
    start = first
    while start <= last:
        yield start
        start += stride


def _spans_of(slots: Iterable[Slot]) -> Spans:
    return Spans((slot.starts_at, slot.ends_at) for slot in slots)


def _starts_at(slot: Slot) -> datetime:
    return slot.starts_at
