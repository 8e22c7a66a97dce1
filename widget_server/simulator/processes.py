"""The only place for one process of the simulation: all use cases, with a memory that a crash empties."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from widget_server.engine.connection import Connection
from widget_server.engine.feed import Feed
from widget_server.engine.inspection import Inspection
from widget_server.engine.mending import Mending
from widget_server.engine.reservations import Reservations
from widget_server.errors import Unavailable
from widget_server.live.hub import Hub
from widget_server.sealing import Seal
from widget_server.simulator.database import SimulatedDatabase, Sql
from widget_server.simulator.faults import Fault, Faults
from widget_server.simulator.gateway import SimulatedGateway
from widget_server.simulator.redis import Redis, SimulatedAddress
from widget_server.simulator.schedules import KnownSchedules, SharedSchedules
from widget_server.simulator.scripts import FEED_MAX
from widget_server.simulator.stripe import Stripe
from widget_server.simulator.turns import Turns, VirtualClock
from widget_server.store import audit, outbox
from widget_server.store import bookings as stored_bookings
from widget_server.store import sites as stored_sites
from widget_server.store.alternatives import LatePayments
from widget_server.store.attempts import Attempts
from widget_server.store.coupons import Coupons as StoredCoupons
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.payment_events import PaymentEvents
from widget_server.store.refunds import Refunds
from widget_server.use_cases.availability import Availability
from widget_server.use_cases.bookings import Bookings
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.checkout import Checkout
from widget_server.use_cases.coupons import Coupons
from widget_server.use_cases.offers import Offers
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.paid_seats import DecidingParts
from widget_server.use_cases.pinning import PinningParts
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.refunding import Refunding
from widget_server.use_cases.rescheduling import Rescheduling
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.settling import Settling

NEVER_S = 1e9
"""Widgets are not shown that we are there: the beat would only make long jumps through time slow."""
KEY = b"the simulator's own key, thirty-two bytes"
SEAL = Seal(KEY)
BASE_URL = "https://tenuto.example"

_Result = TypeVar("_Result")


class Crashed(Exception):
    """The process that was asked has died; nobody knows how far it came."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all processes share."""

    clock: VirtualClock
    turns: Turns
    faults: Faults
    redis: Redis
    stripe: Stripe
    sql: Sql
    chance: Random
    partition: str
    schedules: KnownSchedules


class Process:
    def __init__(self, name: str, around: Surroundings, *, is_worker: bool) -> None:
        self.name = name
        self.is_alive = True
        self.is_worker = is_worker
        self._around = around
        self._tasks: dict[asyncio.Task[Any], None] = {}
        """In the order in which they began: a set would end them in another one in each run."""
        self._build()
        follow = self.reconciliation._watch_for_losses if is_worker else self.availability.follow
        self._following = self._start(follow(around.partition))

    async def do(self, act: Coroutine[Any, Any, _Result]) -> _Result:
        """What comes of it here. Raises Crashed, and whatever it raises itself."""
        task = self._start(act)
        try:
            return await task
        except asyncio.CancelledError:
            if self.is_alive:
                raise
            raise Crashed(self.name) from None

    def crash(self) -> None:
        """Nothing of it happens any more."""
        self.is_alive = False
        for task in list(self._tasks):
            task.cancel()

    def look_after(self) -> None:
        """Begin anew to follow the feed where that has ended; the product's own loops would."""
        if self.is_alive and self._following.done():
            self._following.exception()
            follow = self.reconciliation._watch_for_losses if self.is_worker else self.availability.follow
            self._following = self._start(follow(self._around.partition))

    def _build(self) -> None:
        around, clock = self._around, self._around.clock
        database = SimulatedDatabase(around.sql, before=self._before_sql, after=self._after_sql)
        way = SimulatedAddress(around.redis, self, around.turns, around.faults, around.chance)
        connection = Connection(way)  # type: ignore[arg-type]
        feed = Feed(connection, entries_min=FEED_MAX)
        self.engine, self.hub = Reservations(connection), Hub(clock=clock, beat_every_s=NEVER_S)
        self.sites, self.schedules = stored_sites.Sites(database), SharedSchedules(database, around.schedules)
        self.store = stored_bookings.Bookings(database)
        self.catalog = Catalog(self.sites, self.schedules)
        self.scheduling = Scheduling(gate=self.engine, sites=self.sites, schedules=self.schedules)
        self.reconciliation = Reconciliation(
            catalog=self.catalog,
            engine=self.engine,
            inspection=Inspection(connection),
            mending=Mending(connection),
            feed=feed,
            sites=self.sites,
            store=self.store,
            attempts=(attempts := Attempts(database)),
            outbox=outbox.Outbox(database),
            audits=audit.Audits(database),
            clock=clock,
        )
        self.availability = Availability(
            catalog=self.catalog,
            engine=self.engine,
            feed=feed,
            hub=self.hub,
            scheduling=self.scheduling,
            reconciliation=self.reconciliation,
            clock=clock,
        )
        coupons = Coupons(
            coupons=StoredCoupons(database), catalog=self.catalog, scheduling=self.scheduling, clock=clock
        )
        parts = PinningParts(
            catalog=self.catalog,
            engine=self.engine,
            store=self.store,
            scheduling=self.scheduling,
            reconciliation=self.reconciliation,
            clock=clock,
            key=KEY,
            coupons=coupons,
        )
        self.bookings = Bookings(**parts)
        self.rescheduling = Rescheduling(**parts)
        self._build_payments(database, attempts, parts)

    def _build_payments(self, database: SimulatedDatabase, attempts: Attempts, parts: PinningParts) -> None:
        around = self._around
        gateway: Any = SimulatedGateway(around.stripe, self, around.turns, around.faults)
        accounts = PaymentAccounts(database, SEAL)
        self.refunding = Refunding(refunds=Refunds(database), accounts=accounts, gateway=gateway, clock=around.clock)
        deciding = DecidingParts(
            attempts=attempts,
            payments=LatePayments(database),
            accounts=accounts,
            gateway=gateway,
            refunding=self.refunding,
            sites=self.sites,
            offers=Offers(self.availability),
        )
        self.settling = Settling(events=PaymentEvents(database), deciding=deciding, **parts)
        links = OrderLinks(KEY, BASE_URL)
        self.checkout = Checkout(settling=self.settling, deciding=deciding, links=links, **parts)

    def _start(self, act: Coroutine[Any, Any, _Result]) -> "asyncio.Task[_Result]":
        task = asyncio.get_running_loop().create_task(act)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)

    async def _before_sql(self, _kind: str) -> None:
        await self._around.turns.turn()
        self._must_live()
        fault = self._around.faults.before_sql()
        if fault is Fault.CRASH_BEFORE:
            self.crash()
            self._must_live()
        if fault is not None or self._around.faults.is_sql_away:
            raise Unavailable("The database is not there just now. Please try again.")

    async def _after_sql(self, kind: str) -> None:
        fault = self._around.faults.after_sql()
        if fault is Fault.CRASH_AFTER:
            self.crash()
        self._must_live()
        if fault is Fault.SQL_UNKNOWN:
            raise Unavailable("The database is not there just now. Please try again.")
        if kind == "transaction" and self._around.chance.random() < 0.3:
            await self._around.turns.turn()

    def _must_live(self) -> None:
        if not self.is_alive:
            raise asyncio.CancelledError
