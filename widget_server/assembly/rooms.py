"""The rooms of operators: what they change, see and do, and whether all is well."""

from functools import cached_property

from widget_server.assembly.orders import Orders
from widget_server.engine.live_holds import LiveHolds
from widget_server.store import audit, audit_log, memberships, operators
from widget_server.store import dashboard as stored_dashboard
from widget_server.store import messages as stored_messages
from widget_server.store import reliability as stored_reliability
from widget_server.store import week as stored_week
from widget_server.store.clearings import Clearings as StoredClearings
from widget_server.store.my_bookings import StoredMyBookings
from widget_server.store.slot_rules import KeptSlots as StoredKeptSlots
from widget_server.store.subscriptions import Subscriptions as StoredSubscriptions
from widget_server.use_cases.clearings import Clearings
from widget_server.use_cases.dashboard import Dashboard
from widget_server.use_cases.edits import Edits
from widget_server.use_cases.feed_lag import FeedLag
from widget_server.use_cases.kept_slots import KeptSlots
from widget_server.use_cases.messages import Messages
from widget_server.use_cases.operations import Operations
from widget_server.use_cases.passwords import Passwords
from widget_server.use_cases.people import People
from widget_server.use_cases.readiness import Readiness
from widget_server.use_cases.reliability import Reliability
from widget_server.use_cases.sites import Sites
from widget_server.use_cases.subscriptions import Subscriptions
from widget_server.use_cases.week import Weeks


class Rooms(Orders):
    @cached_property
    def edits(self) -> Edits:
        return Edits(
            scheduling=self.scheduling,
            schedules=self.schedules,
            inspection=self.inspection,
            store=self.store,
            reconciliation=self.reconciliation,
            clock=self.clock,
        )

    @cached_property
    def clearings(self) -> Clearings:
        return Clearings(
            clearings=StoredClearings(self.database),
            sites=self.sites,
            store=self.store,
            reconciliation=self.reconciliation,
            edits=self.edits,
            clock=self.clock,
        )

    @cached_property
    def kept_slots(self) -> KeptSlots:
        kept_slots = StoredKeptSlots(self.database)
        return KeptSlots(kept_slots=kept_slots, edits=self.edits, sites=self.sites, clock=self.clock)

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords()

    @cached_property
    def all_sites(self) -> Sites:
        return Sites(
            sites=self.sites,
            operators=operators.Operators(self.database),
            schedules=self.schedules,
            scheduling=self.scheduling,
            clock=self.clock,
            edits=self.edits,
            passwords=self.passwords,
            partitions=self.connection.partitions,
        )

    @cached_property
    def people(self) -> People:
        return People(
            memberships=memberships.Memberships(self.database),
            operators=operators.Operators(self.database),
            sites=self.all_sites,
            clock=self.clock,
            passwords=self.passwords,
        )

    @cached_property
    def dashboard(self) -> Dashboard:
        return Dashboard(
            dashboard=stored_dashboard.Dashboard(self.database),
            store=self.store,
            reconciliation=self.reconciliation,
            clock=self.clock,
        )

    @cached_property
    def weeks(self) -> Weeks:
        return Weeks(
            catalog=self.catalog,
            offers=self.offers,
            booked=stored_week.BookedWeeks(self.database),
            dashboard=stored_dashboard.Dashboard(self.database),
            clock=self.clock,
        )

    @cached_property
    def operations(self) -> Operations:
        return Operations(
            live_holds=LiveHolds(self.connection),
            engine=self.engine,
            bookings=self.bookings,
            store=self.store,
            audit_log=audit_log.AuditLog(self.database),
            clock=self.clock,
            key=self.key,
        )

    @cached_property
    def messages(self) -> Messages:
        return Messages(
            messages=stored_messages.Messages(self.database),
            my_bookings=StoredMyBookings(self.database),
            writing=self.writing,
            has_mail_server=self.mailer is not None,
            clock=self.clock,
        )

    @cached_property
    def subscriptions(self) -> Subscriptions:
        return Subscriptions(
            subscriptions=StoredSubscriptions(self.database),
            sites=self.sites,
            dashboard=self.dashboard,
            links=self.links,
            clock=self.clock,
            key=self.key,
        )

    @cached_property
    def readiness(self) -> Readiness:
        return Readiness(
            {"redis": self.connection.check, "database": self.database.ping, "feed": self.availability.check},
            audit.Audits(self.database),
            notes={
                "redis": self.connection.miss_none,
                "feed": self.availability.miss_none,
                "payments": self.payment_accounts.are_readable,
            },
        )

    @cached_property
    def feed_lag(self) -> FeedLag:
        return FeedLag(feed=self.feed, follower=self.availability)

    @cached_property
    def reliability(self) -> Reliability:
        return Reliability(
            reliability=stored_reliability.Reliability(self.database),
            feed=self.availability,
            lag=self.feed_lag,
            readiness=self.readiness,
            clock=self.clock,
        )
