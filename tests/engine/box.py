"""A site in a Redis, with its clock in our hands and short ways to say who does what."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from widget_server.clock import from_ms
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay, BookedSeats
from widget_server.domain.holds import Hold, Line
from widget_server.domain.orders import Claimed
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX
from widget_server.domain.sites import Site
from widget_server.domain.slots import Need, OfferedSlot, Seats, Slot
from widget_server.engine import kept
from widget_server.engine.calls import Call
from widget_server.engine.cluster import ClusterAddress
from widget_server.engine.connection import Connection
from widget_server.engine.feed import Feed
from widget_server.engine.inspection import Inspection
from widget_server.engine.reservations import Pin, Reservations
from widget_server.engine.sentinel import SentinelAddress
from widget_server.engine.sweeping import Swept
from widget_server.engine.wire import Address, Reply, Word

HOLD_LENGTH = timedelta(minutes=10)
LIMIT = HOLD_LENGTH * 3
WINDOW = timedelta(minutes=30)
RETRY = timedelta(seconds=5)
TAKEOVER = timedelta(seconds=30)
CAPACITY = 4
PATIENCE_S = 10.0
"""On a slow machine, too; that the server itself waits less is for test_connection.py to see."""

_TOMORROW = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0) + timedelta(days=1)


def slot(service: str = "yoga", *, day: int = 0, hour: int = 0) -> Slot:
    starts_at = _TOMORROW + timedelta(days=day, hours=hour)
    return Slot(service, starts_at, starts_at + timedelta(minutes=60))


YOGA, LATE_YOGA, MASSAGE = slot(), slot(hour=1), slot("massage", day=1)


def site(key: str = "studio") -> Site:
    return Site(
        id=1,
        key=key,
        name="Studio",
        zone=ZoneInfo("Europe/Berlin"),
        currency="EUR",
        locale="en",
        accent="#336699",
        theme="light",
        holds_on=True,
        hold_minutes=10,
        origins=(),
        partition="tenuto",
        epoch=1,
        schedule_version=1,
    )


def days_of(booked: Sequence[BookedSeats]) -> list[BookedDay]:
    """As the store puts them together."""
    days: dict[str, list[str]] = {}
    for one in booked:
        day, _, field = one.slot.id.partition("T")
        days.setdefault(day, []).append(f"{field} {one.booked} {one.version}")
    return [BookedDay(day, " ".join(seats)) for day, seats in days.items()]


class Recorded(Connection):
    """Remembers what was asked and answered. Every script must get along with the keys of one partition."""

    def __init__(self, address: Address | SentinelAddress | ClusterAddress, *, patience_s: float = PATIENCE_S) -> None:
        super().__init__(address, patience_s=patience_s)
        self.answered: list[tuple[Call, list[Reply]]] = []

    def send(self, call: Call) -> asyncio.Future[Reply] | None:
        assert len({key.partition("}")[0] for key in call.keys}) == 1, "a Cluster takes no keys of several slots"
        sent = super().send(call)
        if sent is not None:
            sent.add_done_callback(lambda sent: self._note(call, sent.result()))
        return sent

    async def run_all(self, calls: Sequence[Call]) -> list[list[Reply]]:
        answers = await super().run_all(calls)
        for call, answer in zip(calls, answers, strict=True):
            self._note(call, answer)
        return answers

    def _note(self, call: Call, answer: Reply) -> None:
        if isinstance(answer, list):
            self.answered.append((call, answer))


class Box:
    """`capacity` is what every slot has that is not in `capacities`. A person's id, secret and visitor hash all come
    from their name.
    """

    def __init__(self, connection: Recorded, of_site: Site | None = None) -> None:
        self.connection = connection
        self.engine = Reservations(connection)
        self.feed = Feed(connection)
        self.site = of_site or site()
        self.capacity = CAPACITY
        self.capacities: dict[Slot, int] = {}
        self.schedule_version = 1
        self.network_max = HOLDS_PER_NETWORK_MAX
        self.needs: dict[Slot, tuple[Need, ...]] = {}

    def offer(self, *slots: Slot) -> list[OfferedSlot]:
        return [OfferedSlot(slot, self.capacities.get(slot, self.capacity), self.needs.get(slot, ())) for slot in slots]

    async def fill(self, booked: Sequence[BookedSeats] = (), waiting: Sequence[WaitingPin] = ()) -> int:
        """How many of those who are paying have their seats again."""
        assert await self.engine.rebuild(self.site, self.site.epoch, "first", TAKEOVER) is None
        lines = (await Inspection(self.connection).days(self.site.partition)).get(self.site.key, {})
        days = dict.fromkeys(lines, "") | {day.day: day.seats for day in days_of(booked)}
        restored = [BookedDay(*day) for day in days.items()]
        assert await self.engine.restore(self.site, "first", TAKEOVER, restored, lines) is not None
        pinned = await self.restore_pins(*waiting)
        assert pinned is not None
        assert await self.engine.open(self.site, "first", self.site.schedule_version)
        return pinned

    async def restore_pins(self, *waiting: WaitingPin) -> int | None:
        """As a part of that."""
        offered = [(pin, self.offer(*(line.slot for line in pin.lines))) for pin in waiting]
        return await self.engine.restore_pins(self.site, "first", offered, window=WINDOW, now=await self.now())

    async def advance(self, by: timedelta) -> None:
        await self.connection.read(("HINCRBY", "{tenuto}:clock", "offset", by // timedelta(milliseconds=1)))

    async def now(self) -> datetime:
        clock, time = await self.connection.read(*kept.clock_reads("{tenuto}:clock"))
        return from_ms(kept.now_ms(clock, time))

    async def hold(
        self,
        name: str,
        *lines: Line | Slot,
        schedule_version: int | None = None,
        visitor: str | None = None,
        network: str | None = None,
    ) -> Hold:
        wanted = [line if isinstance(line, Line) else Line(line, 1) for line in lines or (YOGA,)]
        return await self.engine.hold(
            self.site,
            wanted,
            self.offer(*(line.slot for line in wanted)),
            schedule_version=schedule_version or self.schedule_version,
            id=name,
            secret_hash=f"secret of {name}",
            visitor=visitor or name,
            network=network or name,
            network_max=self.network_max,
        )

    async def find(self, name: str) -> Hold:
        return await self.engine.find(self.site, name, f"secret of {name}")

    async def renew(self, name: str, *, version: int) -> Hold:
        return await self.engine.renew(self.site, name, f"secret of {name}", version=version, length=HOLD_LENGTH)

    async def change(
        self, name: str, *lines: Line | Slot, version: int = 1, schedule_version: int | None = None
    ) -> Hold:
        wanted = [line if isinstance(line, Line) else Line(line, 1) for line in lines]
        return await self.engine.change(
            self.site,
            name,
            f"secret of {name}",
            wanted,
            self.offer(*(line.slot for line in wanted)),
            schedule_version=schedule_version or self.schedule_version,
            version=version,
        )

    async def release(self, name: str) -> None:
        await self.engine.release(self.site, name, f"secret of {name}")

    async def pin(self, name: str, *, attempt: str = "first", schedule_version: int | None = None) -> Pin:
        return await self.engine.pin(
            self.site,
            name,
            f"secret of {name}",
            lambda slot: self.offer(slot)[0],
            schedule_version=schedule_version or self.schedule_version,
            attempt=attempt,
            window=WINDOW,
        )

    async def hold_and_pin(
        self,
        name: str,
        *lines: Line,
        instead_of: Sequence[Claimed] = (),
        visitor: str | None = None,
        network: str = "home",
    ) -> Pin:
        return await self.engine.hold_and_pin(
            self.site,
            lines,
            self.offer(*(line.slot for line in lines)),
            schedule_version=self.schedule_version,
            id=name,
            secret_hash=f"secret of {name}",
            visitor=visitor or name,
            network=network,
            network_max=self.network_max,
            attempt="first",
            window=WINDOW,
            instead_of=instead_of,
        )

    async def unpin(self, name: str, *, fence: int, release: bool = False, min_left_min: int = 2) -> None:
        min_left = timedelta(minutes=min_left_min)
        await self.engine.unpin(self.site, name, fence=fence, release=release, min_left=min_left)

    async def commit(self, name: str, *booked: BookedSeats, fence: int) -> str:
        return await self.engine.commit(self.site, name, fence=fence, booked=booked)

    async def sweep(self) -> Swept:
        return await self.engine.sweep("tenuto", retry=RETRY)

    async def seats(self, of: Slot = YOGA) -> Seats:
        reading = await self.engine.seats_of_days(self.site, of.service, [of.starts_at.date()])
        return reading.seats.get(of.id, Seats())

    async def counts_are_right(self) -> None:
        """Held is the sum of the lines, and every line belongs to a hold that lives or is past its deadline."""
        (days,) = await self.connection.read(("KEYS", "*:day:*"))
        counted: dict[str, Seats] = {}
        for day, fields in zip(days, await self._read_all([("HGETALL", day) for day in days]), strict=True):
            prefix, _, of_day = day.partition("day:")
            service, _, date = of_day.partition(":")
            counted |= {
                f"{prefix}slot:{slot_id}": seats for slot_id, seats in kept.seats_of_day(f"{service}.{date}T", fields)
            }
        all_lines = await self._read_all([("ZRANGE", key, 0, -1, "WITHSCORES") for key in counted])
        for (key, seats), lines in zip(counted.items(), all_lines, strict=True):
            assert seats.held == sum(int(line.rpartition(":")[2]) for line in lines[::2]), key
            assert seats.booked >= 0
            deadlines = [kept.instant(score) for score in lines[1::2] if score != "inf"]
            assert seats.frees_at == min(filter(None, deadlines), default=None)

    async def _read_all(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """In one go; none are none."""
        return await self.connection.read(*commands) if commands else []
