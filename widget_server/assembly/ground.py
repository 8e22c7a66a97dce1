"""What all else stands on: Redis, SQL, Stripe and the mail server, and what is offered and taken."""

from datetime import timedelta
from functools import cached_property

from widget_server.clock import SystemClock
from widget_server.engine.connection import Connection
from widget_server.engine.feed import Feed
from widget_server.engine.inspection import Inspection
from widget_server.engine.mending import Mending
from widget_server.engine.reservations import Reservations
from widget_server.errors import Fault
from widget_server.live.hub import Hub
from widget_server.messages.smtp import Mailer
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.sealing import Seal
from widget_server.settings import Settings
from widget_server.store import audit, outbox, schedule
from widget_server.store import bookings as stored_bookings
from widget_server.store import payment_accounts as stored_accounts
from widget_server.store import sites as stored_sites
from widget_server.store.attempts import Attempts
from widget_server.store.database import Database
from widget_server.use_cases.availability import Availability
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.offers import Offers
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.scheduling import Scheduling


class Ground:
    """A property is made when it is first asked for, of the parts that it names: so their order says nothing."""

    def __init__(self, settings: Settings, *, database: Database, connection: Connection, key: bytes) -> None:
        self.settings, self.key = settings, key
        self.clock = SystemClock()

        self.connection = connection
        self.engine = Reservations(connection)
        self.inspection = Inspection(connection)
        self.feed = Feed(connection)
        self.hub = Hub(clock=self.clock)

        self.database = database
        seal = Seal(key)
        self.sites = stored_sites.Sites(database)
        self.schedules = schedule.Schedules(database, seal)
        self.store = stored_bookings.Bookings(database)
        self.attempts = Attempts(database)
        self.accounts = stored_accounts.PaymentAccounts(database, seal)

        self.gateway = StripeGateway(api_url=settings.stripe_url)
        self.mailer = mailer_of(settings)

    async def close(self) -> None:
        await self.gateway.close()
        await self.catalog.close()
        await self.connection.close()
        await self.database.close()

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.sites, self.schedules)

    @cached_property
    def scheduling(self) -> Scheduling:
        return Scheduling(gate=self.engine, sites=self.sites, schedules=self.schedules)

    @cached_property
    def availability(self) -> Availability:
        return Availability(
            catalog=self.catalog,
            engine=self.engine,
            feed=self.feed,
            hub=self.hub,
            scheduling=self.scheduling,
            reconciliation=self.reconciliation,
            clock=self.clock,
        )

    @cached_property
    def offers(self) -> Offers:
        return Offers(self.availability)

    @cached_property
    def reconciliation(self) -> Reconciliation:
        return Reconciliation(
            catalog=self.catalog,
            engine=self.engine,
            inspection=self.inspection,
            mending=Mending(self.connection),
            feed=self.feed,
            sites=self.sites,
            store=self.store,
            attempts=self.attempts,
            outbox=outbox.Outbox(self.database),
            audits=audit.Audits(self.database),
            clock=self.clock,
            round_length=timedelta(seconds=self.settings.audit_round_s),
        )


def mailer_of(settings: Settings) -> Mailer | None:
    """None: no mail server is set up. Raises Fault."""
    if settings.smtp_url is None:
        return None
    if not settings.mail_from:
        raise Fault("TENUTO_SMTP_URL needs TENUTO_MAIL_FROM as well: the address that mails come from.")
    return Mailer(settings.smtp_url.get_secret_value(), settings.mail_from)
