"""The only place that builds all parts and ties them together: for the web, the worker and the commands."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette

from widget_server.clock import SystemClock
from widget_server.engine.connection import connect
from widget_server.engine.embedded import EmbeddedRedis, start_or_attach
from widget_server.engine.feed import Feed
from widget_server.engine.inspection import Inspection
from widget_server.engine.live_holds import LiveHolds
from widget_server.engine.mending import Mending
from widget_server.engine.reservations import Reservations
from widget_server.errors import Fault, Unavailable
from widget_server.live.hub import Hub
from widget_server.messages.smtp import Mailer
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.sealing import Seal
from widget_server.settings import Settings
from widget_server.store import audit, audit_log, memberships, move_requests, operators, outbox, schedule, sightings
from widget_server.store import bookings as stored_bookings
from widget_server.store import dashboard as stored_dashboard
from widget_server.store import erasing as stored_erasing
from widget_server.store import messages as stored_messages
from widget_server.store import payment_accounts as stored_accounts
from widget_server.store import reliability as stored_reliability
from widget_server.store import sites as stored_sites
from widget_server.store import week as stored_week
from widget_server.store.alternatives import LatePayments
from widget_server.store.attempts import Attempts
from widget_server.store.clearings import Clearings as StoredClearings
from widget_server.store.coupons import Coupons as StoredCoupons
from widget_server.store.database import Database
from widget_server.store.letters import Letters
from widget_server.store.my_bookings import StoredMyBookings
from widget_server.store.payment_events import PaymentEvents
from widget_server.store.refunds import Refunds
from widget_server.store.sending import Sending
from widget_server.store.slot_rules import KeptSlots as StoredKeptSlots
from widget_server.store.subscriptions import Subscriptions as StoredSubscriptions
from widget_server.store.unfinished import UnfinishedPayments as StoredUnfinishedPayments
from widget_server.use_cases.audit_log import AuditLog
from widget_server.use_cases.availability import Availability
from widget_server.use_cases.blackouts import Blackouts
from widget_server.use_cases.bookings import Bookings
from widget_server.use_cases.calendar import Calendar
from widget_server.use_cases.calendar_files import CalendarFiles
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.checkout import Checkout
from widget_server.use_cases.clearings import Clearings
from widget_server.use_cases.coupons import Coupons
from widget_server.use_cases.dashboard import Dashboard
from widget_server.use_cases.edits import Edits
from widget_server.use_cases.erasing import Erasing
from widget_server.use_cases.feed_lag import FeedLag
from widget_server.use_cases.freezing import Freezing
from widget_server.use_cases.kept_slots import KeptSlots
from widget_server.use_cases.messages import Messages
from widget_server.use_cases.move_requests import MoveRequests
from widget_server.use_cases.my_bookings import MyBookings
from widget_server.use_cases.next_date import NextDates
from widget_server.use_cases.offers import Offers
from widget_server.use_cases.operations import Operations
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.paid_moves import PaidMoves
from widget_server.use_cases.paid_seats import DecidingParts
from widget_server.use_cases.passwords import Passwords
from widget_server.use_cases.payment_accounts import PaymentAccounts
from widget_server.use_cases.people import People
from widget_server.use_cases.pinning import PinningParts
from widget_server.use_cases.posting import Posting
from widget_server.use_cases.readiness import Readiness
from widget_server.use_cases.receipts import Receipts
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.refunding import Refunding
from widget_server.use_cases.reliability import Reliability
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.services import Services
from widget_server.use_cases.settling import Settling
from widget_server.use_cases.sightings import Sightings
from widget_server.use_cases.sites import Sites
from widget_server.use_cases.staffing import Staffing
from widget_server.use_cases.subscriptions import Subscriptions
from widget_server.use_cases.unfinished_payments import UnfinishedPayments
from widget_server.use_cases.week import Weeks
from widget_server.use_cases.writing import Writing
from widget_server.web.app import create_app
from widget_server.web.context import UseCases
from widget_server.web.guards import TrustedNetworks

KEY_LENGTH_MIN = 32
LOOK_EVERY_S = 1.0
"""So soon is a new partition noticed; until then its widgets are answered from Redis, and none of them hears news."""
_REFUSED_ROW = re.compile(r"^DETAIL: .*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of one process, connected."""

    settings: Settings
    use_cases: UseCases
    sites: stored_sites.Sites
    database: Database
    hub: Hub
    posting: Posting
    first_partition: str
    """Where the first site will be; it is served before there is any."""

    async def partitions(self) -> set[str]:
        return {self.first_partition, *await self.sites.partitions()}

    async def work(self) -> None:
        """All that a worker does, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.in_each_partition(self.use_cases.reconciliation.run))
            tasks.create_task(self.posting.run())
            tasks.create_task(self.use_cases.settling.run())
            tasks.create_task(self.use_cases.payment_accounts.run())
            tasks.create_task(self.use_cases.clearings.run())
            tasks.create_task(self.use_cases.kept_slots.run())

    async def in_each_partition(self, act: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Do something endless for every partition, also for those that get their first site later; until cancelled."""
        served: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                with suppress(Unavailable):
                    for partition in await self.partitions() - served:
                        served.add(partition)
                        tasks.create_task(act(partition))
                await asyncio.sleep(LOOK_EVERY_S)


@contextmanager
def redis_of(settings: Settings) -> Iterator[tuple[str, EmbeddedRedis | None]]:
    """The address of Redis: the one that is set, or an embedded server that ends with us. Raises Fault.

    To be called in the main thread, before the event loop: the server's life hangs on the thread that started it.
    """
    if settings.redis_url is not None:
        yield settings.redis_url, None
        return
    embedded = start_or_attach(settings.data_dir)
    try:
        yield embedded.url, embedded
    finally:
        embedded.stop()


@asynccontextmanager
async def assembled(settings: Settings, redis_url: str) -> AsyncIterator[Parts]:
    """Everything built, and taken apart again at the end. Raises Fault for settings that make no sense."""
    database = Database(settings.database_url, settings.data_dir)
    connection = await connect(redis_url)
    clock = SystemClock()
    engine, feed, hub = Reservations(connection), Feed(connection), Hub(clock=clock)
    key = secret_key(settings)
    seal = Seal(key)
    sites, schedules = stored_sites.Sites(database), schedule.Schedules(database, seal)
    store, attempts = stored_bookings.Bookings(database), Attempts(database)
    catalog = Catalog(sites, schedules)
    scheduling = Scheduling(gate=engine, sites=sites, schedules=schedules)
    reconciliation = Reconciliation(
        catalog=catalog,
        engine=engine,
        inspection=Inspection(connection),
        mending=Mending(connection),
        feed=feed,
        sites=sites,
        store=store,
        attempts=attempts,
        outbox=outbox.Outbox(database),
        audits=audit.Audits(database),
        clock=clock,
        round_length=timedelta(seconds=settings.audit_round_s),
    )
    availability = Availability(
        catalog=catalog,
        engine=engine,
        feed=feed,
        hub=hub,
        scheduling=scheduling,
        reconciliation=reconciliation,
        clock=clock,
    )
    lag = FeedLag(feed=feed, follower=availability)
    edits = Edits(
        scheduling=scheduling,
        schedules=schedules,
        inspection=Inspection(connection),
        store=store,
        reconciliation=reconciliation,
        clock=clock,
    )
    coupons = Coupons(coupons=StoredCoupons(database), catalog=catalog, scheduling=scheduling, clock=clock)
    pinning = PinningParts(
        catalog=catalog,
        engine=engine,
        store=store,
        scheduling=scheduling,
        reconciliation=reconciliation,
        clock=clock,
        key=key,
        coupons=coupons,
    )
    bookings = Bookings(**pinning)
    mailer = mailer_of(settings)
    letters, links = Letters(database), OrderLinks(key, settings.base_url)
    writing = Writing(letters=letters, links=links, sender=mailer.sender if mailer else None)
    gateway = StripeGateway(api_url=settings.stripe_url)
    accounts = stored_accounts.PaymentAccounts(database, seal)
    refunding = Refunding(refunds=Refunds(database), accounts=accounts, gateway=gateway, clock=clock)
    deciding = DecidingParts(
        attempts=attempts,
        payments=LatePayments(database),
        accounts=accounts,
        gateway=gateway,
        refunding=refunding,
        sites=sites,
        offers=Offers(availability),
    )
    settling = Settling(events=PaymentEvents(database), deciding=deciding, **pinning)
    posting = Posting(sending=Sending(database), writing=writing, sites=sites, mailer=mailer, clock=clock)
    payment_accounts = PaymentAccounts(
        accounts=accounts,
        gateway=gateway,
        sites=sites,
        scheduling=scheduling,
        clock=clock,
        pretend_url=settings.stripe_url,
        has_address=bool(settings.public_url or settings.stripe_url),  # with a pretend Stripe nobody is from elsewhere
    )
    readiness = Readiness(
        {"redis": connection.check, "database": database.ping, "feed": availability.check},
        audit.Audits(database),
        notes={
            "redis": connection.miss_none,
            "feed": availability.miss_none,
            "payments": payment_accounts.are_readable,
        },
    )
    passwords = Passwords()
    all_sites = Sites(
        sites=sites,
        operators=operators.Operators(database),
        schedules=schedules,
        scheduling=scheduling,
        clock=clock,
        edits=edits,
        passwords=passwords,
        partitions=connection.partitions,
    )
    dashboard = Dashboard(
        dashboard=stored_dashboard.Dashboard(database), store=store, reconciliation=reconciliation, clock=clock
    )
    checkout = Checkout(settling=settling, deciding=deciding, links=links, **pinning)
    use_cases = UseCases(
        catalog=catalog,
        availability=availability,
        next_dates=NextDates(catalog=catalog, availability=availability, clock=clock),
        bookings=bookings,
        checkout=checkout,
        paid_moves=PaidMoves(rescheduling=bookings, settling=settling, deciding=deciding, links=links, **pinning),
        coupons=coupons,
        settling=settling,
        refunding=refunding,
        move_requests=MoveRequests(
            catalog=catalog,
            offers=Offers(availability),
            move_requests=move_requests.MoveRequests(database),
            clock=clock,
        ),
        reconciliation=reconciliation,
        scheduling=scheduling,
        sites=all_sites,
        people=People(
            memberships=memberships.Memberships(database),
            operators=operators.Operators(database),
            sites=all_sites,
            clock=clock,
            passwords=passwords,
        ),
        payment_accounts=payment_accounts,
        unfinished_payments=UnfinishedPayments(unfinished=StoredUnfinishedPayments(database), clock=clock),
        edits=edits,
        clearings=Clearings(
            clearings=StoredClearings(database),
            sites=sites,
            store=store,
            reconciliation=reconciliation,
            edits=edits,
            clock=clock,
        ),
        kept_slots=KeptSlots(kept_slots=StoredKeptSlots(database), edits=edits, sites=sites, clock=clock),
        services=Services(edits),
        calendar=Calendar(edits),
        freezing=Freezing(edits, clock),
        weeks=Weeks(
            catalog=catalog,
            offers=Offers(availability),
            booked=stored_week.BookedWeeks(database),
            dashboard=stored_dashboard.Dashboard(database),
            clock=clock,
        ),
        staffing=Staffing(edits),
        blackouts=Blackouts(edits),
        dashboard=dashboard,
        offers=Offers(availability),
        sightings=Sightings(sightings.Sightings(database), clock),
        operations=Operations(
            live_holds=LiveHolds(connection),
            engine=engine,
            bookings=bookings,
            store=store,
            audit_log=audit_log.AuditLog(database),
            clock=clock,
            key=key,
        ),
        erasing=Erasing(erasing=stored_erasing.Erasing(database), clock=clock),
        messages=Messages(
            messages=stored_messages.Messages(database),
            my_bookings=StoredMyBookings(database),
            writing=writing,
            has_mail_server=mailer is not None,
            clock=clock,
        ),
        calendar_files=CalendarFiles(bookings=bookings, letters=letters, links=links, clock=clock),
        receipts=Receipts(checkout=checkout, catalog=catalog, letters=letters),
        my_bookings=MyBookings(catalog=catalog, my_bookings=StoredMyBookings(database), links=links, clock=clock),
        reliability=Reliability(
            reliability=stored_reliability.Reliability(database),
            feed=availability,
            lag=lag,
            readiness=readiness,
            clock=clock,
        ),
        feed_lag=lag,
        audit_log=AuditLog(audit_log.AuditLog(database)),
        subscriptions=Subscriptions(
            subscriptions=StoredSubscriptions(database),
            sites=sites,
            dashboard=dashboard,
            links=links,
            clock=clock,
            key=key,
        ),
        readiness=readiness,
    )
    try:
        yield Parts(settings, use_cases, sites, database, hub, posting, connection.partitions[0])
    finally:
        await gateway.close()
        await catalog.close()
        await connection.close()
        await database.close()


def application(parts: Parts) -> Starlette:
    """The web application; while it runs, it follows the feeds."""
    state: dict[str, Any] = {
        "use_cases": parts.use_cases,
        "base_url": parts.settings.base_url,
        "trusted_proxies": TrustedNetworks(parts.settings.trusted_proxies),
    }

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        following = asyncio.create_task(parts.in_each_partition(parts.use_cases.availability.follow))
        try:
            yield state
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    return create_app(lifespan)


def mailer_of(settings: Settings) -> Mailer | None:
    """None: no mail server is set up. Raises Fault."""
    if settings.smtp_url is None:
        return None
    if not settings.mail_from:
        raise Fault("TENUTO_SMTP_URL needs TENUTO_MAIL_FROM as well: the address that mails come from.")
    return Mailer(settings.smtp_url.get_secret_value(), settings.mail_from)


def secret_key(settings: Settings) -> bytes:
    """The server's key: from the environment, or made once and kept in the data folder, for us alone to read."""
    if settings.secret_key is not None:
        given = settings.secret_key.get_secret_value().encode()
        if len(given) < KEY_LENGTH_MIN:
            raise Fault(f"TENUTO_SECRET_KEY is too short: use at least {KEY_LENGTH_MIN} random characters.")
        return given
    try:
        return _kept_key(settings.data_dir / "secret-key")
    except OSError as problem:
        raise Fault(f"The data folder {settings.data_dir} cannot be used: {problem.strerror}.") from problem


def _kept_key(path: Path) -> bytes:
    """Written aside and then linked: whoever finds the file finds all of it, and the first to link has made the key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(48))
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_bytes()


def log_plainly() -> None:
    """One line an event, with a time; no personal data and no secrets are ever given to it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_rows,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ]
    )


def _without_rows(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """PostgreSQL shows the whole row that it refused: names and addresses."""
    if "exception" in event:
        event["exception"] = _REFUSED_ROW.sub("", event["exception"])
    return event
