"""A site with its engine and feed in memory: small fakes that let a test decide when an update or an answer arrives."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tests.domain.schedules import BERLIN, daily, service
from widget_server.domain.claims import Diary
from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Seats, Slot
from widget_server.engine.feed import Lost
from widget_server.errors import Loading, Unavailable
from widget_server.live.hub import Hub
from widget_server.use_cases.availability import Availability
from widget_server.use_cases.catalog import Catalog

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
FIRST, LAST = date(2026, 11, 21), date(2026, 11, 23)
SLOTS = [f"yoga.202611{day}T{hour:02}00Z.60" for day in (22, 23) for hour in (8, 9, 10)]


@dataclass
class Clock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def studio(version: int = 1, epoch: int = 1, key: str = "studio") -> Site:
    return Site(
        id=1,
        key=key,
        name="Studio",
        zone=BERLIN,
        currency="EUR",
        locale="en",
        accent="#336699",
        theme="auto",
        holds_on=True,
        hold_minutes=10,
        origins=(),
        partition="tenuto",
        epoch=epoch,
        schedule_version=version,
    )


@dataclass
class Store:
    """SQL's side: what the site is and offers, and how often it was asked."""

    sites: dict[str, Site] = field(default_factory=lambda: {"studio": studio(), "other": studio(key="other")})
    services: tuple[str, ...] = ("yoga",)
    reads: int = 0

    async def by_key(self, key: str) -> Site | None:
        self.reads += 1
        return self.sites.get(key)

    async def load(self, site_id: int) -> Schedule:
        version = self.sites["studio"].schedule_version
        services = {key: service(key, capacity=10 + version) for key in self.services}
        return Schedule(version, BERLIN, services, tuple(daily("yoga", time(9), time(12))))

    async def catch_up(self, site: Site, gate_version: int) -> None:
        self.set_version(gate_version)

    def set_version(self, version: int) -> None:
        for key, site in self.sites.items():
            self.sites[key] = replace(site, schedule_version=max(version, site.schedule_version))


@dataclass
class Engine:
    """Redis's side: seats and the gate, and a feed that is only read up to where the test lets it be."""

    epoch: int = 1
    schedule_version: int = 1
    seats: dict[str, Seats] = field(default_factory=dict)
    written: list[Update] = field(default_factory=list)
    reads: int = 0
    slow: asyncio.Event = field(default_factory=asyncio.Event)
    is_gone: bool = False
    is_empty: bool = False
    is_poisoned: bool = False
    """The next to follow the feed meets something that nobody thought of."""
    fillings: int = 0
    losses: int = 0
    _delivered: asyncio.Queue[list[Update] | Lost] = field(default_factory=asyncio.Queue)
    _next: int = 0

    def __post_init__(self) -> None:
        self.slow.set()

    def move(self, slot_id: str, *, held: int = 1, site: str = "studio") -> None:
        version = self.seats.get(slot_id, Seats()).version + 1
        self.seats[slot_id] = Seats(held=held, booked=version % 3, version=version, frees_at=NOW + timedelta(minutes=9))
        states = ((slot_id, self.seats[slot_id]),)
        self.written.append(SeatsMoved(site, self._id(), self.epoch, states, cause="hold", holds_text="secret"))

    def raise_schedule(self, *, settled: bool = False) -> None:
        self.schedule_version += not settled
        self.written.append(ScheduleMoved("studio", self._id(), self.epoch, self.schedule_version, settled))

    def reset(self) -> None:
        """All holds are gone and versions start again, as after a rebuild."""
        self.epoch += 1
        self.seats = {}
        self.written.append(SiteReset("studio", self._id(), self.epoch))

    async def deliver(self, count: int | None = None) -> None:
        until = len(self.written) if count is None else min(self._next + count, len(self.written))
        if self.written[self._next : until]:
            self._delivered.put_nowait(self.written[self._next : until])
            self._next = until
        await settled()

    async def lose(self, how: type[Lost] = Lost) -> None:
        """The follower learns that it may have missed something: it has missed all that was not delivered."""
        self._next = len(self.written)
        self._delivered.put_nowait(how(self._id(0)))
        await settled()

    async def seats_of_days(
        self, site: Site, service: str, days: Sequence[date]
    ) -> tuple[str, int, int, Mapping[str, Seats]]:
        self.reads += 1
        if self.is_gone:
            raise Unavailable("Redis is not there.")
        if self.is_empty:
            raise Loading("Redis is being filled.")
        feed_id, gate, epoch = self._id(0), self.schedule_version, self.epoch
        found = {
            slot_id: seats
            for slot_id, seats in self.seats.items()
            if Slot.parse(slot_id).service == service and Slot.parse(slot_id).starts_at.date() in days
        }
        await self.slow.wait()  # the reply is on its way
        return feed_id, gate, epoch, found

    async def days_and_diaries(
        self, site: Site, days: Sequence[tuple[str, date]], diaries: Sequence[tuple[str, date]]
    ) -> tuple[tuple[str, int, int, Mapping[str, Seats]], Mapping[tuple[str, date], Diary]]:
        """Its slots need nobody: how those who are needed are read is for tests with a real Redis."""
        raise NotImplementedError

    async def ensure_loaded(self, site_key: str) -> None:
        self.fillings += 1
        self.is_empty = False

    def hear_of_loss(self, partition: str, feed_id: str) -> None:
        """Whoever looks after losses is for tests with a real Redis."""
        self.losses += 1

    async def stand_in(self, partition: str) -> None:
        """Likewise."""

    async def last_id(self, partition: str) -> str:
        if self.is_gone:
            raise Unavailable("Redis is not there.")
        self._next = len(self.written)
        return self._id(0)

    async def tail(self, partition: str, count: int) -> Sequence[Update]:
        return self.written[-count:]

    async def follow(self, partition: str, from_id: str | None = None) -> AsyncIterator[list[Update] | Lost]:
        while True:
            news = await self._delivered.get()
            if self.is_poisoned:
                self.is_poisoned = False
                raise ValueError("nobody thought of this")
            yield news

    async def say_nothing_new(self) -> None:
        self._delivered.put_nowait([])
        await settled()

    def _id(self, ahead: int = 1) -> str:
        return f"{1000 + len(self.written) + ahead}-0"


async def settled() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


class Studio:
    """One process that serves the site. Use it as a context: inside, the feed is followed."""

    def __init__(self) -> None:
        self.store, self.engine, self.clock = Store(), Engine(), Clock()
        self.hub = Hub(clock=self.clock)
        self.catalog = Catalog(self.store, self.store)
        self.availability = Availability(
            catalog=self.catalog,
            engine=self.engine,
            feed=self.engine,
            hub=self.hub,
            scheduling=self.store,
            reconciliation=self.engine,
            clock=self.clock,
        )
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Studio":
        self._following = asyncio.create_task(self.availability.follow("tenuto"))
        await settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._following is not None
        self._following.cancel()
        await asyncio.wait([self._following])
        self.hub.goodbye()

    async def month(self, site_key: str = "studio", first: date = FIRST, last: date = LAST) -> dict[str, Any]:
        month = await self.availability.month(site_key, "yoga", first, last)
        answer: dict[str, Any] = json.loads(month.body)
        return answer

    async def versions(self) -> dict[str, int]:
        """Slot -> version, of slots that somebody has touched."""
        return {slot["id"]: slot["version"] for slot in (await self.month())["slots"] if slot["version"]}

    def reset(self) -> None:
        """Redis is filled anew. SQL hears of the new epoch first."""
        for key, site in self.store.sites.items():
            self.store.sites[key] = replace(site, epoch=site.epoch + 1)
        self.engine.reset()

    def true_versions(self) -> dict[str, int]:
        return {slot_id: seats.version for slot_id, seats in self.engine.seats.items()}
