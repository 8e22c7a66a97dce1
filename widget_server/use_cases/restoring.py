"""The only place that writes a site anew while its gate is closed: what is booked, who serves it, and who is paying."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from widget_server.clock import Clock
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay
from widget_server.domain.payments import PAYMENT_WINDOW
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine.reservations import Reservations
from widget_server.errors import Loading
from widget_server.store.bookings import Bookings
from widget_server.use_cases.auditing import COUNTED_BACK_TO
from widget_server.use_cases.catalog import Catalog

TAKEOVER_AFTER = timedelta(seconds=2)
"""A rebuild that has given no sign of life for so long is taken for dead, and another process does it."""

_TEXT_AT_ONCE, _DAYS_AT_ONCE, _PINS_AT_ONCE = 8_000, 100, 50
"""Some 500 slots, or as many pins as are as quick: others that call Redis meanwhile wait some milliseconds at most."""
_UNDER_WAY_MAX = 4

Lines = Mapping[str, Sequence[str]]
"""Day -> those of its slots that have lines: `Inspection.days`."""


@dataclass(frozen=True, slots=True)
class Restored:
    slots: int
    pins: int
    """Of those who are paying."""
    lost: int
    """Pins that could not be had again, as their seats or people are others' by now."""


class Restoring:
    def __init__(self, *, catalog: Catalog, engine: Reservations, store: Bookings, clock: Clock) -> None:
        self._catalog = catalog
        self._engine = engine
        self._store = store
        self._clock = clock

    async def restore(self, site: Site, rebuilder: str, lines: Awaitable[Lines]) -> Restored:
        """All that SQL knows, under this rebuild. The epoch was raised before: nothing is confirmed meanwhile.

        Who is paying comes last, as pins must not stand in the way of what is booked. Raises Loading where the rebuild
        is another's by now.
        """
        first = (self._clock.now() - COUNTED_BACK_TO).date()
        (booked, waiting), found = await asyncio.gather(self._store.to_restore(site.id, first), lines)
        in_sql = {day for day, _ in booked}
        # Nothing is booked of days that only Redis knows: held ones, and those of a later SQL.
        only_here = [BookedDay(day, "") for day in found if day not in in_sql and _is_from(day, first)]
        days = _chunks([*booked, *only_here])
        slots = await _sum(self._engine.restore(site, rebuilder, TAKEOVER_AFTER, chunk, found) for chunk in days)
        await self.assign(site, rebuilder)
        pins = await self._pin(site, rebuilder, waiting)
        return Restored(slots, pins, lost=len(waiting) - pins)

    async def assign(self, site: Site, rebuilder: str = "") -> int:
        """Write who serves bookings, and drop who does no more; holds keep whom they have claimed."""
        mended = 0
        async for busy in self._store.assignments_to_come(site.id, self._clock.now() - COUNTED_BACK_TO):
            mended += await self._engine.assign(site, busy, rebuilder=rebuilder)
        return mended

    async def _pin(self, site: Site, rebuilder: str, waiting: Sequence[WaitingPin]) -> int:
        """As slots are offered by now, closed or not: these seats were taken in time."""
        if not waiting:
            return 0
        self._catalog.forget(site.key)  # capacities of an older schedule would do harm here
        schedule, now = (await self._catalog.find(site.key)).schedule, self._clock.now()

        def offers(pin: WaitingPin) -> tuple[WaitingPin, list[OfferedSlot]]:
            found = [(line.slot, schedule.find(line.slot)) for line in pin.lines]
            return pin, [offered or OfferedSlot(slot, 0) for slot, offered in found]

        chunks = (waiting[at : at + _PINS_AT_ONCE] for at in range(0, len(waiting), _PINS_AT_ONCE))
        return await _sum(
            self._engine.restore_pins(site, rebuilder, [offers(pin) for pin in chunk], window=PAYMENT_WINDOW, now=now)
            for chunk in chunks
        )


async def _sum(restoring: Iterable[Awaitable[int | None]]) -> int:
    """Some are under way at once, so that Redis works on one while the next is made."""
    count, under_way = 0, deque[asyncio.Task[int]]()
    try:
        for one in restoring:
            under_way.append(asyncio.create_task(_ours(one)))
            if len(under_way) >= _UNDER_WAY_MAX:
                count += await under_way.popleft()
        while under_way:
            count += await under_way.popleft()
    finally:
        for unfinished in under_way:
            unfinished.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return count


def _chunks(days: Sequence[BookedDay]) -> Iterator[list[BookedDay]]:
    chunk: list[BookedDay] = []
    length = 0
    for day in days:
        chunk.append(day)
        length += len(day.seats)
        if length >= _TEXT_AT_ONCE or len(chunk) >= _DAYS_AT_ONCE:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk


def _is_from(day: str, first: date) -> bool:
    """Whether it is that day of UTC or a later one, if it is a day at all."""
    with suppress(ValueError):
        return date.fromisoformat(day[-8:]) >= first
    return False


async def _ours(restoring: Awaitable[int | None]) -> int:
    restored = await restoring
    must_be_ours(restored is not None)
    return restored or 0


def must_be_ours(is_ours: bool) -> None:
    if not is_ours:
        raise Loading("Another process is filling this site.")
