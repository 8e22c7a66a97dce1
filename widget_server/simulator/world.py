"""The only place that holds the simulated world together: one Redis, one SQL, some processes, and people's memory."""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import to_ms
from widget_server.domain.holds import Line
from widget_server.domain.payment_accounts import AccountState, KeptAccount
from widget_server.domain.schedule import (
    CapacityRule,
    Opening,
    Place,
    Schedule,
    Service,
    ServiceKind,
    Shift,
    StaffMember,
)
from widget_server.domain.sites import DEFAULT_PARTITION, Site
from widget_server.domain.slots import Slot
from widget_server.ids import _base64url
from widget_server.simulator import server
from widget_server.simulator.books import Books
from widget_server.simulator.database import SimulatedDatabase, Sql, new_sql
from widget_server.simulator.faults import Faults
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.ledger import Ledger
from widget_server.simulator.prices import REFUND_PERCENT, price_of
from widget_server.simulator.processes import SEAL, Process, Surroundings
from widget_server.simulator.purchases import Purchases
from widget_server.simulator.redis import Redis, SimulatedWire
from widget_server.simulator.schedules import KnownSchedules
from widget_server.simulator.server import Line as RedisLine
from widget_server.simulator.stripe import KEYS, Stripe
from widget_server.simulator.till import Till
from widget_server.simulator.turns import Turns, VirtualClock
from widget_server.simulator.witness import Witness
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.schedule import Schedules, Write, put_openings, put_service
from widget_server.store.sites import Sites
from widget_server.store.staff import put_member, put_shifts
from widget_server.store.tables import OperatorRow

if TYPE_CHECKING:
    from widget_server.simulator.widgets import Widget

PARTITION = DEFAULT_PARTITION
BEGINS_AT = datetime(2030, 3, 25, 6, tzinfo=UTC)
"""A few days before clocks change in Berlin."""
WEBS, WORKER = ("web A", "web B"), "worker"
SITES = {"studio": 10, "gym": 2, "hall": 1}
"""Their hold lengths, in minutes."""
DAYS_WANTED = 3
TRACE_MAX = 30
HEARD_AFTER_MAX = 200

OPERATOR = 1
"""Who gives money back."""


def _service(key: str, kind: ServiceKind, *, length_min: int, capacity: int) -> Service:
    return Service(
        key=key,
        name=key.title(),
        kind=kind,
        place=Place.IN_PERSON,
        description="",
        length_min=length_min,
        capacity=capacity,
        seats_per_booking_max=4,
        price=price_of(key),
        access="",
        refund_percent=REFUND_PERCENT,
    )


SERVICES = (
    _service("yoga", ServiceKind.CLASS, length_min=60, capacity=4),
    _service("talk", ServiceKind.CONSULTATION, length_min=30, capacity=2),
    _service("course", ServiceKind.CLASS, length_min=60, capacity=3),
)
BY_SHIFT = (
    replace(
        _service("massage", ServiceKind.CONSULTATION, length_min=30, capacity=1), capacity_rule=CapacityRule.BY_SHIFT
    ),
    replace(
        _service("lesson", ServiceKind.CLASS, length_min=50, capacity=2),
        capacity_rule=CapacityRule.BY_SHIFT,
        buffer_after_min=10,
    ),
)
"""Of one site: the same people serve both, at overlapping times."""
WITH_PEOPLE, PEOPLE = "studio", ("pia", "quinn")
HOURS = {
    "yoga": (time(9), time(12)),
    "talk": (time(11), time(12, 30)),
    "course": (time(13), time(16)),
    "massage": (time(9), time(11)),
    "lesson": (time(9, 30), time(11, 30)),
}
ON_SHIFT = time(8), time(13)


class World:
    def __init__(self, seed: int, line: RedisLine, sql: Sql) -> None:
        self.chance = Random(seed)  # noqa: S311
        self.clock = VirtualClock(to_ms(BEGINS_AT))
        self.turns = Turns(self.chance, self.clock)
        self.faults = Faults(self.chance, self.clock)
        self.books = Books(sql.raw)
        self.witness = Witness(self.books)
        self.redis = Redis(line, self.clock, self.faults, self.witness, PARTITION)
        self.till = Till(sql.raw, self.witness)
        self.stripe = Stripe(self.clock, self.till)
        self.ledger = Ledger(self.chance)
        self.purchases = Purchases(self.chance)
        self.sites: dict[str, Site] = {}
        self.plans: dict[str, Schedule] = {}
        """What each site offers, as SQL says."""
        self.processes: dict[str, Process] = {}
        self.widgets: list[Widget] = []
        self.done: Counter[str] = Counter()
        self.trace: deque[str] = deque(maxlen=TRACE_MAX)
        self._digest = hashlib.blake2b(digest_size=12)
        self._around = Surroundings(
            self.clock,
            self.turns,
            self.faults,
            self.redis,
            self.stripe,
            sql,
            self.chance,
            PARTITION,
            KnownSchedules(sql.raw),
        )
        self._onlooker = SimulatedDatabase(sql, before=_at_once, after=_at_once)

    async def begin(self) -> None:
        async with self._onlooker.transaction() as session:
            session.add(OperatorRow(id=OPERATOR, email="", password_hash="", created_at=self.clock.now()))
        for key, minutes in SITES.items():
            site = await Sites(self._onlooker).create(
                key=key, name=key, zone="Europe/Berlin", currency="EUR", hold_minutes=minutes, at=self.clock.now()
            )
            await Schedules(self._onlooker).change(site.id, from_version=1, to_version=2, write=self._first_plan(site))
            await self.look_at_plan(key)
        for name in (*WEBS, WORKER):
            self.start(name)

    def start(self, name: str) -> Process:
        process = self.processes[name] = Process(name, self._around, is_worker=name == WORKER)
        return process

    def web(self) -> Process:
        """One of the web processes; whoever looks after them starts a dead one again."""
        return self.living(self.chance.choice(WEBS))

    def worker(self) -> Process:
        return self.living(WORKER)

    def living(self, name: str) -> Process:
        process = self.processes[name]
        if not process.is_alive:
            return self.start(name)
        process.look_after()
        return process

    def newcomer(self) -> Process:
        """A process that has only just begun, and knows nothing from before."""
        return Process("newcomer", self._around, is_worker=False)

    async def hear(self, name: str) -> bool:
        """Let a process hear all that the feed has told; whether it has, unless Redis is away or it dies of it."""
        for _ in range(HEARD_AFTER_MAX):
            process = self.living(name)
            wires = [one for one in self.turns.listeners if isinstance(one, SimulatedWire) and one.is_of(process)]
            if any(wire.has_heard for wire in wires):
                return True
            for wire in wires:
                self.turns.hurry(wire)
            await asyncio.sleep(0.01)
        return False

    def is_on_its_way(self, hold_id: str) -> bool:
        """Whether Redis may still get a call about this hold: also one that was given up as nobody answered."""
        wires = [one for one in self.turns.waiting if isinstance(one, SimulatedWire)]
        return any(wire.has_sent(hold_id) for wire in wires)

    async def look_at_plan(self, site_key: str) -> None:
        """Read past all processes what SQL says of a site."""
        site = await Sites(self._onlooker).by_key(site_key)
        assert site is not None
        self.sites[site_key], self.plans[site_key] = await Schedules(self._onlooker).load_with_site(site.id)

    def new_id(self) -> str:
        return _base64url(self.chance.randbytes(16))

    def wanted_slots(self, site_key: str, count: int, service: str) -> list[Slot]:
        """Some slots of the next days, the first ones more often: everybody wants the same."""
        today = self.clock.now().date()
        offered = self.plans[site_key].slots_between(service, today, today + timedelta(days=DAYS_WANTED))
        coming = [offer.slot for offer in offered if offer.slot.starts_at > self.clock.now()]
        chosen = {int(len(coming) * self.chance.random() ** 2) for _ in range(count)} if coming else set()
        return [coming[at] for at in sorted(chosen)]

    def any_service(self, site_key: str) -> str:
        return self.chance.choice(services_of(site_key)).key

    def wanted_lines(self, site_key: str) -> tuple[Line, ...]:
        slots = self.wanted_slots(site_key, self.chance.choice((1, 1, 1, 2, 3)), self.any_service(site_key))
        return tuple(Line(slot, self.chance.choice((1, 1, 2))) for slot in slots)

    def pass_time(self, ms: int) -> None:
        self.clock.now_ms += ms
        self.redis.end_keys()

    def note(self, text: str) -> None:
        """Part of the trace, and of what must be the same when the same seed runs again."""
        line = f"{self.clock.now_ms - to_ms(BEGINS_AT):>10} ms  {text}"
        if self.witness.seen:
            line += f"  [{', '.join(self.witness.seen)}]"
            self.witness.seen.clear()
        self.trace.append(line)
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def raise_what_broke(self) -> None:
        if self.witness.broken is not None:
            raise self.witness.broken
        decided_again = self.books.decided_again()
        must(not decided_again, Invariant.OUTCOME, f"{decided_again}")

    def _first_plan(self, site: Site) -> Write:
        async def write(session: AsyncSession) -> None:
            for service in services_of(site.key):
                await put_service(session, site.id, service, at=self.clock.now())
                await put_openings(session, site.id, service.key, openings(service.key))
            await PaymentAccounts(self._onlooker, SEAL).put(session, site.id, _account(self.clock.now()), KEYS)
            for person in PEOPLE if site.key == WITH_PEOPLE else ():
                served = frozenset(service.key for service in BY_SHIFT)
                await put_member(session, site.id, StaffMember(person, person.title(), services=served))
                await put_shifts(session, site.id, person, shifts(person))

        return write


def _account(now: datetime) -> KeptAccount:
    return KeptAccount(
        is_test=False,
        key_shown="",
        webhook_shown="",
        name="",
        state=AccountState.ACCEPTED,
        checked_at=now,
        entered_at=now,
        webhook_entered_at=now,
        removed_at=None,
        is_readable=True,
    )


def openings(service: str, *, without: Sequence[int] = ()) -> list[Opening]:
    """Each day of the week its hours, but for some weekdays."""
    starts, ends = HOURS[service]
    return [Opening(service, starts, ends, weekday=weekday) for weekday in range(7) if weekday not in without]


def shifts(person: str, *, without: Sequence[int] = ()) -> list[Shift]:
    """Likewise."""
    starts, ends = ON_SHIFT
    return [Shift(person, starts, ends, weekday=weekday) for weekday in range(7) if weekday not in without]


def services_of(site_key: str) -> tuple[Service, ...]:
    return SERVICES + BY_SHIFT if site_key == WITH_PEOPLE else SERVICES


@contextmanager
def new_world(seed: int) -> Iterator[World]:
    """There is one at a time in a process."""
    with server.started() as line:
        yield World(seed, line, new_sql())


async def _at_once(_kind: str) -> None:
    """The onlooker is no part of the world: nothing happens to it."""
